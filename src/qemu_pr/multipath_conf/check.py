"""What is wrong with what a configuration has for reservations: keys, and target ports.

Each rule is a function that yields findings; `check` runs those that what is known allows.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from qemu_pr.multipath_conf import prkeys
from qemu_pr.multipath_conf.configuration import Configuration, File, KeySetting, wwid_of
from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.model import Attribute, Problem, Section
from qemu_pr.multipath_conf.reservation_key import ReservationKey, ignored_flag

_NAME = "reservation_key"
_ALL_TG_PT = "all_tg_pt"
_SWITCH = frozenset({"yes", "no", "1", "0"})

_NO_KEY = "it is no key, and multipathd may refuse the whole file for it"
_REMOVE = "remove one of them"
_OWN_KEY = "give each host a key of its own: qemu-pr multipath-conf --host NAME"
_WRITE_ONE = "write one: qemu-pr multipath-conf --defaults"


class Finding(NamedTuple):
    """A problem, and the file that has it."""

    file: str
    problem: Problem

    def __str__(self) -> str:
        at = self.problem
        return f"{self.file}:{at.line}: {at.what}: {at.why}; {at.advice}"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known beside the configuration. All of it may be missing.

    Attributes:
        disks: The disks to look at: a name for each, by WWID.
        maps: The WWIDs of this host's maps, if the configuration is this host's; else empty.
        registered: The keys that disks have, by WWID; no entry for a disk that was not asked.
        remembered: What multipathd remembers for ``file``, by WWID; None if that is not known.
        running: The configuration that multipathd runs with.
        others: The configurations of other hosts.
    """

    disks: Mapping[str, str] = field(default_factory=dict)
    maps: Sequence[str] = ()
    registered: Mapping[str, Sequence[int]] = field(default_factory=dict)
    remembered: Mapping[str, ReservationKey] | None = None
    running: Configuration | None = None
    others: Sequence[Configuration] = ()


def check(configuration: Configuration, known: Surroundings) -> list[Finding]:
    """Find what is wrong with a configuration.

    Args:
        configuration: A host's files.
        known: What else is known.

    Returns:
        The findings, by file in the order of the files, then by line.
    """
    texts = list(_texts(configuration.files))
    no_key = any(finding.problem.why == _NO_KEY for finding in texts)
    rules = (
        texts,
        () if no_key else _missing(configuration, known),  # the key is there, and mistyped
        _prkeys_file(configuration),
        _unknown_wwids(configuration, known),
        _not_running(configuration, known),
        _not_registered(configuration, known),
        _shared(configuration, known),
        *(_texts(other.files) for other in known.others),
    )
    files = [file.path for host in (configuration, *known.others) for file in host.files]
    findings = dict.fromkeys(finding for rule in rules for finding in rule)
    return sorted(findings, key=lambda finding: (files.index(finding.file), finding.problem.line))


def _texts(files: Iterable[File]) -> Iterator[Finding]:
    """What the text of each file shows by itself."""
    for file in files:
        for problem in file.parsed.problems:
            yield Finding(file.path, problem)
        for section in file.parsed.sections:
            for problem in _section(section, (section.name,)):
                yield Finding(file.path, problem)
        for problem in _overridden(file):
            yield Finding(file.path, problem)


def _section(section: Section, place: tuple[str, ...]) -> Iterator[Problem]:
    if place == ("multipaths", "multipath") and wwid_of(section) is None:
        yield Problem(
            section.line,
            "multipath",
            "it has no wwid, so multipath ignores the whole entry",
            "add the wwid that 'multipath -ll' shows",
        )
    for name, rule in _RULES.items():
        given = list(section.attributes(name))
        if place not in rule.places:
            for attribute in given:
                why = f"multipath ignores it in a section {section.name}"
                yield Problem(attribute.line, name, why, rule.belongs)
            continue
        for attribute in given:
            yield from rule.value(attribute)
        for earlier in given[:-1]:
            yield Problem(
                earlier.line,
                f"{name} {earlier.value}",
                f"line {given[-1].line} sets another one in the same section, which wins",
                _REMOVE,
            )
    for entry in section.entries:
        if isinstance(entry, Section):
            yield from _section(entry, (*place, entry.name))


def _value(attribute: Attribute) -> Iterator[Problem]:
    what = f"{_NAME} {attribute.value}"
    try:
        key = ReservationKey.parse(attribute.value)
    except MultipathConfError as error:
        yield Problem(attribute.line, what, _NO_KEY, error.advice, syntax=True)
        return
    if key.key == 0:
        yield Problem(
            attribute.line, what, "key 0 means no key, so no path is ever registered", _OWN_KEY
        )
    if (flag := ignored_flag(attribute.value)) is not None:
        yield Problem(
            attribute.line,
            what,
            f"multipath ignores {flag!r} behind the colon",
            "write :aptpl, or nothing",
        )


def _switch(attribute: Attribute) -> Iterator[Problem]:
    if attribute.value not in _SWITCH:
        yield Problem(
            attribute.line,
            f"{attribute.name} {attribute.value}",
            "it is neither yes nor no, so multipath ignores it",
            "write yes or no",
            syntax=True,
        )


class _Rule(NamedTuple):
    """Where an attribute may stand, and what its value may be."""

    places: frozenset[tuple[str, ...]]
    belongs: str
    value: Callable[[Attribute], Iterator[Problem]]


_RULES = {
    _NAME: _Rule(
        frozenset({("defaults",), ("multipaths", "multipath")}),
        "put it into defaults, or into a multipath section of multipaths",
        _value,
    ),
    _ALL_TG_PT: _Rule(
        frozenset({("defaults",), ("overrides",), ("devices", "device")}),
        "put it into defaults, into overrides, or into a device section of devices",
        _switch,
    ),
}


def _overridden(file: File) -> Iterator[Problem]:
    """Values in one section of a file that another one of the same kind sets again."""
    same: dict[tuple[str, str], list[Attribute]] = {}
    kinds = [("", section) for section in file.sections("defaults")]
    for section in file.sections("multipaths"):
        kinds += [(wwid_of(one) or "", one) for one in section.sections("multipath")]
    for kind, section in kinds:
        for name in _RULES:
            given = list(section.attributes(name))
            if given and (kind or section.name == "defaults"):
                same.setdefault((kind, name), []).append(given[-1])
    for (_, name), given in same.items():
        for earlier in given[:-1]:
            if earlier.value != given[-1].value:
                yield Problem(
                    earlier.line,
                    f"{name} {earlier.value}",
                    f"line {given[-1].line} sets another one, which wins",
                    _REMOVE,
                )


def _missing(configuration: Configuration, known: Surroundings) -> Iterator[Finding]:
    """Maps that have no key; of files that name no map, the whole."""
    why = "multipathd registers no path that appears or comes back"
    for entry in configuration.entries.values():
        if configuration.setting(entry.wwid) is None:
            problem = Problem(
                entry.line, f"wwid {entry.wwid}", f"it has no {_NAME}, so {why}", _WRITE_ONE
            )
            yield Finding(entry.file, problem)
    if not configuration.files or configuration.default is not None:
        return
    first = configuration.files[0]
    line = next((section.line for section in first.sections("defaults")), 1)
    for wwid, disk in known.disks.items():
        if wwid not in configuration.entries:
            what = wwid if disk == wwid else f"{disk} ({wwid})"
            why_it = f"neither defaults nor an entry of multipaths has a {_NAME} for it, so {why}"
            yield Finding(first.path, Problem(line, what, why_it, _WRITE_ONE))
    if not configuration.entries and not known.disks:
        yield Finding(first.path, Problem(line, _NAME, f"there is none, so {why}", _WRITE_ONE))


def _prkeys_file(configuration: Configuration) -> Iterator[Finding]:
    """A file for ``file`` that newer releases do not use."""
    if configuration.prkeys_file is None:
        return
    file, attribute = configuration.prkeys_file
    if attribute.value != prkeys.PATH:
        problem = Problem(
            attribute.line,
            f"prkeys_file {attribute.value}",
            f"multipath-tools from 0.9.7 on ignore it and use {prkeys.PATH}, so that they forget "
            "the keys in this one",
            f"remove the line, and move the file to {prkeys.PATH}",
        )
        yield Finding(file, problem)


def _unknown_wwids(configuration: Configuration, known: Surroundings) -> Iterator[Finding]:
    """Entries for maps that this host does not have."""
    if not known.maps:
        return
    for entry in configuration.entries.values():
        if entry.wwid not in known.maps:
            problem = Problem(
                entry.line,
                f"wwid {entry.wwid}",
                "no map of this host has it, so the entry does nothing",
                "compare it with the WWIDs that 'multipath -ll' shows",
            )
            yield Finding(entry.file, problem)


def _not_running(configuration: Configuration, known: Surroundings) -> Iterator[Finding]:
    """Keys that multipathd has not read yet."""
    if known.running is None:
        return
    for setting, wwids in _by_setting(configuration, [*configuration.entries, *known.disks]):
        running = {_key(_setting(known.running, wwid)) for wwid in wwids}
        for key in running - {setting.key}:
            problem = Problem(
                setting.line,
                f"{_NAME} {setting.key}",
                f"multipathd runs with {'no key' if key is None else key}",
                "make it read the file: multipathd reconfigure",
            )
            yield Finding(setting.file, problem)


def _not_registered(configuration: Configuration, known: Surroundings) -> Iterator[Finding]:
    """Keys that are not among those that a disk has."""
    for wwid, registered in known.registered.items():
        setting = configuration.setting(wwid)
        if setting is None or not registered:
            continue
        key = setting.key.key
        which = ""
        if key is None:
            remembered = (known.remembered or {}).get(wwid)
            if remembered is None:
                continue
            key, which = remembered.key, f", for which multipathd remembers {remembered}"
        if key and key not in registered:
            disk = known.disks.get(wwid, wwid)
            keys = ", ".join(f"{other:#x}" for other in dict.fromkeys(registered))
            problem = Problem(
                setting.line,
                f"{_NAME} {setting.key}{which}",
                f"{disk} has other keys only: {keys}; if one of them is this host's, a path that "
                "comes back gets the wrong key",
                "set the key that the host or its guest registers, or file",
            )
            yield Finding(setting.file, problem)


def _shared(configuration: Configuration, known: Surroundings) -> Iterator[Finding]:
    """Keys that another host has too."""
    for other in known.others:
        wwids = [*configuration.entries, *other.entries, *known.disks]
        for setting, common in _by_setting(configuration, wwids):
            for theirs in {_setting(other, wwid) for wwid in common}:
                if theirs is None or not setting.key.key or theirs.key.key != setting.key.key:
                    continue
                problem = Problem(
                    setting.line,
                    f"{_NAME} {setting.key}",
                    f"{theirs.file}:{theirs.line} has the same, so whoever preempts one host "
                    "removes both",
                    _OWN_KEY,
                )
                yield Finding(setting.file, problem)


def _by_setting(
    configuration: Configuration, wwids: Iterable[str]
) -> Iterator[tuple[KeySetting, list[str | None]]]:
    """Give each setting with the maps that it is for; None stands for all maps without an entry."""
    found: dict[KeySetting, list[str | None]] = {}
    for wwid in (None, *dict.fromkeys(wwids)):
        setting = _setting(configuration, wwid)
        if setting is not None:
            found.setdefault(setting, []).append(wwid)
    yield from found.items()


def _setting(configuration: Configuration, wwid: str | None) -> KeySetting | None:
    return configuration.default if wwid is None else configuration.setting(wwid)


def _key(setting: KeySetting | None) -> ReservationKey | None:
    return setting.key if setting else None
