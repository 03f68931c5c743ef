"""Makes a command of words, whatever they were read from; and puts remedies into their text."""

import json
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from qemu_pr.command_line import proxmox
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.notation import OPTIONS, change, read, to_keyval
from qemu_pr.command_line.options import Argument, Setting, arguments
from qemu_pr.command_line.shell import Word
from qemu_pr.lint.command import Addition, Command, Found, Remedy

_INDENT = re.compile(r"^[ \t]*\Z", re.MULTILINE)
_PAIR = re.compile(r"[\w.-]+=.*", re.DOTALL)
_MENTION = "pr-manager"


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text writes words.

    Attributes:
        quote: Writes a word; the flag says that the shell is to expand what is in it.
        blank: What is between words.
        line_end: What is before the end of a line that goes on; empty if no line does.
    """

    quote: Callable[[str, bool], str]
    blank: str = " "
    line_end: str = ""


def _quote_for_shell(word: str, expands: bool) -> str:
    if not expands:
        return shlex.quote(word)
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


SHELL = Dialect(_quote_for_shell, line_end=" \\")
PROXMOX = Dialect(lambda word, _: proxmox.quote(word))
JSON = Dialect(lambda word, _: json.dumps(word), blank=", ")

Misread = list[tuple[str, Found]]


def settings_of(words: Sequence[Word]) -> tuple[tuple[Setting, ...], Misread]:
    """Read the settings of words, and leave out those that cannot be read.

    Args:
        words: The words of a command, with its program or without.

    Returns:
        The settings, and what could not be read although it names a manager.
    """
    settings, misread = [], []
    for argument in arguments(words):
        if argument.option not in OPTIONS or argument.value is None:
            continue
        try:
            given = read(argument.option, argument.value.text)
        except CommandLineError as error:
            if _MENTION in argument.value.text:
                found = Found(argument.line, f"-{argument.option}: {error}")
                misread.append(("unreadable-option", found))
        else:
            settings.append(Setting(argument, given))
    return tuple(settings), misread


def joined(words: Sequence[Word]) -> tuple[list[Word], dict[int, Found]]:
    """Join values that a blank tore apart.

    Args:
        words: The words of a command.

    Returns:
        The words, and by their places those that were joined.
    """
    whole: list[Word] = []
    torn: dict[int, Found] = {}
    for word in words:
        last = whole[-1] if whole else None
        if (
            last is not None
            and len(whole) > 1
            and whole[-2].text.lstrip("-") in OPTIONS
            and (last.text.endswith(",") or word.text.startswith(","))
            and _PAIR.fullmatch(word.text.lstrip(","))
        ):
            expands = last.expands or word.expands
            whole[-1] = Word(last.text + word.text, last.line, expands, last.start, word.end)
            torn[last.start] = Found(word.line, f"a blank before {word.text!r}")
        else:
            whole.append(word)
    return whole, torn


def corrected(
    text: str,
    settings: Iterable[Setting],
    remedies: Iterable[Remedy],
    dialect: Dialect,
    torn: Iterable[Word] = (),
) -> str:
    """Put remedies into a text.

    Args:
        text: The text that the settings were read from.
        settings: All of its settings.
        remedies: What to change and to add.
        dialect: How the text writes words.
        torn: Words that were joined, and are written as one.

    Returns:
        The text, with all else as it was.
    """
    written: dict[tuple[int, int], str] = {
        (word.start, word.end): dialect.quote(word.text, word.expands) for word in torn
    }
    values: dict[tuple[int, int], tuple[Argument, str]] = {}
    added: list[str] = []
    for remedy in remedies:
        if isinstance(remedy, Addition):
            given = dialect.quote(to_keyval(remedy.option, remedy.properties), False)
            added.append(dialect.quote(f"-{remedy.option}", False) + dialect.blank + given)
            continue
        argument = remedy.setting.argument
        if argument.value is None:
            continue
        place = (argument.value.start, argument.value.end)
        _, value = values.get(place, (argument, argument.value.text))
        value = change(argument.option, value, remedy.key, remedy.new_key, remedy.value)
        values[place] = (argument, value)
    for place, (argument, value) in values.items():
        expands = argument.value is not None and argument.value.expands
        written[place] = dialect.quote(value, expands)
    first = min((setting.argument.start for setting in settings), default=len(text))
    indent = _INDENT.search(text[:first])
    between = dialect.blank
    if indent and dialect.line_end and first - len(indent[0]) > 0:
        between = f"{dialect.line_end}\n{indent[0]}"
    if added:
        written[first, first] = between.join([*added, ""])
    for (start, end), new in sorted(written.items(), reverse=True):
        text = text[:start] + new + text[end:]
    return text


def command(
    text: str,
    words: Sequence[Word],
    dialect: Dialect,
    read_again: Callable[[str], list[Command]],
    *,
    program: str,
    whole: bool = True,
    misread: Sequence[tuple[str, Found]] = (),
    clean: Callable[[str], str] = lambda text: text,
    line: int = 1,
) -> Command:
    """Make a command of words.

    Args:
        text: The text that they were read from.
        words: The words, their places being those in the text, and their lines those of the file.
        dialect: How the text writes words.
        read_again: Reads such a text.
        program: The program that is started.
        whole: Nothing of the command is missing or unknown.
        misread: What was met in reading the words.
        clean: What to do to a corrected text before it is shown.
        line: The line that the command starts on, if it has no words.
    """
    line = words[0].line if words else line
    words, torn = joined(words)
    settings, unreadable = settings_of(words)
    rewritten = [word for word in words if word.start in torn]

    def correct(remedies: Sequence[Remedy]) -> str:
        return clean(corrected(text, settings, remedies, dialect, rewritten))

    blanks = [("blank-in-value", found) for found in torn.values()]
    return Command(
        line=line,
        program=program,
        whole=whole,
        settings=settings,
        misread=(*misread, *blanks, *unreadable),
        correct=correct,
        read=read_again,
    )
