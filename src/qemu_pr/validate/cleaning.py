"""Takes the keys of runs away, and nobody else's.

No command here can remove a key that it does not name: neither CLEAR nor REGISTER AND IGNORE
EXISTING KEY is sent.
"""

from collections.abc import Callable, Sequence

from qemu_pr.scsi.commands import OutServiceAction, ReservationType
from qemu_pr.scsi.status import GOOD
from qemu_pr.validate.commands import read_keys, read_reservation, reserve_out
from qemu_pr.validate.keys import CLEANING, Keys
from qemu_pr.validate.ways import Way

_ATTEMPTS = 3


def clean(ways: Sequence[Way], mine: Sequence[Keys]) -> set[int]:
    """Take keys away, and with them the reservations that they hold.

    Args:
        ways: The ways that may have registered them.
        mine: The keys of the runs that are over.

    Returns:
        Those that are left: nobody else can take them away for now.

    Raises:
        LostError: The disk does not answer.
    """
    for _ in range(_ATTEMPTS):
        if not _left(ways, mine):
            return set()
        for way in ways:
            # Whoever is registered with another key gets RESERVATION CONFLICT. Linux' target wants
            # ALL_TG_PT of whoever was registered with it.
            for key in _left([way], mine):
                if reserve_out(way, OutServiceAction.REGISTER, key, 0) != GOOD:
                    reserve_out(way, OutServiceAction.REGISTER, key, 0, all_tg_pt=True)
        for way in ways:
            _preempt(way, mine)
    return _left(ways, mine)


def _left(ways: Sequence[Way], mine: Sequence[Keys]) -> set[int]:
    return {key for way in ways for key in read_keys(way) if _is_of(mine)(key)}


def _preempt(way: Way, mine: Sequence[Keys]) -> None:
    """Take keys of nexuses away that are none of the ways: they were registered by SPEC_I_PT."""
    own = mine[0][CLEANING]
    left = _left([way], mine) - {own}
    if not left:
        return
    reserve_out(way, OutServiceAction.REGISTER, 0, own)
    reservation = read_reservation(way)
    type_ = reservation.type if reservation else ReservationType.WRITE_EXCLUSIVE
    for key in left:
        reserve_out(way, OutServiceAction.PREEMPT, own, key, type_)
    reserve_out(way, OutServiceAction.REGISTER, own, 0)


def _is_of(mine: Sequence[Keys]) -> Callable[[int], bool]:
    return lambda key: any(key in keys for keys in mine)
