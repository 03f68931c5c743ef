"""Many reports joined: each disk, and what each host is to it."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from qemu_pr.fleet import model
from qemu_pr.host.initiators import name_of
from qemu_pr.logical_unit.rules import ALL_REGISTRANTS

_WORKS = "running"
_NO_RESERVATIONS = (5, 9, 11)  # exit statuses: the disk lacks the command, or is no SCSI disk


@dataclass(frozen=True)
class Cell:
    """One host, as one disk sees it.

    Attributes:
        host: Its name.
        disk: What its report says of the disk.
        guests: Its guests that use the disk.
        registrations: Those that come from its ports.
        registered: How many of the paths that work are registered; None if that is not known.
        fenced: Whether it has guests that may not write, as others hold the disk.
    """

    host: str
    disk: model.Disk
    guests: tuple[str, ...]
    registrations: tuple[model.Registration, ...]
    registered: int | None
    fenced: bool

    @property
    def paths(self) -> int:
        """How many of its paths work."""
        return len(_working(self.disk))

    @property
    def holds(self) -> bool:
        """Whether it holds the reservation."""
        return any(one["r_holder"] for one in self.registrations)


@dataclass
class Row:
    """A disk.

    Attributes:
        identity: What it is called on every host; where it has no such name, host and device.
        told: What it told of its reservation, as the newest report has it; None if it told nothing.
        strangers: Registrations of ports that no report knows.
        cells: What hosts are to it, by name; those that do not see it are not there.
    """

    identity: str
    told: model.ReportedStatus | None = None
    strangers: tuple[model.Registration, ...] = ()
    cells: dict[str, Cell] = field(default_factory=dict)

    @property
    def holders(self) -> list[str]:
        """The hosts that hold the reservation; for a port that no report knows, its name."""
        if self.told is None or self.told["reservation"] is None:
            return []
        if self.told["reservation"]["type"] in ALL_REGISTRANTS:
            return ["all registrants"]
        named = [name for name, cell in self.cells.items() if cell.holds]
        unknown = [one["initiator"] or "?" for one in self.strangers if one["r_holder"]]
        return named + list(dict.fromkeys(unknown))

    @property
    def matters(self) -> bool:
        """Whether anybody reserves it, or might: a disk that one host alone sees is its own."""
        is_registered = self.told is not None and bool(self.told["registrations"])
        used = any(cell.guests for cell in self.cells.values())
        return len(self.cells) > 1 or is_registered or used


class Fleet:
    """The reports of many hosts.

    Attributes:
        reports: One of each host, by its name.
        twice: Hosts that are in several reports; the newest is here.
    """

    def __init__(self, reports: Iterable[model.Report]) -> None:
        self.reports: dict[str, model.Report] = {}
        self.twice: set[str] = set()
        for report in reports:
            earlier = self.reports.get(report["host"])
            if earlier is not None:
                self.twice.add(report["host"])
            if earlier is None or earlier["time"] <= report["time"]:
                self.reports[report["host"]] = report
        self.reports = dict(
            sorted(self.reports.items(), key=lambda item: _as_people_count(item[0]))
        )

    @cached_property
    def hosts_of_port(self) -> dict[str, list[str]]:
        """The hosts that have an initiator port of a name; more than one, if something is wrong."""
        found: dict[str, list[str]] = {}
        for host, report in self.reports.items():
            ports = {path["initiator"] for disk in report["disks"] for path in disk["paths"]}
            for port in {*report["initiators"], *ports}:
                if port is not None:
                    found.setdefault(port, []).append(host)
        return found

    @cached_property
    def rows(self) -> list[Row]:
        """The disks, those that are reserved first."""
        seen: dict[str, list[tuple[str, model.Disk]]] = {}
        for host, report in self.reports.items():
            here = set()
            for disk in report["disks"]:
                name = disk["identity"]
                if name is None or name in here:  # a path that multipath did not join is no map
                    name = f"{host}:{disk['device']}"
                here.add(name)
                seen.setdefault(name, []).append((host, disk))
        rows = (self._row(identity, views) for identity, views in seen.items())
        return sorted(rows, key=lambda row: (not _is_reserved(row), not row.matters, row.identity))

    def _row(self, identity: str, views: Sequence[tuple[str, model.Disk]]) -> Row:
        told = max(
            (
                (self.reports[host]["time"], disk["status"]["prgeneration"], number, disk["status"])
                for number, (host, disk) in enumerate(views)
                if disk["status"] is not None
            ),
            default=(None, None, None, None),
        )[3]
        of_hosts: dict[str, list[model.Registration]] = {}
        strangers = []
        for one in told["registrations"] if told else ():
            if one["initiator"] is None:
                continue
            hosts = self.hosts_of_port.get(name_of(one["initiator"]))
            if not hosts:
                strangers.append(one)
            for host in hosts or ():
                of_hosts.setdefault(host, []).append(one)
        row = Row(identity, told, tuple(strangers))
        for host, disk in views:
            row.cells[host] = self._cell(host, disk, told, of_hosts.get(host, []))
        return row

    def _cell(
        self,
        host: str,
        disk: model.Disk,
        told: model.ReportedStatus | None,
        registrations: Sequence[model.Registration],
    ) -> Cell:
        guests = self._guests[host].get(disk["device"], ())
        registered = _registered(disk, told, registrations)
        others_hold = (
            told is not None
            and told["reservation"] is not None
            and told["complete"]
            and told["others"]["write"] is False
        )
        # Without a path that works, nobody can tell: what it has registered may be another's path.
        may_be = bool(_working(disk)) or not registrations
        fenced = bool(guests) and others_hold and registered == 0 and may_be
        return Cell(host, disk, guests, tuple(registrations), registered, fenced)

    @cached_property
    def _guests(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """The guests by host and device."""
        found: dict[str, dict[str, tuple[str, ...]]] = {}
        for host, report in self.reports.items():
            by_device = found.setdefault(host, {})
            for guest in report["guests"]:
                for device in dict.fromkeys(guest["disks"]):
                    by_device[device] = (*by_device.get(device, ()), guest["name"])
        return found


def answers(disk: model.Disk) -> bool:
    """Tell whether a disk did not fail: it answered, or was not asked, or has no reservations."""
    return disk["error"] is None or disk["error"]["exit_status"] in _NO_RESERVATIONS


def _as_people_count(name: str) -> list[tuple[int, str]]:
    """Give what sorts node2 before node10."""
    parts = re.findall(r"([0-9]{1,18})|([^0-9]+|[0-9]+)", name)
    return [(int(number or 0), text) for number, text in parts]


def _is_reserved(row: Row) -> bool:
    return row.told is not None and row.told["reservation"] is not None


def _working(disk: model.Disk) -> list[model.Path]:
    return [path for path in disk["paths"] if path["state"] == _WORKS]


def _registered(
    disk: model.Disk, told: model.ReportedStatus | None, registrations: Sequence[model.Registration]
) -> int | None:
    """Tell how many paths that work are registered; None if nobody can tell.

    A path is known by its two ends. Where the disk calls its target ports something else in READ
    FULL STATUS than in its VPD page, as Linux' target does since 6.12, they can only be counted.
    """
    paths = _working(disk)
    if told is None or any(one["initiator"] is None for one in told["registrations"]):
        return None
    if not registrations:
        return 0 if any(path["initiator"] for path in paths) else None
    ends = Counter(
        (one["initiator"] or "", one["relative_target_port_identifier"]) for one in paths
    )
    everywhere = {name_of(one["initiator"] or "") for one in registrations if one["all_tg_pt"]}
    registered = Counter(
        (name_of(one["initiator"] or ""), one["relative_target_port_identifier"])
        for one in registrations
        if not one["all_tg_pt"]
    )
    if registered.keys() - {
        (one["initiator"], one["relative_target_port_identifier"]) for one in disk["paths"]
    }:
        return len(paths) if everywhere else min(registered.total(), len(paths))
    return sum(
        count if end[0] in everywhere else min(count, registered[end])
        for end, count in ends.items()
    )
