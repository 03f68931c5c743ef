"""What a multipath.conf holds: attributes in sections, and what is wrong with its text."""

from collections.abc import Iterator
from dataclasses import dataclass, field

SECTIONS = {
    None: frozenset(
        {"defaults", "blacklist", "blacklist_exceptions", "devices", "multipaths", "overrides"}
    ),
    "blacklist": frozenset({"device"}),
    "blacklist_exceptions": frozenset({"device"}),
    "devices": frozenset({"device"}),
    "multipaths": frozenset({"multipath"}),
    "overrides": frozenset({"protocol"}),
}
"""The sections that may stand in a section; None is the file itself."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """A name and its value. The line, from 1, tells nothing about it: equality leaves it out."""

    name: str
    value: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Section:
    """A section with all that is in it, in order; the line is that of its name."""

    name: str
    entries: tuple["Attribute | Section", ...] = ()
    line: int = field(default=0, compare=False)

    def attributes(self, name: str) -> Iterator[Attribute]:
        """Give the attributes of a name. Of several, multipath takes the last."""
        for entry in self.entries:
            if isinstance(entry, Attribute) and entry.name == name:
                yield entry

    def sections(self, name: str) -> Iterator["Section"]:
        """Give the sections of a name."""
        for entry in self.entries:
            if isinstance(entry, Section) and entry.name == name:
                yield entry


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something wrong with a multipath.conf.

    Attributes:
        line: Where, from 1.
        what: The word or thing that it is about.
        why: Why it is wrong.
        advice: What to do about it.
        syntax: Whether multipath reads it otherwise than it is written, or not at all.
    """

    line: int
    what: str
    why: str
    advice: str
    syntax: bool = False
