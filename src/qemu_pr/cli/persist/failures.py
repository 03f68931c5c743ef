"""What a command that failed says to its operator: exit status, reason, and what to do about it.

The exit statuses are those of sg3_utils, so that scripts written for sg_persist stay right.
"""

from dataclasses import dataclass

from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveIn, PersistentReserveOut
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status

USAGE = 1
FILE_ERROR = 15
CONTRADICTION = 31
MALFORMED = 97
OTHER_SENSE = 98
OTHER = 99

_AGAIN = "run the command again"
_NOT_REGISTERED = (
    "--param-rk must be the key that this host has registered: --read-full-status shows them all"
)


@dataclass(frozen=True, slots=True)
class Failure:
    """A command that the device did not carry out.

    Attributes:
        exit_status: As in sg3_utils.
        reason: What went wrong, in words.
        advice: What to do about it; may be empty.
        sense: The sense data, where it came with some that can be read.
    """

    exit_status: int
    reason: str
    advice: str = ""
    sense: Sense | None = None


def explain(
    command: PersistentReserveIn | PersistentReserveOut, completion: Completion
) -> Failure | None:
    """Explain what a command came to.

    Returns:
        The failure, or None if the command was carried out and its data is there.
    """
    match completion.status:
        case Status.GOOD:
            return None
        case Status.CHECK_CONDITION:
            return _explain_sense(command, completion.sense)
        case Status.RESERVATION_CONFLICT:
            advice = _CONFLICT.get(_out_action(command), "see who holds what: --read-full-status")
            return Failure(24, "reservation conflict", advice)
        case status:
            exit_status, advice = _STATUSES.get(status, (OTHER, ""))
            return Failure(exit_status, status_name(status).lower(), advice)


def status_name(status: int) -> str:
    """Give the name that SAM-5 gives a status code, or a number in hex if it has none."""
    names = {known.value: known.name.replace("_", " ") for known in Status}
    return names.get(status, f"unknown status {status:#04x}")


def sense_text(sense: Sense) -> str:
    """Give the additional sense code and its qualifier in words; empty if they are not known."""
    return _ADDITIONAL_SENSE.get((sense.asc, sense.ascq), "")


def _explain_sense(
    command: PersistentReserveIn | PersistentReserveOut, data: bytes
) -> Failure | None:
    try:
        sense = Sense.decode(data)
    except MalformedError as error:
        return Failure(OTHER_SENSE, f"check condition, but {error}")
    # The device did it; but data comes with GOOD only, so an IN command has nothing to show.
    carried_out = sense.key in (SenseKey.NO_SENSE, SenseKey.RECOVERED_ERROR)
    if carried_out and isinstance(command, PersistentReserveOut):
        return None
    key = SenseKey(sense.key).name.lower().replace("_", " ")
    words = ": ".join(filter(None, (key, sense_text(sense))))
    code = (sense.key, sense.asc, sense.ascq)
    return Failure(
        exit_status=_sense_exit_status(sense),
        reason=f"{words} ({sense})",
        advice=_CODE_ADVICE.get(code, "") or _KEY_ADVICE.get(sense.key, ""),
        sense=sense,
    )


def _sense_exit_status(sense: Sense) -> int:
    match sense.key, sense.asc, sense.ascq:
        case SenseKey.ILLEGAL_REQUEST, 0x20, 0x00:
            return 9
        case SenseKey.ILLEGAL_REQUEST, 0x21, 0x00:
            return 22
        case SenseKey.ABORTED_COMMAND, 0x10, _:
            return 40
        case key, _, _:
            return _SENSE_KEYS.get(key, OTHER_SENSE)


def _out_action(command: PersistentReserveIn | PersistentReserveOut) -> int | None:
    return command.service_action if isinstance(command, PersistentReserveOut) else None


# Exit status and advice by status code.
_STATUSES: dict[int, tuple[int, str]] = {
    Status.CONDITION_MET: (25, ""),
    Status.BUSY: (26, _AGAIN),
    Status.TASK_SET_FULL: (27, _AGAIN),
    Status.ACA_ACTIVE: (28, ""),
    Status.TASK_ABORTED: (29, _AGAIN),
}

# What to do about RESERVATION CONFLICT, by the service action that met it.
_CONFLICT: dict[int | None, str] = {
    OutServiceAction.REGISTER: (
        "--param-rk must be the key that this host has registered, 0 if it has none; "
        "--register-ignore needs no such key"
    ),
    OutServiceAction.RESERVE: (
        "--param-rk must be the key that this host has registered, and nobody else may hold a "
        "reservation: --read-reservation shows it, --preempt takes it over"
    ),
    OutServiceAction.REGISTER_AND_MOVE: (
        "this host must hold the reservation, with the key in --param-rk: --read-full-status"
    ),
    OutServiceAction.RELEASE: _NOT_REGISTERED,
    OutServiceAction.CLEAR: _NOT_REGISTERED,
    OutServiceAction.PREEMPT: _NOT_REGISTERED,
    OutServiceAction.PREEMPT_AND_ABORT: _NOT_REGISTERED,
}

_SENSE_KEYS: dict[int, int] = {
    SenseKey.NO_SENSE: 20,
    SenseKey.RECOVERED_ERROR: 21,
    SenseKey.NOT_READY: 2,
    SenseKey.MEDIUM_ERROR: 3,
    SenseKey.HARDWARE_ERROR: 3,
    SenseKey.BLANK_CHECK: 3,
    SenseKey.ILLEGAL_REQUEST: 5,
    SenseKey.UNIT_ATTENTION: 6,
    SenseKey.DATA_PROTECT: 7,
    SenseKey.COPY_ABORTED: 10,
    SenseKey.ABORTED_COMMAND: 11,
    SenseKey.MISCOMPARE: 14,
}

_KEY_ADVICE: dict[int, str] = {
    SenseKey.NO_SENSE: f"the helper passed no data on; {_AGAIN}",
    SenseKey.RECOVERED_ERROR: f"the helper passed no data on; {_AGAIN}",
    SenseKey.NOT_READY: "wait until the disk is ready, then run the command again",
    SenseKey.UNIT_ATTENTION: f"the device tells this once and did nothing else; {_AGAIN}",
    SenseKey.ABORTED_COMMAND: _AGAIN,
}

_CODE_ADVICE: dict[tuple[int, int, int], str] = {
    (SenseKey.ABORTED_COMMAND, 0x00, 0x06): (
        "the helper cannot send SCSI commands to it: it is no SCSI disk "
        "(a regular file needs qemu-pr-helper --simulate)"
    ),
    (SenseKey.ABORTED_COMMAND, 0x08, 0x00): (
        "no answer came, and the command may have been carried out: "
        "see --read-full-status before you run it again"
    ),
    (SenseKey.ILLEGAL_REQUEST, 0x1A, 0x00): (
        "the device takes no TransportIDs with this service action: leave out --transport-id"
    ),
    (SenseKey.ILLEGAL_REQUEST, 0x20, 0x00): (
        "the device has no persistent reservations, or it was opened read-only: leave out -y"
    ),
    (SenseKey.ILLEGAL_REQUEST, 0x24, 0x00): (
        "it is no SCSI disk, or does not know this service action or --prout-type: "
        "--report-capabilities tells"
    ),
    (SenseKey.ILLEGAL_REQUEST, 0x26, 0x00): (
        "check the keys, --transport-id, --param-alltgpt and --param-aptpl: "
        "--report-capabilities tells what the device knows"
    ),
    (SenseKey.ILLEGAL_REQUEST, 0x26, 0x04): (
        "--prout-type must be the type of the reservation: --read-reservation shows it"
    ),
    (SenseKey.ILLEGAL_REQUEST, 0x55, 0x04): (
        "the device has no room for another key: --read-keys shows those it has"
    ),
}

# Additional sense codes that a reservation command meets, in the words of SPC-4, table F.2.
_ADDITIONAL_SENSE = {
    (0x00, 0x06): "I/O process terminated",
    (0x04, 0x00): "logical unit not ready, cause not reportable",
    (0x04, 0x01): "logical unit is in process of becoming ready",
    (0x04, 0x02): "logical unit not ready, initializing command required",
    (0x04, 0x03): "logical unit not ready, manual intervention required",
    (0x04, 0x0A): "logical unit not accessible, asymmetric access state transition",
    (0x04, 0x0B): "logical unit not accessible, target port in standby state",
    (0x04, 0x0C): "logical unit not accessible, target port in unavailable state",
    (0x05, 0x00): "logical unit does not respond to selection",
    (0x08, 0x00): "logical unit communication failure",
    (0x08, 0x01): "logical unit communication time-out",
    (0x11, 0x00): "unrecovered read error",
    (0x1A, 0x00): "parameter list length error",
    (0x20, 0x00): "invalid command operation code",
    (0x24, 0x00): "invalid field in CDB",
    (0x25, 0x00): "logical unit not supported",
    (0x26, 0x00): "invalid field in parameter list",
    (0x26, 0x04): "invalid release of persistent reservation",
    (0x27, 0x00): "write protected",
    (0x27, 0x07): "space allocation failed write protect",
    (0x29, 0x00): "power on, reset, or bus device reset occurred",
    (0x29, 0x01): "power on occurred",
    (0x29, 0x02): "SCSI bus reset occurred",
    (0x29, 0x03): "bus device reset function occurred",
    (0x29, 0x04): "device internal reset",
    (0x29, 0x07): "I_T nexus loss occurred",
    (0x2A, 0x01): "mode parameters changed",
    (0x2A, 0x03): "reservations preempted",
    (0x2A, 0x04): "reservations released",
    (0x2A, 0x05): "registrations preempted",
    (0x2A, 0x06): "asymmetric access state changed",
    (0x2A, 0x09): "capacity data has changed",
    (0x2E, 0x02): "command timeout during processing",
    (0x2F, 0x00): "commands cleared by another initiator",
    (0x2F, 0x02): "commands cleared by device server",
    (0x3A, 0x00): "medium not present",
    (0x3F, 0x03): "inquiry data has changed",
    (0x3F, 0x0E): "reported LUNs data has changed",
    (0x44, 0x00): "internal target failure",
    (0x55, 0x02): "insufficient reservation resources",
    (0x55, 0x03): "insufficient resources",
    (0x55, 0x04): "insufficient registration resources",
}
