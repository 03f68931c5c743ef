"""What a command that failed says to its operator: exit status, reason, and what to do about it.

The exit statuses are those of sg3_utils; what sense data tells is in `qemu_pr.scsi.sense_codes`.
"""

from qemu_pr.record import Record
from qemu_pr.scsi import sense_codes
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveIn, PersistentReserveOut
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.names import status_name
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status

USAGE = 1
FILE_ERROR = 15
CONTRADICTION = 31
MALFORMED = 97
OTHER = 99

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
        return Failure(sense_codes.OTHER, f"check condition, but {error}")
    # The device did it; but data comes with GOOD only, so an IN command has nothing to show.
    carried_out = sense.key in (SenseKey.NO_SENSE, SenseKey.RECOVERED_ERROR)
    if carried_out and isinstance(command, PersistentReserveOut):
        return None
    told = sense_codes.told_by(sense)
    return Failure(told.exit_status, sense_codes.in_words(sense), told.advice, sense)


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
