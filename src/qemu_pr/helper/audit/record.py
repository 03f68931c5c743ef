"""What the audit log says of a command, and how it writes that down."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

from qemu_pr.helper.audit import client, disk
from qemu_pr.helper.events import NOTICE, journal_prefix
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.names import TYPE_NAMES, service_action_name, status_name
from qemu_pr.scsi.parameter_lists import ParameterList, RegisterAndMoveParameterList
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_codes import in_words
from qemu_pr.scsi.status import Status

FIELDS = {
    "time": "When it ended, in UTC.",
    "service_action": "The service action, by the name that SPC-4 gives it.",
    "status": "The status that it ended with.",
    "sense": "With CHECK CONDITION, the reason in words and as sense key/ASC/ASCQ.",
    "disk": "The path of the disk, as the helper sees it.",
    "device": "The device's major and minor number. Unlike the path, no client can choose it.",
    "wwid": "The disk's world wide identifier, from sysfs; of a map, multipath's.",
    "reservation_key": "RESERVATION KEY: the key of whoever sent it.",
    "service_action_reservation_key": "SERVICE ACTION RESERVATION KEY: the key to register, or the"
    " key that is preempted.",
    "aptpl": "Whether the registration is to survive a power loss.",
    "all_tg_pt": "Whether it is for all target ports.",
    "unreg": "Whether REGISTER AND MOVE unregisters the sender.",
    "transport_ids": "Other initiator ports that it is for.",
    "malformed": "What is wrong with the parameter list. The disk got it all the same.",
    "type_name": "The reservation type, for service actions that have one.",
    "process": "The process that connected.",
    "program": "The name that process had then, which it could choose.",
    "unit": "The systemd service or scope that it ran in. libvirt gives each guest a scope.",
    "ended": "Whether that process has ended since; its number may be another's by now.",
    "user": "The ID of the user that connected.",
    "user_name": "That user's name in /etc/passwd.",
    "seconds": "How long the command took.",
    "lost": "How many lines before this one could not be written.",
    "undescribed": "What else is known, where something could not be put into the other fields.",
}
"""The fields of a record, in their order, and what they say."""

_WITH_TYPE = frozenset(
    (
        OutServiceAction.RESERVE,
        OutServiceAction.RELEASE,
        OutServiceAction.PREEMPT,
        OutServiceAction.PREEMPT_AND_ABORT,
        OutServiceAction.REPLACE_LOST_RESERVATION,
    )
)
_PLAIN = re.compile(r"[!#-<>-~]+")


Record = tuple[bytes, bytes, int, bytes, float, bytes, int, int, int, int, tuple[bytes, ...]]
"""What `qemu_pr.helper.audit.trail` tells of a command."""


def describe(record: Record, lost: int = 0) -> dict[str, object]:
    """Describe a PERSISTENT RESERVE OUT command.

    Args:
        record: The command.
        lost: How many commands before it could not be written down.

    Returns:
        What `FIELDS` has; what does not apply or is not known is None.
    """
    cdb, data_out, status, sense, seconds, path, mode, device, process, user, origin = record
    action = cdb[1] & 0x1F
    parts: tuple[Callable[[], dict[str, object]], ...] = (
        lambda: {"service_action": service_action_name(OutServiceAction, action)},
        lambda: {"status": status_name(status), "sense": _sense(status, sense)},
        lambda: disk.describe(path, mode, device),
        lambda: _parameters(action, data_out),
        lambda: {"type_name": _type_name(PersistentReserveOut.decode(cdb))},
        lambda: client.describe(process, user, origin),
    )
    found: dict[str, object] = dict.fromkeys(FIELDS)
    found["time"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for part in parts:
        try:
            found.update(part())
        except Exception as error:  # a defect must not lose the line
            found["undescribed"] = f"{error!r}: {record!r}"
    return {**found, "seconds": round(seconds, 6), "lost": lost or None}


def _type_name(command: PersistentReserveOut) -> str | None:
    return TYPE_NAMES[command.type] if command.service_action in _WITH_TYPE else None


def _sense(status: int, sense: bytes) -> str | None:
    if status != Status.CHECK_CONDITION:
        return None
    try:
        return in_words(Sense.decode(sense))
    except MalformedError as error:
        return str(error)


def _parameters(action: int, data: bytes) -> dict[str, object]:
    """Describe a parameter list; of one that makes no sense the keys, if it is long enough."""
    found: dict[str, object] = {
        "reservation_key": _key(data[0:8]),
        "service_action_reservation_key": _key(data[8:16]),
        "aptpl": None,
        "all_tg_pt": None,
        "unreg": None,
        "transport_ids": None,
        "malformed": None,
    }
    try:
        if action == OutServiceAction.REGISTER_AND_MOVE:
            move = RegisterAndMoveParameterList.decode(data)
            transport_ids = [str(move.transport_id)]
            return {
                **found,
                "aptpl": move.aptpl,
                "unreg": move.unreg,
                "transport_ids": transport_ids,
            }
        basic = ParameterList.decode(data)
    except MalformedError as error:
        return {**found, "malformed": str(error)}
    ports = basic.initiator_ports
    return {
        **found,
        "aptpl": basic.aptpl,
        "all_tg_pt": basic.all_tg_pt,
        "transport_ids": None if ports is None else [str(port) for port in ports],
    }


def _key(field: bytes) -> str | None:
    return f"{int.from_bytes(field, 'big'):#x}" if len(field) == 8 else None


def _as_text(record: dict[str, object]) -> str:
    """``TIME SERVICE ACTION: STATUS[, SENSE]; NAME=VALUE ...``, without what does not apply."""
    rest = dict(record)
    time, action, status, sense = (
        rest.pop(name) for name in ("time", "service_action", "status", "sense")
    )
    outcome = f"{status}, {sense}" if sense else status
    pairs = (
        f"{name}={_value(value)}"
        for name, value in rest.items()
        if value is not None and value is not False
    )
    return f"{time} {action}: {outcome}; {' '.join(pairs)}"


def _value(value: object) -> str:
    """Write a value as one word that ends where it should and holds no control character."""
    if isinstance(value, list):
        value = ",".join(map(str, value))
    if value is True:
        return "yes"
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


RENDERERS: dict[str, Callable[[dict[str, object]], str]] = {"text": _as_text, "json": json.dumps}
"""How to write a record as a line, by the format's name."""


def renderer(format_: str, path: str) -> Callable[[dict[str, object]], str]:
    """Give what writes a record as a line.

    Args:
        format_: A key of `RENDERERS`.
        path: Where lines go; in the journal, to which ``-`` may lead, they have a priority.
    """
    render = RENDERERS[format_]
    prefix = journal_prefix(NOTICE) if path == "-" else ""
    return lambda record: prefix + render(record)
