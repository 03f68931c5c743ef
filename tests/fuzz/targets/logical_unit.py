"""Commands that hosts send to a logical unit: [host, 1] [CDB, 10] [parameter list], and so on.

A host is an initiator and a target port; one is the power switch. What the standard promises holds
after each command.
"""

from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus
from qemu_pr.logical_unit.rules import ALL_REGISTRANTS, Access
from qemu_pr.scsi.commands import PERSISTENT_RESERVE_IN, InServiceAction
from qemu_pr.scsi.parameter_data import ReadFullStatus, ReadKeys, ReadReservation
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.scsi.transport_ids import SASTransportID

SIZE_MAX = 240  # about seven commands
TARGET_PORTS = (1, 2)
POWER = 6
NEXUSES = [Nexus(SASTransportID(number), port) for number in (1, 2, 3) for port in TARGET_PORTS]


def _out(action: int, type_: int, key: int, new: int) -> bytes:
    return (
        bytes((0x5F, action, type_, 0, 0, 0, 0, 0, 24, 0))
        + key.to_bytes(8, "big")
        + new.to_bytes(8, "big")
        + bytes(8)
    )


WORDS = [
    *(bytes((host,)) + _out(0, 0, 0, 10 + host) for host in range(3)),
    *(_out(1, type_, 10, 0) for type_ in (1, 3, 5, 6, 7, 8)),
    *(_out(2, type_, 10, 0) for type_ in (1, 5, 7)),
    _out(3, 0, 10, 0),
    *(_out(4, type_, 11, 10) for type_ in (1, 5, 7)),
    _out(4, 7, 11, 0),
    *(bytes((0x5E, action, 0, 0, 0, 0, 0, 32, 0, 0)) for action in range(4)),
]


def check(data: bytes) -> None:
    state = MemoryState()
    unit = LogicalUnit(state, TARGET_PORTS)
    while len(data) >= 11:
        host, cdb, data = data[0] % (POWER + 1), data[1:11], data[11:]
        if host == POWER:
            unit.power_cycle()
            continue
        size = 0 if cdb[0] == PERSISTENT_RESERVE_IN else int.from_bytes(cdb[5:9], "big")
        parameters, data = data[:size], data[size:]
        before = (state.generation, state.aptpl, state.reservation, state.registered())
        completion = unit.execute(NEXUSES[host], cdb, parameters)
        after = (state.generation, state.aptpl, state.reservation, state.registered())
        if completion.status != Status.GOOD or cdb[0] == PERSISTENT_RESERVE_IN:
            assert after == before, "nothing was to change"
        assert state.generation - before[0] in (0, 1)
        _check_completion(cdb, completion)
        _check_state(unit, state)
    _check_what_is_told(unit, state)


def _check_completion(cdb: bytes, completion: Completion) -> None:
    if completion.status == Status.CHECK_CONDITION:
        key = Sense.decode(completion.sense).key
        assert key in (SenseKey.ILLEGAL_REQUEST, SenseKey.UNIT_ATTENTION)
    else:
        assert completion.status in (Status.GOOD, Status.RESERVATION_CONFLICT)
        assert completion.sense == b""
    if completion.status == Status.GOOD and cdb[0] == PERSISTENT_RESERVE_IN:
        length = int.from_bytes(cdb[7:9], "big")
        assert min(length, 8) <= len(completion.data) <= length
    else:
        assert completion.data == b""


def _check_state(unit: LogicalUnit, state: MemoryState) -> None:
    assert all(registration.key for _, registration in state.registered())
    if state.reservation:
        holder = state.reservation.holder
        assert state.registration(holder), "an unregistered holder"
        assert unit.access(holder) == Access(read=True, write=True)


def _check_what_is_told(unit: LogicalUnit, state: MemoryState) -> None:
    """What PERSISTENT RESERVE IN tells a host that nothing was done to is what is there."""
    keys = ReadKeys.decode(_read(unit, InServiceAction.READ_KEYS))
    status = ReadFullStatus.decode(_read(unit, InServiceAction.READ_FULL_STATUS))
    reservation = ReadReservation.decode(_read(unit, InServiceAction.READ_RESERVATION)).reservation
    assert keys.keys == tuple(registration.key for _, registration in state.registered())
    assert keys.keys == tuple(one.key for one in status.descriptors)
    for key in keys.keys:
        assert keys.keys.count(key) == len(list(state.registered_with(key)))
    holders = [one for one in status.descriptors if one.holder]
    if reservation is None:
        assert not holders
    elif reservation.type in ALL_REGISTRANTS:
        assert len(holders) == len(keys.keys)
        assert reservation.key == 0
    else:
        assert [one.key for one in holders] == [reservation.key]


def _read(unit: LogicalUnit, action: InServiceAction) -> bytes:
    observer = Nexus(SASTransportID(0), 3)  # through no port that a command can name
    cdb = bytes((PERSISTENT_RESERVE_IN, action, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0))
    completion = unit.execute(observer, cdb)
    assert completion.status == Status.GOOD
    return completion.data
