"""Shell commands in any text: a script, a log, a manual in reStructuredText or Markdown.

A command is a run of lines. It goes on behind a line that ends in a backslash, and, as backslashes
get lost, before a line that begins with an option. What is wrong with its lines is mended first,
and the rest read from the mended text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from textwrap import shorten

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.shell import Mark, Word, tokens
from qemu_pr.lint.command import Command, Found
from qemu_pr.lint.readers.words import SHELL, command

_MENTION = "pr-manager"

_OPTION_LINE = re.compile(r"\s*(?:> )?--?[a-zA-Z][\w-]*(?:[\s=].*)?\Z")
_HAS_OPTION = re.compile(r"(?:^|\s)--?[a-zA-Z][\w-]*(?:\s|$)")
_QEMU = re.compile(r"qemu|kvm", re.IGNORECASE)
_PROGRAM = re.compile(r"(?:\S*[=/])?(?:qemu(?:-system-\w+|-kvm)?|kvm)|\$\{?\w*(?i:qemu)\w*\}?")
_CONTINUED = re.compile(r"(?:[^\\]|\\.)*?\\\s*\Z", re.DOTALL)
_COMMENT = re.compile(r"\s*#.*")
_DOTS = re.compile(r"\s*(?:\[?\.\.\.+\]?|\[?…\]?)\s*\\?\s*\Z")
_PROMPT = re.compile(r"\s*(?:[\w.-]+@[\w.-]+[:\w~/.-]*)?[$#%]\s+")
_FENCE = re.compile(r"\s*(?:```|~~~|\.\. )")
_LIST = re.compile(r".*(?:[(:=\[{\"',]|[>|][+-]?)\s*\Z")  # what a script puts options into
_JSON = re.compile(r"-(?:object|blockdev|device)\s+['\"][^'\"]*\{")

# What may stand for options that the text does not show: $ARGS, unless it is an option's value.
_FLAG = re.compile(r"--?(S|s|snapshot|daemonize|nographic|nodefaults|enable-kvm|no-[\w-]+)")
_DOTTED = re.compile(r".*(?:\.\.\.|…)|--?readconfig")

# What stands for something in a manual is no redirection: <wwid>, <path of the socket>.
_PLACEHOLDER = re.compile(r"<[A-Za-z][\w ./-]*>")
_MASK = {ord("<"): "\ue000", ord(">"): "\ue001", ord(" "): "\ue002"}
_UNMASK = {ord(mask): chr(plain) for plain, mask in _MASK.items()}


@dataclass(slots=True)
class _Line:
    """A line of a command: its number in the file, and its text, mended."""

    number: int
    text: str


def read(text: str) -> tuple[list[Command], str]:
    """Read the commands of a text that have to do with reservation managers.

    Args:
        text: The text.

    Returns:
        The commands, and an empty text.
    """
    return commands(text), ""


def commands(text: str) -> list[Command]:
    """Do what `read` does, without its second half."""
    found = []
    for lines in _runs(text.split("\n")):
        if any(_MENTION in line.text for line in lines):
            found.append(_command(lines))
    return found


def _runs(lines: Sequence[str]) -> Iterator[list[_Line]]:
    """Divide a text into runs of lines, each of which may be a command."""
    run: list[_Line] = []
    for number, line in enumerate(lines, start=1):
        if run and not _goes_on(run, line, lines[number : number + 1]):
            yield run
            run = []
        run.append(_Line(number, line))
    yield run


def _goes_on(run: Sequence[_Line], line: str, following: Sequence[str]) -> bool:
    last = run[-1].text
    if not last.strip() or _FENCE.match(last) or _FENCE.match(line):
        return False
    if _CONTINUED.match(last) or _in_quotes(run):
        return True
    started = _QEMU.search(run[0].text) or any(_HAS_OPTION.search(one.text) for one in run)
    if not started or last.rstrip().endswith("::"):
        return False
    between = _DOTS.match(line) or (_COMMENT.match(line) and _OPTION_LINE.match(last))
    if between:
        return any(map(_OPTION_LINE.match, following))
    return bool(_OPTION_LINE.match(line))


def _in_quotes(run: Sequence[_Line]) -> bool:
    """Tell whether a value stays open at the end: JSON may be written over several lines."""
    text = "\n".join(line.text for line in run)
    return bool(_JSON.search(text)) and _open(text)


def _command(lines: list[_Line]) -> Command:
    indent = len(lines[0].text) - len(lines[0].text.lstrip())
    misread, whole = _mend(lines)
    text = "\n".join(line.text for line in lines)
    words, ended = _words(text)
    numbers = [line.number for line in lines]
    words = [
        Word(word.text, numbers[word.line - 1], word.expands, word.start, word.end)
        for word in words
    ]
    if ended and words and words[-1].text.startswith("-"):  # else it's an apostrophe
        misread.append(("open-quote", Found(numbers[ended - 1], "a quote stays open")))
    program = next(filter(_starts_program, pairwise(words)), None)
    begun = words.index(program[0]) if program else 0
    unseen = any(map(_has_options, words[begun:], words[begun + 1 :]))
    return command(
        text,
        words,
        SHELL,
        commands,
        program=program[0].text if program else "",
        whole=whole and program is not None and not ended and not unseen,
        misread=misread,
        line=lines[0].number,
        clean=lambda text: _laid_out(text, indent),
    )


def _starts_program(words: tuple[Word, Word]) -> bool:
    """Tell whether a word is QEMU, and options follow: prose only speaks of it."""
    return bool(_PROGRAM.fullmatch(words[0].text)) and words[1].text.startswith("-")


def _has_options(before: Word, word: Word) -> bool:
    """Tell whether a word may stand for options that the text does not show."""
    if _DOTTED.fullmatch(word.text):
        return True
    value = before.text.startswith("-") and not _FLAG.fullmatch(before.text)
    return word.expands and not value and not word.text.startswith("-")


def _mend(lines: list[_Line]) -> tuple[list[tuple[str, Found]], bool]:
    """Mend what keeps the lines from being one command.

    Args:
        lines: The lines, which are changed.

    Returns:
        What was wrong, and whether the lines are all there.
    """
    prompt = _PROMPT.match(lines[0].text)
    if prompt:
        lines[0].text = " " * prompt.end() + lines[0].text[prompt.end() :]
        for line in lines[1:]:
            line.text = re.sub(r"\A\s*>(?=\s)", lambda match: " " * match.end(), line.text)
    misread: list[tuple[str, Found]] = []
    whole = len(lines) == 1 or not _LIST.match(lines[0].text)
    listed = not whole or _OPTION_LINE.match(lines[0].text)
    if listed and not any(_CONTINUED.match(line.text) for line in lines):
        return misread, False  # options one below the other, and not to be pasted
    for number, line in enumerate(lines[:-1]):
        if _DOTS.match(line.text):
            whole = False
            line.text = "\\"
        elif number and _COMMENT.match(line.text):
            misread.append(("comment-between", Found(line.number, line.text.strip())))
            line.text = "\\"
        elif not line.text.strip():
            continue
        elif _CONTINUED.match(line.text):
            if not line.text.endswith("\\"):
                what = f"{line.text.strip()!r}"
                misread.append(("blank-behind-backslash", Found(line.number, what)))
                line.text = line.text.rstrip()
        elif not _open("\n".join(one.text for one in lines[: number + 1])):
            if not _DOTS.match(lines[number + 1].text):
                what = f"{_beginning(line.text)}, and then {_beginning(lines[number + 1].text)}"
                misread.append(("missing-backslash", Found(line.number, what)))
            line.text = line.text.rstrip() + " \\"
    last = lines[-1]
    last.text = re.sub(r"\s*\\\s*\Z", "", last.text) if _CONTINUED.match(last.text) else last.text
    return misread, whole


def _beginning(text: str) -> str:
    """Give enough of a line to know it by."""
    return shorten(text.strip(), 60, placeholder=" …") if " " in text.strip() else text.strip()


def _open(text: str) -> bool:
    try:
        list(tokens(_masked(text)))
    except CommandLineError as error:
        return "quote" in str(error)
    return False


def _masked(text: str) -> str:
    return _PLACEHOLDER.sub(lambda match: match[0].translate(_MASK), text)


def _words(text: str) -> tuple[list[Word], int]:
    """Read the words around the first option, up to the operator that ends the command.

    Args:
        text: The mended text.

    Returns:
        The words, and the line on which a quote stays open; 0 if none does.
    """
    words: list[Word] = []
    ended = 0
    try:
        for token in tokens(_masked(text)):
            if isinstance(token, Mark) and token.text == "\n":
                continue
            if isinstance(token, Mark):
                if any(word.text.startswith("-") for word in words):
                    break
                words = []
            else:
                words.append(token)
    except CommandLineError as error:
        ended = int(re.findall(r"\d+", str(error))[0])
    return [_as_meant(word, text) for word in words], ended


def _as_meant(word: Word, text: str) -> Word:
    """Give a word as it was meant: ps(1) shows JSON without the quotes of the shell."""
    raw = text[word.start : word.end]
    meant = raw if raw.startswith('{"') else word.text.translate(_UNMASK)
    return Word(meant, word.line, word.expands, word.start, word.end)


def _laid_out(text: str, indent: int) -> str:
    """Give a mended command without the lines that were left out of it, and without its indent."""
    first, *rest = [line for line in text.split("\n") if line.strip() != "\\"]
    margin = re.compile(rf"\A[ \t]{{0,{indent}}}")
    return "\n".join([first.lstrip(), *(margin.sub("", line) for line in rest)])
