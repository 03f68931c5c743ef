"""What several files come to together: which reservation key is in force for a map."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.model import Attribute, Section
from qemu_pr.multipath_conf.parser import Parsed, parse
from qemu_pr.multipath_conf.reservation_key import ReservationKey


class File(NamedTuple):
    """A file that was read: its path as shown to people, and what it came to."""

    path: str
    parsed: Parsed

    @classmethod
    def parse(cls, path: str, text: str) -> "File":
        """Parse what a file holds."""
        return cls(path, parse(text))

    def sections(self, name: str) -> Iterable[Section]:
        """Give the file's outermost sections of a name."""
        return (section for section in self.parsed.sections if section.name == name)


class KeySetting(NamedTuple):
    """A reservation key, and where it is set."""

    key: ReservationKey
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Entry:
    """All that the `multipath` sections of one WWID set, later ones before earlier ones.

    Attributes:
        wwid: The map's WWID.
        file: Where its first section is.
        line: Its line.
        setting: Its reservation key; None if it sets none.
    """

    wwid: str
    file: str
    line: int
    setting: KeySetting | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """The reservation keys that a host's files set.

    Attributes:
        files: The files, in the order in which multipath reads them.
        default: What `defaults` sets; None if it sets nothing.
        entries: What `multipaths` sets, by WWID.
        prkeys_file: The attribute of this name, and the file that has it; None without.
    """

    files: tuple[File, ...]
    default: KeySetting | None
    entries: dict[str, Entry]
    prkeys_file: tuple[str, Attribute] | None

    @classmethod
    def of(cls, files: Iterable[File]) -> "Configuration":
        """Merge files: what comes later wins, attribute by attribute."""
        files = tuple(files)
        default: KeySetting | None = None
        prkeys_file = None
        entries: dict[str, Entry] = {}
        for file in files:
            for section in file.sections("defaults"):
                default = _setting(file.path, section) or default
                for attribute in section.attributes("prkeys_file"):
                    prkeys_file = (file.path, attribute)
            for section in file.sections("multipaths"):
                for inner in section.sections("multipath"):
                    wwid = wwid_of(inner)
                    if wwid is None:
                        continue
                    earlier = entries.get(wwid, Entry(wwid, file.path, inner.line))
                    setting = _setting(file.path, inner) or earlier.setting
                    entries[wwid] = Entry(wwid, earlier.file, earlier.line, setting)
        return cls(files, default, entries, prkeys_file)

    def setting(self, wwid: str) -> KeySetting | None:
        """Give what is in force for a map: its own entry, or else the default."""
        entry = self.entries.get(wwid)
        return (entry.setting if entry else None) or self.default


def wwid_of(multipath: Section) -> str | None:
    """Give the WWID of a `multipath` section; without one, multipath ignores the section."""
    wwids = [attribute.value for attribute in multipath.attributes("wwid")]
    return wwids[-1] if wwids and wwids[-1] else None


def _setting(file: str, section: Section) -> KeySetting | None:
    """Give the last reservation key of a section that multipath takes."""
    found = None
    for attribute in section.attributes("reservation_key"):
        try:
            found = KeySetting(ReservationKey.parse(attribute.value), file, attribute.line)
        except MultipathConfError:
            continue  # multipath ignores it, and the check says so
    return found
