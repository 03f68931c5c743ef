"""PERSISTENT RESERVE OUT parameter lists: [service action, 1] [scope and type, 1] [the list].

What is decoded is encoded and decoded to the same. A list that the device for multipath maps
refuses before it asks a disk, a logical unit refuses in the same words.
"""

from qemu_pr.devices import DeviceError, mpathpersist
from qemu_pr.devices.multipath import MultipathMap
from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_lists import ParameterList, RegisterAndMoveParameterList
from qemu_pr.scsi.transport_ids import SASTransportID
from targets._replaced import replaced

SIZE_MAX = 200
WORDS = [
    b"\x00\x00\x00\x18\x06\x00\x00\x00",
    b"\x05\x00\x00\x14iqn.a",
    b"\x08\x00\x00\x00",
    b"\x00\x00\x00\x30",
    bytes(16),
]

_NEXUS = Nexus(SASTransportID(1))
_ACTIONS = frozenset(OutServiceAction) - {OutServiceAction.REPLACE_LOST_RESERVATION}


def check(data: bytes) -> None:
    if len(data) < 2:
        return
    action, type_, parameters = data[0] & 0x1F, data[1], data[2:]
    for kind in (ParameterList, RegisterAndMoveParameterList):
        try:
            found = kind.decode(parameters)
        except MalformedError:
            continue
        assert kind.decode(found.encode()) == found
        assert len(found.encode()) >= 24
    command = PersistentReserveOut(action, len(parameters), type_ >> 4, type_ & 0xF)
    assert PersistentReserveOut.decode(command.encode()) == command
    cdb = command.encode() + bytes(6)
    try:
        with replaced(mpathpersist, "load", _load):
            refused = MultipathMap().execute(-1, cdb, parameters)
    except _AskDiskError:
        return
    if action in _ACTIONS:
        assert LogicalUnit(MemoryState()).execute(_NEXUS, cdb, parameters) == refused


class _AskDiskError(DeviceError):
    """The command would go to libmpathpersist now, which works on real maps only."""


def _load() -> mpathpersist.Library:
    raise _AskDiskError("")
