"""What is wrong across hosts: a new kind is an entry of the table and a function."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from qemu_pr.fleet import model
from qemu_pr.fleet.matrix import Fleet, Row, answers

_FILE = "file"  # a reservation_key that is whatever the guest registers
_NAMED = 4
_OLD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong.

    Attributes:
        kind: The name of its kind.
        subject: The host or disk that it is about.
        what: What was found.
        advice: What to do.
        hosts: The hosts that it concerns.
        disk: The disk; None if it is about hosts.
    """

    kind: str
    subject: str
    what: str
    advice: str
    hosts: tuple[str, ...] = ()
    disk: str | None = None


class Found(NamedTuple):
    """The same, before it has the name of its kind."""

    subject: str
    what: str
    advice: str
    hosts: tuple[str, ...] = ()
    disk: str | None = None


class Kind(NamedTuple):
    """A kind of findings.

    Attributes:
        name: What it is called, in the output and in the manual.
        means: What is wrong, for the manual.
        find: Looks for it.
    """

    name: str
    means: str
    find: Callable[[Fleet], Iterator[Found]]


def findings(fleet: Fleet) -> list[Finding]:
    """Give what is wrong, in the order of the table."""
    return [Finding(kind.name, *found) for kind in KINDS for found in kind.find(fleet)]


def _list(names: Iterator[str] | list[str] | tuple[str, ...]) -> str:
    names = list(names)
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _told(fleet: Fleet) -> Iterator[tuple[Row, model.ReportedStatus]]:
    for row in fleet.rows:
        if row.told is not None:
            yield row, row.told


def _fenced(fleet: Fleet) -> Iterator[Found]:
    for row, _ in _told(fleet):
        for cell in row.cells.values():
            if cell.fenced:
                lacks = "no path that works is" if cell.registrations else "this host is not"
                yield Found(
                    cell.host,
                    f"guest {_list(cell.guests)} may not write to {row.identity}"
                    f" ({cell.disk['device']}): {lacks} registered, and"
                    f" {_list(row.holders) or 'another one'} holds the disk",
                    "if it was fenced, restart its cluster software, which registers again;"
                    " the helper's audit log tells who removed it",
                    (cell.host,),
                    row.identity,
                )


def _stale(fleet: Fleet) -> Iterator[Found]:
    for row, told in _told(fleet):
        if any(cell.registered is None for cell in row.cells.values()):
            continue  # it may be of a host whose ports its sysfs does not name
        ports: dict[tuple[str, str], None] = {}
        for one in row.strangers:
            ports[one["reservation_key"], one["initiator"] or "?"] = None
        for key, port in ports:
            yield Found(
                row.identity,
                f"key {key} is registered from {port}, and no report is of a host with this port",
                "if there is such a host, add its report; if it is gone for good"
                + _removal(row, told, key),
                (),
                row.identity,
            )


def _removal(row: Row, told: model.ReportedStatus, key: str) -> str:
    """Say how a key is removed, by a host that is registered, and no living host with it."""
    also = [
        host
        for host, cell in row.cells.items()
        if any(one["reservation_key"] == key for one in cell.registrations)
    ]
    if also:
        return f", first give {_list(also)} another key: to preempt this one fences them, too"
    type_ = told["reservation"]["type"] if told["reservation"] else 5
    for host, cell in row.cells.items():
        for one in cell.registrations:
            return (
                f", run on {host}: qemu-pr persist --out --preempt"
                f" --param-rk={one['reservation_key']} --param-sark={key}"
                f" --prout-type={type_} {cell.disk['device']}"
            )
    return ", register a host, and have it preempt this key"


def _elsewhere(fleet: Fleet) -> Iterator[Found]:
    for row in fleet.rows:
        users = [cell.host for cell in row.cells.values() if cell.guests]
        for cell in row.cells.values():
            idle = not cell.guests and not _lacks(fleet.reports[cell.host], model.NO_PROCESSES)
            if users and cell.registrations and idle:
                yield Found(
                    row.identity,
                    f"host {cell.host} is registered, and no guest of it uses the disk; guests on"
                    f" {_list(users)} do",
                    "if its guest has moved, unregister what it left behind: the key of"
                    f" {cell.disk['device']} on {cell.host}",
                    (cell.host,),
                    row.identity,
                )


def _lacks(report: model.Report, what: str) -> bool:
    """Tell whether a part of a host could not be looked at."""
    return any(one["what"] == what for one in report["not_seen"])


def _same_key(fleet: Fleet) -> Iterator[Found]:
    for row in fleet.rows:
        hosts: dict[int, dict[str, None]] = {}
        for cell in row.cells.values():
            for one in cell.registrations:
                hosts.setdefault(int(one["reservation_key"], 16), {})[cell.host] = None
            keys = cell.disk["reservation_key"]
            if keys and (number := _number(keys["configured"])) is not None:
                hosts.setdefault(number, {})[cell.host] = None
        for key, names in hosts.items():
            if len(names) > 1:
                yield Found(
                    row.identity,
                    f"hosts {_list(list(names))} have the same key {key:#x}: to preempt one of them"
                    " preempts all",
                    "give each host a key of its own: qemu-pr multipath-conf --host NAME, or in"
                    " the guests' cluster software",
                    tuple(names),
                    row.identity,
                )


def _number(setting: str | None) -> int | None:
    try:
        return int((setting or "").partition(":")[0], 16)
    except ValueError:
        return None  # file, or nothing


def _partly(fleet: Fleet) -> Iterator[Found]:
    for row, told in _told(fleet):
        for cell in row.cells.values():
            if told["complete"] and cell.registered and cell.registered < cell.paths:
                yield Found(
                    row.identity,
                    f"host {cell.host} has registered {cell.registered} of {cell.paths} paths of"
                    f" {cell.disk['device']}: writes through the others end with RESERVATION"
                    " CONFLICT",
                    "run qemu-pr doctor there: a helper that registers all paths, and a"
                    " reservation_key, are needed; then have the guest register again",
                    (cell.host,),
                    row.identity,
                )


def _settings_differ(fleet: Fleet) -> Iterator[Found]:
    for row in fleet.rows:
        kinds: dict[str, list[str]] = {}
        for cell in row.cells.values():
            keys = cell.disk["reservation_key"]
            if keys is not None and not _lacks(fleet.reports[cell.host], model.NO_SETTINGS):
                given = keys["configured"]
                kind = "none" if given is None else given if given == _FILE else "a fixed key"
                kinds.setdefault(kind, []).append(cell.host)
        if len(kinds) > 1:
            told = "; ".join(f"{kind} on {_list(hosts)}" for kind, hosts in sorted(kinds.items()))
            yield Found(
                row.identity,
                f"reservation_key in multipath.conf: {told}",
                "use one way on all hosts: file for guests that choose their keys",
                tuple(host for hosts in kinds.values() for host in hosts),
                row.identity,
            )


def _no_helper(fleet: Fleet) -> Iterator[Found]:
    shared = {
        host
        for row, told in _told(fleet)
        if told["registrations"] or told["reservation"]
        for host in row.cells
    }
    for host, report in fleet.reports.items():
        if report["helpers"] or _lacks(report, model.NO_PROCESSES):
            continue
        names = [guest["name"] for guest in report["guests"]]
        # libvirt starts a helper with each guest, and without guests there is none.
        if names or (host in shared and not report["libvirt"]):
            what = "no helper answers"
            yield Found(
                host,
                what + (f", and guest {_list(names)} needs one" if names else ""),
                "start qemu-pr-helper there; qemu-pr doctor says where its guests look for it",
                (host,),
            )


def _versions(fleet: Fleet) -> Iterator[Found]:
    hosts: dict[str, dict[str, None]] = {}
    for host, report in fleet.reports.items():
        for helper in report["helpers"]:
            if helper["version"] is not None:
                version = f"{helper['kind']} {helper['version']}"
                hosts.setdefault(version, {})[host] = None
    if len(hosts) > 1:
        told = "; ".join(f"{one} on {_list(list(names))}" for one, names in sorted(hosts.items()))
        yield Found(
            "helpers",
            f"hosts run different ones: {told}",
            "install one version, and restart the helpers; guests reconnect by themselves",
            tuple(dict.fromkeys(name for names in hosts.values() for name in names)),
        )


def _shared_nexus(fleet: Fleet) -> Iterator[Found]:
    for row in fleet.rows:
        for cell in row.cells.values():
            if len(cell.guests) > 1:
                yield Found(
                    row.identity,
                    f"guests {_list(cell.guests)} of {cell.host} reach it through the same I_T"
                    " nexus: the disk cannot tell them apart, and to fence one fences all",
                    "run them on different hosts, or give each an initiator port of its own",
                    (cell.host,),
                    row.identity,
                )


def _port_twice(fleet: Fleet) -> Iterator[Found]:
    for port, hosts in sorted(fleet.hosts_of_port.items()):
        if len(hosts) > 1:
            yield Found(
                port,
                f"hosts {_list(hosts)} have this initiator port: a disk takes them for one host",
                "give each its own: for iSCSI, InitiatorName in /etc/iscsi/initiatorname.iscsi",
                tuple(hosts),
            )


def _silent(fleet: Fleet) -> Iterator[Found]:
    for row in fleet.rows:
        for cell in row.cells.values():
            error = cell.disk["error"]
            if row.matters and error is not None and not answers(cell.disk):
                yield Found(
                    row.identity,
                    f"on {cell.host}, {cell.disk['device']} tells nothing: {error['reason']}",
                    error["advice"] or f"run qemu-pr doctor {cell.disk['device']} there",
                    (cell.host,),
                    row.identity,
                )


def _twice(fleet: Fleet) -> Iterator[Found]:
    for host in sorted(fleet.twice):
        yield Found(
            host,
            "several reports are of a host with this name, and the newest counts",
            "leave old reports out; if these are two hosts, rename one",
            (host,),
        )


def _old(fleet: Fleet) -> Iterator[Found]:
    times = {host: datetime.fromisoformat(one["time"]) for host, one in fleet.reports.items()}
    newest = max(times.values(), default=None)
    for host, time in times.items():
        if newest and (age := newest - time) > _OLD:
            yield Found(
                host,
                f"its report is {age.total_seconds() / 3600:.0f} h older than the newest one: its"
                " guests, helpers and paths may have changed since",
                "report it again; if the host is gone, leave its report out",
                (host,),
            )


KINDS = (
    Kind(
        "fenced",
        "a guest of the host uses the disk, others hold it, and the host is not registered:"
        " it was fenced, or has not joined the cluster yet",
        _fenced,
    ),
    Kind(
        "stale-registration",
        "a port is registered that belongs to no host in the reports: the host is gone,"
        " or its report was forgotten",
        _stale,
    ),
    Kind(
        "registered-elsewhere",
        "a host is registered with a disk that only guests of other hosts use",
        _elsewhere,
    ),
    Kind("same-key", "two hosts have registered, or are to register, the same key", _same_key),
    Kind("partly-registered", "a host has registered some of its paths, and not all", _partly),
    Kind(
        "reservation-key-differs",
        "hosts configure reservation_key for one map in different ways: file, a fixed key, none",
        _settings_differ,
    ),
    Kind(
        "no-helper",
        "no helper answers on a host that has guests with reservations, or sees a disk with"
        " registrations and has no libvirt to start a helper",
        _no_helper,
    ),
    Kind("helper-versions", "the helpers of the hosts are not the same", _versions),
    Kind("shared-nexus", "several guests of one host use the same disk", _shared_nexus),
    Kind("same-port", "two hosts have an initiator port of the same name", _port_twice),
    Kind("no-answer", "the disk fails or hangs on a host", _silent),
    Kind("reported-twice", "several reports have the same host name", _twice),
    Kind("old-report", "a report is more than an hour older than the newest one", _old),
)
"""All kinds; the order is that of the output: what stops guests comes first."""
