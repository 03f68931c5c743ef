"""One simulated logical unit and the hosts that share it, as a test wants to speak of them.

Every command goes through its bytes; whatever a test looks at, an observer reads with PERSISTENT
RESERVE IN through a nexus of its own, so that looking takes no unit attention away.
"""

from collections.abc import Sequence

from qemu_pr.logical_unit import LogicalUnit, MemoryState, Nexus, State
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import OutServiceAction as Out
from qemu_pr.scsi.commands import PersistentReserveIn, PersistentReserveOut
from qemu_pr.scsi.parameter_data import (
    FullStatus,
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
    Reservation,
)
from qemu_pr.scsi.parameter_lists import ParameterList, RegisterAndMoveParameterList
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import Completion, Status
from qemu_pr.scsi.transport_ids import SASTransportID, TransportID

A, B, C, D = 0xA, 0xB, 0xC, 0xD
"""Reservation keys; the host of that letter has it, unless its test says otherwise."""

OBSERVER = Nexus(SASTransportID(0))


class Host:
    """What reaches a logical unit through one I_T nexus."""

    def __init__(self, unit: LogicalUnit, nexus: Nexus) -> None:
        self.unit = unit
        self.nexus = nexus

    @property
    def port(self) -> TransportID:
        return self.nexus.initiator

    def send(self, action: int, data_out: bytes, type_: int = 0, scope: int = 0) -> Completion:
        cdb = PersistentReserveOut(action, len(data_out), scope, type_).encode()
        return self.unit.execute(self.nexus, cdb, data_out)

    def out(
        self,
        action: int,
        key: int = 0,
        new: int = 0,
        type_: int = 0,
        scope: int = 0,
        **more: object,
    ) -> Completion:
        """Send PERSISTENT RESERVE OUT; ``new`` is the SERVICE ACTION RESERVATION KEY."""
        return self.send(action, ParameterList(key, new, **more).encode(), type_, scope)

    def register(self, key: int, new: int, **more: object) -> Completion:
        return self.out(Out.REGISTER, key, new, **more)

    def reserve(self, key: int, type_: int, scope: int = 0) -> Completion:
        return self.out(Out.RESERVE, key, type_=type_, scope=scope)

    def release(self, key: int, type_: int, scope: int = 0) -> Completion:
        return self.out(Out.RELEASE, key, type_=type_, scope=scope)

    def clear(self, key: int) -> Completion:
        return self.out(Out.CLEAR, key)

    def preempt(self, key: int, victim: int, type_: int, scope: int = 0) -> Completion:
        return self.out(Out.PREEMPT, key, victim, type_, scope)

    def move(
        self, key: int, new: int, to: "Host", *, type_: int = 0, scope: int = 0, **more: object
    ) -> Completion:
        """Send REGISTER AND MOVE; ``new`` is the key of the nexus ``to``."""
        values = {
            "relative_target_port_identifier": to.nexus.target_port,
            "transport_id": to.port,
        } | more
        parameters = RegisterAndMoveParameterList(key, new, **values)
        return self.send(Out.REGISTER_AND_MOVE, parameters.encode(), type_, scope)

    def read(self, action: int, allocation_length: int = 8192) -> Completion:
        cdb = PersistentReserveIn(action, allocation_length).encode()
        return self.unit.execute(self.nexus, cdb)

    def attention(self) -> Sense | None:
        """Take the unit attention condition that is pending for the nexus."""
        completion = self.read(In.REPORT_CAPABILITIES)
        return Sense.decode(completion.sense) if completion.status != Status.GOOD else None


class Disk:
    """A logical unit that several hosts share."""

    def __init__(self, target_ports: Sequence[int] = (1,), state: State | None = None) -> None:
        self.unit = LogicalUnit(MemoryState() if state is None else state, target_ports)
        self._observer = Host(self.unit, OBSERVER)

    def host(self, number: int, target_port: int = 1) -> Host:
        return Host(self.unit, Nexus(SASTransportID(0x6001405000000000 + number), target_port))

    def hosts(self, count: int) -> list[Host]:
        return [self.host(number + 1) for number in range(count)]

    def registered_hosts(self, *keys: int) -> list[Host]:
        """Give hosts that have registered these keys."""
        hosts = self.hosts(len(keys))
        for host, key in zip(hosts, keys, strict=True):
            assert host.register(0, key).status == Status.GOOD
        return hosts

    @property
    def generation(self) -> int:
        return ReadKeys.decode(self._read(In.READ_KEYS)).generation

    @property
    def keys(self) -> tuple[int, ...]:
        return ReadKeys.decode(self._read(In.READ_KEYS)).keys

    @property
    def reservation(self) -> Reservation | None:
        return ReadReservation.decode(self._read(In.READ_RESERVATION)).reservation

    @property
    def capabilities(self) -> ReportCapabilities:
        return ReportCapabilities.decode(self._read(In.REPORT_CAPABILITIES))

    @property
    def full_status(self) -> dict[Nexus, FullStatus]:
        descriptors = ReadFullStatus.decode(self._read(In.READ_FULL_STATUS)).descriptors
        return {
            Nexus(one.transport_id, one.relative_target_port_identifier): one for one in descriptors
        }

    @property
    def registrations(self) -> dict[Nexus, int]:
        return {nexus: one.key for nexus, one in self.full_status.items()}

    @property
    def holders(self) -> set[Nexus]:
        return {nexus for nexus, one in self.full_status.items() if one.holder}

    @property
    def everything(self) -> tuple[bytes, ...]:
        """All that PERSISTENT RESERVE IN tells."""
        return tuple(self._read(action) for action in In)

    def _read(self, action: int) -> bytes:
        return self._observer.read(action, 65535).data


def refusal(sense: Sense) -> Completion:
    return Completion.check_condition(sense)
