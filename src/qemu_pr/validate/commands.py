"""Commands to a disk through a way, sent again where a disk asks for that."""

import time
from collections.abc import Callable

from qemu_pr.protocol import MAX_DATA_SIZE
from qemu_pr.reservation_status import action_name
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import ReadKeys, ReadReservation, Reservation
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.validate.judging import is_attention, outcome
from qemu_pr.validate.ways import LostError, Way

ATTENTIONS_MAX = 8
"""How many unit attentions are passed over in a row; one more is an answer."""

BUSY_MAX = 20
BUSY_WAIT = 0.1
"""How often a busy disk is asked, and how long it gets in between, in seconds."""

_BUSY = (Status.BUSY, Status.TASK_SET_FULL)


def patiently(send: Callable[[], Completion], *, passing_attentions: bool = True) -> Completion:
    """Send a command, again while the disk is busy or has something else to tell.

    Args:
        send: Sends it once.
        passing_attentions: Whether unit attentions are passed over.
    """
    attentions = busy = 0
    while True:
        answer = send()
        if answer.status in _BUSY and busy < BUSY_MAX:
            busy += 1
            time.sleep(BUSY_WAIT)
        elif passing_attentions and is_attention(answer) and attentions < ATTENTIONS_MAX:
            attentions += 1
        else:
            return answer


def read_keys(way: Way) -> tuple[int, ...]:
    """Ask for all keys.

    Raises:
        LostError: The disk does not tell.
    """
    data = _told(way, InServiceAction.READ_KEYS)
    try:
        return ReadKeys.decode(data).keys
    except MalformedError as error:
        raise LostError(f"{way.name}: READ KEYS: the answer makes no sense: {error}") from None


def read_reservation(way: Way) -> Reservation | None:
    """Ask for the reservation.

    Raises:
        LostError: The disk does not tell.
    """
    data = _told(way, InServiceAction.READ_RESERVATION)
    try:
        return ReadReservation.decode(data).reservation
    except MalformedError as error:
        raise LostError(f"{way.name}: READ RESERVATION: {error}") from None


def ask(way: Way, action: InServiceAction) -> Completion:
    """Send PERSISTENT RESERVE IN, and pass unit attentions over."""
    cdb = PersistentReserveIn(action, MAX_DATA_SIZE).encode()
    return patiently(lambda: way.send(cdb, b"", MAX_DATA_SIZE))


def reserve_out(
    way: Way,
    action: OutServiceAction,
    key: int,
    named: int,
    type_: int = 0,
    *,
    all_tg_pt: bool = False,
) -> Completion:
    """Send PERSISTENT RESERVE OUT, and pass unit attentions over."""
    data = ParameterList(key, named, all_tg_pt=all_tg_pt).encode()
    cdb = PersistentReserveOut(action, len(data), type=type_).encode()
    return patiently(lambda: way.send(cdb, data))


def _told(way: Way, action: InServiceAction) -> bytes:
    answer = ask(way, action)
    if answer.status != Status.GOOD:
        raise LostError(f"{way.name}: {action_name(action)}: {outcome(answer)}")
    return answer.data
