"""POSIX shell text: an argument vector written over several lines, and read back into words."""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator

from qemu_pr.command_line.errors import CommandLineError, UnfinishedError
from qemu_pr.record import Record

# shlex quotes for an argument; where the shell looks for a command, these mean something too.
_MORE_THAN_A_COMMAND = re.compile(
    "case|coproc|do|done|elif|else|esac|fi|for|function|if|in|select|then|time|until|while|.*=.*"
)

_PIECE = re.compile(
    r"""
      (?P<continuation> \\\n )
    | (?P<blank>        [ \t]+ )
    | (?P<newline>      \n )
    | (?P<escaped>      \\ . )
    | (?P<single>       ' [^']* ' )
    | (?P<double>       " (?: [^"\\] | \\. )* " )
    | (?P<command>      \$ \( (?: [^()] | \( [^()]* \) )* \) )
    | (?P<operator>     [;&|<>()] )
    | (?P<plain>        (?: [^ \t\n\\'";&|<>()$]+ | \$ (?! \( ) )+ )
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"#[^\n]*")
_ESCAPE = re.compile(r"\\([$`\"\\]|\n)")  # the backslashes that mean something in double quotes
_UNFINISHED = {
    "'": "a single quote stays open",
    '"': "a double quote stays open",
    "\\": "the text ends in a backslash",
    "$": "a $( stays open",
}


def _unescape(text: str) -> tuple[str, bool]:
    expands = "$" in (plain := _ESCAPE.sub("", text)) or "`" in plain
    return _ESCAPE.sub(lambda match: match[1].strip("\n"), text), expands


# What a piece of a word stands for, and whether the shell would expand something in it.
_PARTS: dict[str | None, Callable[[re.Match[str]], tuple[str, bool]]] = {
    "escaped": lambda match: (match[0][1], False),
    "single": lambda match: (match[0][1:-1], False),
    "double": lambda match: _unescape(match[0][1:-1]),
    "command": lambda match: (match[0], True),
    "plain": lambda match: (match[0], bool(set("$`") & set(match[0]))),
}


class Word(Record, beside=("start", "end")):
    """One word of a command.

    Attributes:
        text: What the program gets, quotes and escapes taken off.
        line: The line it starts on, counted from 1.
        expands: The shell would put something else in for a ``$`` or a backquote in it.
        start: The place of its first character in the text.
        end: The place behind its last character.
    """

    text: str
    line: int = 1
    expands: bool = False
    start: int = 0
    end: int = 0


def join(program: str, options: Iterable[tuple[str, str]]) -> str:
    """Write a command for a POSIX shell, one option a line, quoted only where it must be.

    Args:
        program: The program's name or path.
        options: Each option with its value.

    Returns:
        Text without a newline at its end; each line but the last ends in a space and a backslash.
    """
    lines = [_quote_command(program)]
    lines += [f"    {shlex.quote(option)} {shlex.quote(value)}" for option, value in options]
    return " \\\n".join(lines)


class Mark(Record):
    """What separates words and is no blank.

    Attributes:
        text: A line end, or one of the shell's operators.
        line: The line that it is on, counted from 1.
        start: The place of its first character in the text.
    """

    text: str
    line: int
    start: int


def tokens(text: str) -> Iterator[Word | Mark]:
    """Read words, operators and line ends as a POSIX shell does, without expanding anything.

    Args:
        text: Any number of commands, with continued lines, quotes and comments.

    Raises:
        UnfinishedError: A quote stays open, or the text ends in a backslash.
    """
    word: Word | None = None
    position, line = 0, 1
    while position < len(text):
        match = (word is None and _COMMENT.match(text, position)) or _PIECE.match(text, position)
        if not match:
            char = text[position]
            raise UnfinishedError(line, _UNFINISHED[char], is_quote=char in "'\"")
        kind = match.lastgroup
        if kind in _PARTS:
            part, expands = _PARTS[kind](match)
            word = word or Word("", line, start=position)
            word = Word(
                word.text + part, word.line, word.expands or expands, word.start, match.end()
            )
        elif word and kind != "continuation":
            yield word
            word = None
        if kind in ("operator", "newline"):
            yield Mark(match[0], line, position)
        position = match.end()
        line += match[0].count("\n")
    if word:
        yield word


def split(text: str) -> list[Word]:
    """Read the words of one command as a POSIX shell does, without expanding anything.

    Args:
        text: The command, with continued lines, quotes and comments.

    Returns:
        Its words in order; none if the text is blank.

    Raises:
        CommandLineError: A quote stays open, a second command follows (which is what a missing
            backslash makes of the next line), or an operator would redirect or end the command.
    """
    words: list[Word] = []
    ended = 0
    for token in tokens(text):
        if isinstance(token, Word):
            if ended:
                raise CommandLineError(
                    f"line {ended}",
                    f"no backslash at its end, so that line {token.line} is another command to the"
                    " shell",
                    "end the line with a space and a backslash",
                )
            words.append(token)
        elif token.text != "\n":
            raise CommandLineError(
                f"line {token.line}",
                f"{token.text!r} outside quotes ends or redirects the command",
                "quote it, or leave it and what follows out",
            )
        elif words:
            ended = ended or token.line
    return words


def _quote_command(program: str) -> str:
    quoted = shlex.quote(program)
    if quoted == program and _MORE_THAN_A_COMMAND.fullmatch(program):
        return f"'{program}'"
    return quoted
