"""Shell commands in any text: a script, a log, a manual in reStructuredText or Markdown.

A command is a run of lines. It goes on behind a line that ends in a backslash, and, as backslashes
get lost, before a line that begins with an option. What is wrong with its lines is mended first,
and the rest read from the mended text.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import shorten

from qemu_pr.command_line.errors import UnfinishedError
from qemu_pr.command_line.shell import tokens
from qemu_pr.lint.command import Command, FaultyPlace
from qemu_pr.lint.met import Met
from qemu_pr.lint.readers import strings, variables
from qemu_pr.lint.readers.shell_words import masked, may_have_more, program_in, words_of
from qemu_pr.lint.readers.words import SHELL, command

_MENTION = "pr-manager"
_MATTERS = re.compile(r"pr-manager|scsi-block")

_OPTION_LINE = re.compile(r"\s*(?:> )?--?[a-zA-Z][\w-]*(?:[\s=].*)?\Z")
_HAS_OPTION = re.compile(r"(?:^|\s)--?[a-zA-Z][\w-]*(?:\s|$)")
_QEMU = re.compile(r"qemu|kvm", re.IGNORECASE)
_CONTINUED = re.compile(r"(?:[^\\]|\\.)*?\\\s*\Z", re.DOTALL)
_COMMENT = re.compile(r"\s*[#;].*")
_UNIT = re.compile(r"\s*Exec\w+=")
_TEMPLATE = re.compile(r"\s*\{(?:%|\{-?\s*(?:if|else|end|range|with)\b)")

# An option that waits for its value, or a value that has more to come; and what goes on with it.
_WAITS = re.compile(r".*(?:\A|\s)--?(?:object|blockdev|drive|device)(?:\s+\S*,)?\s*\Z")
_VALUE = re.compile(r"\s*(?:> )?(?:[\w{\"'][\w.-]*[=,]|scsi-|virtio-|pr-manager)\S*(?:\s+-.*)?\Z")
_DOTS = re.compile(r"\s*(?:\[?\.\.\.+\]?|\[?…\]?)\s*\\?\s*\Z")
_PROMPT = re.compile(r"\s*(?:[\w.-]+@[\w.-]+[:\w~/.-]*|\[[^\]]*\])?[$#%]\s+")
_FENCE = re.compile(r"\s*(?:```|~~~|\.\. )")
_LIST = re.compile(r".*(?:[(:=\[{\"',]|[>|][+-]?)\s*\Z")  # what a script puts options into
_JSON = re.compile(r"-(?:object|blockdev|device)\s+['\"][^'\"]*\{")


@dataclass(slots=True)
class _Line:
    """A line of a command: its number in the file, and its text, mended."""

    number: int
    text: str


def read(text: str) -> tuple[list[Command], str]:
    """Read the commands of a text that have to do with reservations.

    Args:
        text: The text, without comments.

    Returns:
        The commands, and the text without them.
    """
    known, text = variables.find(text)
    found, text = strings.read(text)
    lines = text.split("\n")
    used = set[str]()
    for run in _runs(lines):
        read_one, names = _command(run, known)
        used |= names
        if read_one is not None:
            found.append(read_one)
            for line in run:
                lines[line.number - 1] = ""
    for name, variable in known.items():
        if name in used:
            continue
        parts = (
            [variable.statements] if variable.is_certain else [[one] for one in variable.statements]
        )
        found += [_kept(part) for part in parts if any(map(_matters, part))]
    return found, "\n".join(lines)


def commands(text: str) -> list[Command]:
    """Do what `read` does, without its second half."""
    return read(text)[0]


def _matters(statement: variables.Statement) -> bool:
    return bool(_MATTERS.search(statement.text))


def _kept(statements: Sequence[variables.Statement]) -> Command:
    """Make a command of what a variable has, which is used elsewhere."""
    kept = variables.alone(statements)
    closed = kept.is_certain and not may_have_more(kept.words)
    return command(
        kept.text,
        kept.words,
        SHELL,
        commands,
        program="",
        closed=closed,
        others=kept.dialects,
        line=statements[0].line,
    )


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
    if _WAITS.match(last) and _VALUE.match(line):
        return True
    started = _QEMU.search(run[0].text) or any(_HAS_OPTION.search(one.text) for one in run)
    if not started or last.rstrip().endswith("::"):
        return False
    between = _DOTS.match(line) or (_COMMENT.match(line) and _OPTION_LINE.match(last))
    between = between or _TEMPLATE.match(line)
    if between:
        return any(map(_OPTION_LINE.match, following))
    return bool(_OPTION_LINE.match(line))


def _is_quoted(line: _Line) -> bool:
    """Tell whether a line is quoted as in mail and Markdown, or stands behind a prompt."""
    return bool(re.match(r"\s*>\s", line.text))


def _in_quotes(run: Sequence[_Line]) -> bool:
    """Tell whether a value stays open at the end: JSON may be written over several lines."""
    text = "\n".join(line.text for line in run)
    return bool(_JSON.search(text)) and _open(text)


def _command(
    lines: list[_Line], known: Mapping[str, variables.Variable]
) -> tuple[Command | None, frozenset[str]]:
    """Read a run of lines: the command, if it may have to do with reservations.

    Args:
        lines: The lines.
        known: The variables that have options.

    Returns:
        The command, and the variables that are in it.
    """
    matters = any(_MATTERS.search(line.text) for line in lines)
    if not matters and not (known and any("$" in line.text for line in lines)):
        return None, frozenset()
    lines = [_Line(line.number, line.text) for line in lines]
    indent = len(lines[0].text) - len(lines[0].text.lstrip())
    misread, closed = _mend(lines)
    text = "\n".join(line.text for line in lines)
    words, ended = words_of(text)
    numbers = [line.number for line in lines]
    words = [word.but(line=numbers[word.line - 1]) for word in words]
    if ended and words and words[-1].text.startswith("-"):  # else it's an apostrophe
        misread.append((Met.OPEN_QUOTE, FaultyPlace(numbers[ended - 1], "a quote stays open")))
    line = words[0].line if words else lines[0].number
    joined = variables.join(known, words, text, indent)
    if joined:
        text, words, closed = joined.text, joined.words, closed and joined.is_certain
    elif not matters:
        return None, frozenset()
    program = program_in(words)
    unseen = may_have_more(words[program or 0 :])
    found = command(
        text,
        words,
        SHELL,
        commands if not any(_TEMPLATE.match(one.text) for one in lines) else _nothing,
        program="" if program is None else words[program].text,
        closed=closed and not ended and not unseen,
        misread=misread,
        clean=lambda text: _laid_out(text, indent),
        others=joined.dialects if joined else (),
        line=line,
    )
    names = joined.names if joined else frozenset[str]()
    wires = found.uses_managers or found.unreserved or (found.misread and _MENTION in text)
    return (replace(found, line=line) if wires else None), names


def _nothing(_text: str) -> list[Command]:
    """Read no correction: what is left out of a template by its own rules, nobody can know."""
    return []


def _mend(lines: list[_Line]) -> tuple[list[tuple[Met, FaultyPlace]], bool]:
    """Mend what keeps the lines from being one command.

    Args:
        lines: The lines, which are changed.

    Returns:
        What was wrong, and whether the lines are all there.
    """
    prompt = _PROMPT.match(lines[0].text)
    if prompt:
        lines[0].text = " " * prompt.end() + lines[0].text[prompt.end() :]
    if prompt or all(map(_is_quoted, lines)):
        for line in lines:
            line.text = re.sub(r"\A\s*>(?=\s)", lambda match: " " * match.end(), line.text)
    while len(lines) > 1 and _COMMENT.match(lines[-1].text):
        lines.pop()  # behind the last line the shell takes it for a comment, too
    if _UNIT.match(lines[0].text):  # systemd passes over comments between the lines
        lines[1:] = [line for line in lines[1:] if not _COMMENT.match(line.text)]
    misread: list[tuple[Met, FaultyPlace]] = []
    closed = not any(_DOTS.match(line.text) or _TEMPLATE.match(line.text) for line in lines)
    listed = (len(lines) > 1 and _LIST.match(lines[0].text)) or _OPTION_LINE.match(lines[0].text)
    if listed and not any(_CONTINUED.match(line.text) for line in lines):
        return misread, closed  # options one below the other, and not to be pasted
    for number, line in enumerate(lines[:-1]):
        if _DOTS.match(line.text):
            line.text = "\\"
        elif _TEMPLATE.match(line.text) or _TEMPLATE.match(lines[number + 1].text):
            if not _CONTINUED.match(line.text):
                line.text += " \\"
        elif number and _COMMENT.match(line.text):
            misread.append((Met.COMMENT_BETWEEN, FaultyPlace(line.number, line.text.strip())))
            line.text = "\\"
        elif not line.text.strip():
            continue
        elif _CONTINUED.match(line.text):
            if not line.text.endswith("\\"):
                what = f"{line.text.strip()!r}"
                misread.append((Met.BLANK_BEHIND_BACKSLASH, FaultyPlace(line.number, what)))
                line.text = line.text.rstrip()
        elif not _open("\n".join(one.text for one in lines[: number + 1])):
            if not _DOTS.match(lines[number + 1].text):
                what = f"{_beginning(line.text)}, and then {_beginning(lines[number + 1].text)}"
                misread.append((Met.MISSING_BACKSLASH, FaultyPlace(line.number, what)))
            line.text = line.text.rstrip() + " \\"
    last = lines[-1]
    last.text = re.sub(r"\s*\\\s*\Z", "", last.text) if _CONTINUED.match(last.text) else last.text
    return misread, closed


def _beginning(text: str) -> str:
    """Give enough of a line to know it by."""
    return shorten(text.strip(), 60, placeholder=" …") if " " in text.strip() else text.strip()


def _open(text: str) -> bool:
    try:
        list(tokens(masked(text)))
    except UnfinishedError as error:
        return error.is_quote
    return False


def _laid_out(text: str, indent: int) -> str:
    """Give a mended command without the lines that were left out of it, and without its indent."""
    first, *rest = [line for line in text.split("\n") if line.strip() != "\\"]
    margin = re.compile(rf"\A[ \t]{{0,{indent}}}")
    return "\n".join([first.lstrip(), *(margin.sub("", line) for line in rest)])
