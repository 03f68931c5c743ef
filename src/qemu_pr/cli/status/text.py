"""A disk's reservation status as a person reads it at a glance."""

from collections.abc import Iterable, Iterator, Sequence

from qemu_pr.logical_unit.rules import ALL_REGISTRANTS
from qemu_pr.reservation_status import KnownAccess, Registrant, ReservationStatus
from qemu_pr.scsi import sense
from qemu_pr.scsi.names import TYPE_NAMES
from qemu_pr.scsi.parameter_data import ReportCapabilities
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_codes import name_of

_HEADER = ("HOST", "PORT", "KEY", "HOLDER", "READ", "WRITE")
_WORDS = {True: "yes", False: "no", None: "?"}

# What a unit attention condition means to the host that gets it (SPC-4, 5.12.11.2).
_MEANING = {
    sense.RESERVATIONS_PREEMPTED: "another host cleared all registrations, also this host's",
    sense.RESERVATIONS_RELEASED: "a reservation that let this host write is gone or has changed",
    sense.REGISTRATIONS_PREEMPTED: "another host removed this host's registration",
}


def render(disk: str, status: ReservationStatus) -> str:
    """Render a section: one line that says it all, the table, and what else there is to know.

    Args:
        disk: The disk as the operator named it.
        status: What it told.

    Returns:
        Lines of text that hold no control characters, whatever hosts call themselves.
    """
    lines = [
        f"{disk}: {_headline(status)}",
        *_table(status),
        f"  PR generation: {status.generation:#x}",
        f"  Capabilities: {_capabilities(status.capabilities)}",
        *(f"  Note: {note}" for note in _notes(status)),
    ]
    return "".join(f"{printable(line)}\n" for line in lines)


def printable(text: str) -> str:
    """Write characters that a terminal cannot show, or would obey, as Python's escapes."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _headline(status: ReservationStatus) -> str:
    registrations = _count(status)
    reservation = status.reservation
    if reservation is None:
        return f"not reserved, {registrations if status.registered else 'nobody is registered'}"
    holders = dict.fromkeys(_host(one) for one in status.registrants if one.holder)
    if reservation.type in ALL_REGISTRANTS:
        holder = f"everyone registered ({registrations})"
    elif holders and "?" not in holders:
        holder = ", ".join(holders)
    else:
        holder = f"the host with key {reservation.key:#x}"
    return f"RESERVED by {holder}, type {reservation.type} ({TYPE_NAMES[reservation.type]})"


def _count(status: ReservationStatus) -> str:
    least = "" if status.complete else "at least "
    return f"{least}{status.registered} registration{'' if status.registered == 1 else 's'}"


def _table(status: ReservationStatus) -> Iterator[str]:
    everyone = "everyone else" if status.registered else "everyone"
    rows = [
        _HEADER,
        *(_row(one) for one in sorted(status.registrants, key=lambda one: one.holder is not True)),
        (everyone, "-", "-", "-", *_access(status.others)),
    ]
    return _columns(rows)


def _row(one: Registrant) -> Sequence[str]:
    port = "?"
    if one.full_status is not None:
        all_ports = one.full_status.all_tg_pt
        port = "all" if all_ports else str(one.full_status.relative_target_port_identifier)
    return _host(one), port, f"{one.key:#x}", _WORDS[one.holder], *_access(one.access)


def _host(one: Registrant) -> str:
    return "?" if one.full_status is None else printable(str(one.full_status.transport_id))


def _access(access: KnownAccess) -> tuple[str, str]:
    return _WORDS[access.read], _WORDS[access.write]


def _columns(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _capabilities(capabilities: ReportCapabilities | None) -> str:
    if capabilities is None:
        return "unknown, the disk does not say"
    possible = "possible" if capabilities.ptpl_c else "no"
    types = "unknown"
    if capabilities.types is not None:
        types = " ".join(str(type_.value) for type_ in sorted(capabilities.types))
    return "; ".join(
        (
            f"persists through power loss: {'active' if capabilities.ptpl_a else possible}",
            f"ALL_TG_PT: {_WORDS[capabilities.atp_c]}",
            f"SPEC_I_PT: {_WORDS[capabilities.sip_c]}",
            f"types: {types}",
        )
    )


def _notes(status: ReservationStatus) -> Iterator[str]:
    for told in status.unit_attentions:
        yield f"the disk told this host: {_attention(told)}"
    if status.unit_attentions:
        yield "it tells this once, so other programs on this host will not hear of it"
    if status.full_status_error is not None:
        yield f"hosts cannot be told apart, keys only ({status.full_status_error})"
    if status.one_path_writes:
        yield "the holder has several paths, and this type lets one of them write: take type 5 to 8"
    if not status.complete:
        yield "the disk's answer had no room for all registrations: those above are not all"
    if not status.consistent:
        yield "the disk's answers contradict each other: hosts are changing it; run this again"


def _attention(told: Sense) -> str:
    name = name_of(told).upper() or "UNIT ATTENTION"
    meaning = _MEANING.get(told)
    return f"{name} ({told}){f': {meaning}' if meaning else ''}"
