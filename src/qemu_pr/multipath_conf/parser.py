"""Read multipath.conf as multipath does, mistakes included, and say where it is mistaken.

multipath reads line by line and never gives up: it logs what it cannot use, drops it and goes on,
often with another meaning than the text suggests. This parser goes on in the same way, so that what
it gives back is what is in force, and makes a `Problem` of every such place.
"""

from dataclasses import dataclass, field

from qemu_pr.multipath_conf.model import SECTIONS, Attribute, Problem, Section
from qemu_pr.multipath_conf.words import CLOSE, LINE_SIZE_MAX, OPEN, Word, split

# The sections that multipath does not open unless something follows their name.
_NOT_OPENED_ALONE = frozenset({"overrides", "protocol"})


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text came to.

    Attributes:
        sections: The sections that are in force, in order.
        problems: Where multipath reads the text otherwise than it is written, by line.
    """

    sections: tuple[Section, ...]
    problems: tuple[Problem, ...] = ()


def parse(text: str) -> Parsed:
    """Read the text of a multipath.conf. Any text will do: what is wrong becomes a problem.

    Args:
        text: The file, decoded; bytes that are no text may be surrogates.
    """
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), start=1):
        reader.read(number, line)
    return reader.finish()


@dataclass(slots=True)
class _Open:
    """A section whose end has not been read; the outermost is the file."""

    name: str | None
    line: int
    entries: list[Attribute | Section] = field(default_factory=list)


@dataclass(slots=True)
class _Reader:
    """The sections that are open, the innermost last, and the problems so far."""

    open: list[_Open] = field(default_factory=lambda: [_Open(None, 0)])
    problems: list[Problem] = field(default_factory=list)

    def read(self, number: int, line: str) -> None:
        size = len(line.encode(errors="replace"))
        if size > LINE_SIZE_MAX:
            self._complain(
                number,
                "line",
                f"it has {size} bytes, and multipath starts a new line after {LINE_SIZE_MAX}",
                "make it shorter",
            )
        for start in range(0, len(line), LINE_SIZE_MAX):
            self._take(number, split(line[start : start + LINE_SIZE_MAX]))

    def finish(self) -> Parsed:
        while len(self.open) > 1:
            self._complain(
                self.open[-1].line,
                str(self.open[-1].name),
                "no } closes this section before the file ends",
                "write } on a line of its own behind its last attribute",
            )
            self._close()
        sections = tuple(entry for entry in self.open[0].entries if isinstance(entry, Section))
        return Parsed(sections, tuple(sorted(self.problems)))

    def _take(self, line: int, words: list[Word]) -> None:
        if not words:
            return
        first, *rest = words
        if first == CLOSE:
            self._end(line, rest)
        elif first == OPEN:
            self._complain(
                line, "{", "multipath ignores it", "write { behind the name, on the same line"
            )
        elif first.quoted:
            self._complain(
                line,
                f'"{first.text}"',
                "a name in quotes is none to multipath, which ignores the line",
                "leave out the quotes",
            )
        elif first.text in SECTIONS.get(self.open[-1].name, ()):
            self._begin(line, first.text, rest)
        else:
            self._attribute(line, first.text, rest)

    def _end(self, line: int, rest: list[Word]) -> None:
        if rest:
            self._complain(
                line,
                f"}} {rest[0].text}",
                "multipath ignores what follows }",
                "write it on a line of its own",
            )
        if len(self.open) > 1:
            self._close()
        else:
            self._complain(
                line, "}", "no section is open here", "see whether a section above ends too early"
            )

    def _begin(self, line: int, name: str, rest: list[Word]) -> None:
        if not rest and name in _NOT_OPENED_ALONE:
            self._complain(
                line,
                name,
                "no { follows it, so multipath ignores it, and the next } closes the section "
                "around it",
                "write { behind it, on the same line",
            )
            return
        if not rest or rest[0] != OPEN:
            self._complain(
                line, name, "no { follows it", "write { behind it, on the same line, and no more"
            )
        elif len(rest) > 1:
            self._complain(
                line,
                f"{name} {{ {rest[1].text}",
                "multipath ignores what follows {, and the section goes on",
                "write it, and the closing }, on lines of their own",
            )
        self.open.append(_Open(name, line))

    def _attribute(self, line: int, name: str, rest: list[Word]) -> None:
        if not rest:
            self._complain(
                line, name, "it has no value, so multipath ignores it", "write a value behind it"
            )
            return
        value, *more = rest
        inside = self.open[-1].name
        if value == OPEN:
            where = f"in the section {inside}" if inside else "here"
            self._complain(
                line,
                name,
                f"no section of this name belongs {where}, so multipath opens none, and the next "
                "} closes the section around it",
                "see multipath.conf(5) for its place",
            )
        elif inside is None:
            self._complain(
                line,
                name,
                "it stands in no section, so multipath ignores it",
                "put it into a section; see whether one above ends too early",
            )
        if inside is None:
            return
        if not value.closed:
            self._complain(line, name, "the closing quote is missing", 'write a " behind the value')
        if more:
            self._complain(
                line,
                f"{name} {value.text}",
                f"multipath ignores what follows the value: {more[0].text}",
                "write a value that has blanks in quotes, and nothing behind it",
            )
        self.open[-1].entries.append(Attribute(name, value.text, line))

    def _close(self) -> None:
        ended = self.open.pop()
        self.open[-1].entries.append(Section(str(ended.name), tuple(ended.entries), ended.line))

    def _complain(self, line: int, what: str, why: str, advice: str) -> None:
        self.problems.append(Problem(line, what, why, advice, syntax=True))
