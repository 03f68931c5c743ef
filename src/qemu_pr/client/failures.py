"""What a command that failed says to its operator: exit status, reason, and what to do about it.

The exit statuses are those of sg3_utils 1.48, so that scripts written for sg_persist stay right.
Releases before it know 12, 13 and 19 as 2, 2 and 5.
"""

from qemu_pr.record import Record
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveIn, PersistentReserveOut
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.names import sense_words, status_name
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status

USAGE = 1
FILE_ERROR = 15
CONTRADICTION = 31
MALFORMED = 97
OTHER_SENSE = 98
OTHER = 99

NO_DISK = (SenseKey.ABORTED_COMMAND, 0x00, 0x06)
"""What a helper says of what takes no SCSI commands: sense key and additional sense code."""

_AGAIN = "run the command again"
_NOT_REGISTERED = (
    "--param-rk must be the key that this host has registered: --read-full-status shows them all"
)


class Failure(Record):
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
    code = (sense.key, sense.asc, sense.ascq)
    return Failure(
        exit_status=_sense_exit_status(sense),
        reason=sense_words(sense),
        advice=_CODE_ADVICE.get(code, "") or _KEY_ADVICE.get(sense.key, ""),
        sense=sense,
    )


def _sense_exit_status(sense: Sense) -> int:
    match sense.key, sense.asc, sense.ascq:
        case SenseKey.NOT_READY, 0x04, 0x0B:
            return 12
        case SenseKey.NOT_READY, 0x04, 0x0C:
            return 13
        case SenseKey.ILLEGAL_REQUEST, 0x20, 0x00:
            return 9
        case SenseKey.ILLEGAL_REQUEST, 0x21, 0x00:
            return 22
        case SenseKey.ILLEGAL_REQUEST, 0x26, 0x00:
            return 19
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

_OTHER_PATH = "the disk takes no command through this port: use another path, or the multipath map"

_CODE_ADVICE: dict[tuple[int, int, int], str] = {
    (SenseKey.NOT_READY, 0x04, 0x0B): _OTHER_PATH,
    (SenseKey.NOT_READY, 0x04, 0x0C): _OTHER_PATH,
    NO_DISK: (
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
