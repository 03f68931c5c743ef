"""Makes a command of words, whatever they were read from; and puts remedies into their text."""

import json
import os
import re
import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from qemu_pr.command_line import proxmox
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.notation import OPTIONS, change, read, to_keyval
from qemu_pr.command_line.options import Argument, Setting, arguments
from qemu_pr.command_line.shell import Word
from qemu_pr.lint.command import Addition, Change, Command, FaultyPlace, Remedy
from qemu_pr.lint.met import Met

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


def is_argument(value: object) -> bool:
    """Tell whether a program can get a value of JSON as an argument.

    Half of a surrogate pair is no character; those that stand for a byte (PEP 383) can be passed.
    """
    if not isinstance(value, str):
        return False
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return False
    return True


def _quote_for_shell(word: str, expands: bool) -> str:
    if not expands:
        return shlex.quote(word)
    return '"' + re.sub(r'(["\\])', r"\\\1", word) + '"'


def _unquoted(word: str, _expands: bool) -> str:
    if re.search(r"[\s\"'\\;&|()*?#]", re.sub(r"\{\{.*?\}\}|<[\w ./-]+>", "", word)):
        raise CommandLineError(repr(word), "it needs quotes, and is in quotes already")
    return word


UNQUOTED = Dialect(_unquoted)
SHELL = Dialect(_quote_for_shell, line_end=" \\")
ON_ONE_LINE = Dialect(_quote_for_shell)
PROXMOX = Dialect(lambda word, _: proxmox.quote(word))
JSON = Dialect(lambda word, _: json.dumps(word), blank=", ")

Misread = list[tuple[Met, FaultyPlace]]


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
                found = FaultyPlace(argument.line, f"-{argument.option}: {error}")
                misread.append((Met.UNREADABLE_OPTION, found))
        else:
            settings.append(Setting(argument, given))
    return tuple(settings), misread


def joined(words: Sequence[Word]) -> tuple[list[Word], dict[int, FaultyPlace]]:
    """Join values that a blank tore apart.

    Args:
        words: The words of a command.

    Returns:
        The words, and by their places those that were joined.
    """
    whole: list[Word] = []
    torn: dict[int, FaultyPlace] = {}
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
            torn[last.start] = FaultyPlace(word.line, f"a blank before {word.text!r}")
        else:
            whole.append(word)
    return whole, torn


def corrected(
    text: str,
    settings: Iterable[Setting],
    remedies: Iterable[Remedy],
    dialect: Dialect,
    torn: Iterable[Word] = (),
    others: Sequence[tuple[int, int, Dialect]] = (),
) -> str:
    """Put remedies into a text.

    Args:
        text: The text that the settings were read from.
        settings: All of its settings.
        remedies: What to change and to add.
        dialect: How the text writes words.
        torn: Words that were joined, and are written as one.
        others: Where the text writes words in another way, and how.

    Returns:
        The text, with all else as it was.

    Raises:
        CommandLineError: The text has no way to write a word.
    """

    def at(place: int) -> Dialect:
        return next((other for start, end, other in others if start <= place < end), dialect)

    written: dict[tuple[int, int], str] = {
        (word.start, word.end): at(word.start).quote(word.text, word.expands) for word in torn
    }
    values: dict[tuple[int, int], tuple[Argument, str]] = {}
    for remedy in remedies:
        argument = remedy.setting.argument if isinstance(remedy, Change) else None
        if not isinstance(remedy, Change) or argument is None or argument.value is None:
            continue
        place = (argument.value.start, argument.value.end)
        _, value = values.get(place, (argument, argument.value.text))
        value = change(argument.option, value, remedy.key, remedy.new_key, remedy.value)
        values[place] = (argument, value)
    for place, (argument, value) in values.items():
        expands = argument.value is not None and argument.value.expands
        written[place] = at(place[0]).quote(value, expands)
    added = [one for one in remedies if isinstance(one, Addition)]
    first = min((one.argument.start for one in settings), default=len(text))
    last = max((one.argument.value.end for one in settings if one.argument.value), default=first)
    margin = text[text.rfind("\n", 0, first) + 1 : first]
    for end, writer in ((last, at(last - 1)), (first, at(first))):
        between = writer.blank
        if writer.line_end and margin.isspace() and "\n" in text[:first]:
            between = f"{writer.line_end}\n{margin}"
        options = [_option(one, writer) for one in added if one.last == (end == last)]
        written[end, end] = between.join([*options, ""] if end == first else ["", *options])
    for (start, end), new in sorted(written.items(), reverse=True):
        text = text[:start] + new + text[end:]
    return text


def _option(added: Addition, dialect: Dialect) -> str:
    value = dialect.quote(to_keyval(added.option, added.properties), False)
    return dialect.quote(f"-{added.option}", False) + dialect.blank + value


def command(
    text: str,
    words: Sequence[Word],
    dialect: Dialect,
    read_again: Callable[[str], list[Command]],
    *,
    program: str,
    closed: bool = True,
    misread: Sequence[tuple[Met, FaultyPlace]] = (),
    clean: Callable[[str], str] = lambda text: text,
    others: Sequence[tuple[int, int, Dialect]] = (),
    line: int = 1,
) -> Command:
    """Make a command of words.

    Args:
        text: The text that they were read from.
        words: The words, their places being those in the text, and their lines those of the file.
        dialect: How the text writes words.
        read_again: Reads such a text.
        program: The program that is started.
        closed: Between its options nothing is missing or unknown.
        misread: What was met in reading the words.
        clean: What to do to a corrected text before it is shown.
        others: Where the text writes words in another way, and how.
        line: The line that the command starts on, if it has no words.
    """
    line = words[0].line if words else line
    words, torn = joined(words)
    settings, unreadable = settings_of(words)
    rewritten = [word for word in words if word.start in torn]

    def correct(remedies: Sequence[Remedy]) -> str:
        return clean(corrected(text, settings, remedies, dialect, rewritten, others))

    blanks = [(Met.BLANK_IN_VALUE, found) for found in torn.values()]
    return Command(
        line=line,
        program=program,
        closed=closed,
        settings=settings,
        misread=(*misread, *blanks, *unreadable),
        correct=correct,
        read=read_again,
    )
