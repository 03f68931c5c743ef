"""Options that a script, an environment file or a makefile keeps in variables."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from qemu_pr.command_line.shell import Word
from qemu_pr.lint.readers.shell_words import words_of
from qemu_pr.lint.readers.words import ON_ONE_LINE, UNQUOTED, Dialect

_ASSIGNMENT = re.compile(
    r"""
    ^ (?P<indent> [ \t]* )
    (?: (?: export | local | readonly | typeset | declare | ENV ) [ \t]+ (?: -\w+ [ \t]+ )* )?
    (?P<name> [A-Za-z_]\w* ) [ \t]* (?P<operator> [+:?]? = ) [ \t]*
    (?P<value>
        " (?: [^"\\] | \\. )* "
      | ''(?=\s) (?: (?!'') . )* ''
      | ' [^']* '
      | \( (?: [^()"'\\\#] | \\. | " (?: [^"\\] | \\. )* " | '[^']*' | (?<=\s)\#[^\n]* | (?<!\s)\#
             | (?<=\$)\([^()]*\) )* \)
      | -(?: [^\n\\] | \\. )*
      | [^\s;&"'(]*
    )
    (?= [\s;&)] | \Z )
    """,
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
_SEVERAL = re.compile(r"\s*(?:--?[a-zA-Z][\w-]*|\S*(?:qemu-system|qemu-kvm|kvm)\S*)\s+\S")
_PREFIX = re.compile(r"(?<![\w\"'])[fFrRbBuU](?=[\"'])")  # of a string of Python
_QUOTES = (("''", "''"), ('"', '"'), ("'", "'"), ("(", ")"))
_USE = re.compile(r"\$[{(]?(?P<name>[A-Za-z_]\w*)(?:\[[@*]\])?[})]?")


@dataclass(frozen=True, slots=True)
class Statement:
    """An assignment.

    Attributes:
        indent: The blanks before it.
        text: Its text.
        line: The line that it starts on, counted from 1.
        words: The words of the value, at their places in the text.
        dialect: How the value writes words.
        adds: It adds to what the variable has.
    """

    indent: str
    text: str
    line: int
    words: tuple[Word, ...]
    dialect: Dialect
    adds: bool


@dataclass(slots=True)
class Variable:
    """A variable that has options.

    Attributes:
        statements: What it is assigned, in order.
        is_certain: All of that is in it, and nothing else.
    """

    statements: list[Statement] = field(default_factory=list)
    is_certain: bool = True


@dataclass(frozen=True, slots=True)
class Joined:
    """The words of several texts, at their places in these texts one below the other."""

    text: str
    words: list[Word]
    dialects: list[tuple[int, int, Dialect]]
    is_certain: bool
    names: frozenset[str] = frozenset()


def find(text: str) -> tuple[dict[str, Variable], str]:
    """Find the variables of a text that have options.

    Args:
        text: The text, without comments.

    Returns:
        The variables by name, and the text without what they are assigned.
    """
    found: dict[str, Variable] = {}
    places: dict[str, list[tuple[int, int]]] = {}
    for match in _ASSIGNMENT.finditer(text):
        variable = found.setdefault(match["name"], Variable())
        statement = _statement(match, text.count("\n", 0, match.start()) + 1)
        fresh = not statement.adds and any(one.words for one in variable.statements)
        variable.is_certain = variable.is_certain and not fresh
        variable.statements.append(statement)
        places.setdefault(match["name"], []).append(match.span())
    for name in list(found):
        if not any(_has_option(one) for one in found[name].statements):
            del found[name], places[name]
            continue
        assigned = len(re.findall(rf"(?<![\w$-]){name}[ \t]*[+:?]?=", text))
        if assigned > len(found[name].statements):
            found[name].is_certain = False
    for start, end in sorted((span for spans in places.values() for span in spans), reverse=True):
        text = text[:start] + "\n" * text.count("\n", start, end) + text[end:]
    return found, text


def join(
    variables: Mapping[str, Variable], words: Sequence[Word], text: str, indent: int
) -> Joined | None:
    """Put the words of variables where a command uses them.

    Args:
        variables: The variables.
        words: The words of the command.
        text: The text that the words are in.
        indent: How far the command is indented.

    Returns:
        All words, in a text that has the assignments before the command; None if it uses none.
    """
    used: list[str] = []
    _note_uses(variables, words, used)
    if not used:
        return None
    statements = sorted(
        (one for name in used for one in variables[name].statements), key=lambda one: one.line
    )
    starts: dict[int, int] = {}
    dialects = []
    joined = ""
    for one in statements:
        starts[id(one)] = len(joined)
        dialects.append((len(joined), len(joined) + len(one.text), one.dialect))
        joined += one.text + "\n"

    def expanded(words: Sequence[Word], start: int, within: frozenset[str]) -> Iterator[Word]:
        for word in words:
            name = _used(variables, word)
            if name is None or name in within:
                yield word.but(start=word.start + start, end=word.end + start)
                continue
            for one in variables[name].statements:
                yield from expanded(one.words, starts[id(one)], within | {name})

    certain = all(variables[name].is_certain for name in used) and all(
        len(one.indent.expandtabs()) <= indent for one in statements
    )
    return Joined(
        joined + text,
        list(expanded(words, len(joined), frozenset())),
        dialects,
        certain,
        frozenset(used),
    )


def alone(statements: Sequence[Statement]) -> Joined:
    """Give what statements assign, as it is used elsewhere."""
    words: list[Word] = []
    dialects = []
    text = ""
    for one in statements:
        start = len(text)
        words += [word.but(start=word.start + start, end=word.end + start) for word in one.words]
        dialects.append((start, start + len(one.text), one.dialect))
        text += one.text + "\n"
    certain = len({one.indent for one in statements}) == 1
    return Joined(text.removesuffix("\n"), words, dialects, certain)


def _note_uses(variables: Mapping[str, Variable], words: Sequence[Word], used: list[str]) -> None:
    for word in words:
        name = _used(variables, word)
        if name is not None and name not in used:
            used.append(name)
            for one in variables[name].statements:
                _note_uses(variables, one.words, used)


def _used(variables: Mapping[str, Variable], word: Word) -> str | None:
    match = _USE.fullmatch(word.text) if word.expands else None
    name = match["name"] if match else None
    known = name is not None and name in variables and variables[name].is_certain
    return name if known else None


def _has_option(statement: Statement) -> bool:
    return any(word.text.startswith("-") for word in statement.words)


def _statement(match: re.Match[str], line: int) -> Statement:
    text, value = match[0], match["value"]
    start = match.start("value") - match.start()
    opening, closing = next(
        (one for one in _QUOTES if value.startswith(one[0]) and len(value) > 1), ("", "")
    )
    inner = value[len(opening) : len(value) - len(closing)]
    start += len(opening)
    array = opening == "("
    words = list(_words(inner, start, line + text.count("\n", 0, start), array=array))
    operator = match["operator"]
    rest = [word for word in words if not _is(word, match["name"])]
    adds = operator == "+=" or len(rest) < len(words)
    dialect = ON_ONE_LINE if array else UNQUOTED
    return Statement(match["indent"], text, line, tuple(rest), dialect, adds)


def _is(word: Word, name: str) -> bool:
    match = _USE.fullmatch(word.text) if word.expands else None
    return bool(match and match["name"] == name)


def _words(inner: str, start: int, line: int, *, array: bool) -> Iterator[Word]:
    if array:
        inner = _PREFIX.sub(" ", inner)
    for word in words_of(inner)[0]:
        placed = word.but(line=word.line + line - 1, start=word.start + start, end=word.end + start)
        # What has a blank in one word of an array is split where it is used, or it does not work.
        if array and _SEVERAL.match(word.text):
            yield from split(placed, inner[word.start : word.end])
        else:
            yield placed


def split(word: Word, raw: str) -> Iterator[Word]:
    """Divide a quoted word that has an option and its value, which are in it as they are.

    Args:
        word: The word.
        raw: Its text, with quotes.
    """
    at = raw.find(word.text.strip())
    if at < 0:
        yield word
        return
    for one in words_of(raw[at : at + len(word.text.strip())])[0]:
        yield Word(
            one.text,
            word.line + one.line - 1,
            one.expands,
            word.start + at + one.start,
            word.start + at + one.end,
        )
