"""What a disk tells of its persistent reservations, and who may read and write now.

PERSISTENT RESERVE IN has four service actions, and a disk answers them one after the other while
hosts go on registering and reserving. `query` asks again until the answers fit together, does
without what a disk lacks, and draws from the rest who may do what. What cannot be known is None,
never a guess.
"""

from collections.abc import Callable, Iterator

from qemu_pr.devices import Device
from qemu_pr.logical_unit.rules import ACCESS, ALL_REGISTRANTS, REGISTRANTS_ONLY, Standing
from qemu_pr.protocol import CDB_SIZE, MAX_DATA_SIZE
from qemu_pr.record import Record
from qemu_pr.scsi import sense_codes
from qemu_pr.scsi.commands import InServiceAction, PersistentReserveIn, ReservationType
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import (
    FullStatus,
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
    Reservation,
)
from qemu_pr.scsi.sense import INVALID_FIELD_IN_CDB, INVALID_OPERATION_CODE, Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status

ATTEMPTS = 3
"""How often a disk is asked whose answers do not fit together."""

UNIT_ATTENTIONS_MAX = 8
"""How many unit attention conditions are taken before the next one counts as a failure."""

# A full status descriptor with the longest iSCSI name and its ISID, in bytes.
_DESCRIPTOR_SIZE_MAX = 272

# How a disk says that it lacks a service action.
_UNSUPPORTED = (INVALID_OPERATION_CODE, INVALID_FIELD_IN_CDB)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    _T = TypeVar("_T")


class CommandError(Exception):
    """A disk did not carry out a PERSISTENT RESERVE IN command.

    Attributes:
        command: The command.
        completion: What it came to; its status is not GOOD.
    """

    def __init__(self, command: PersistentReserveIn, completion: Completion) -> None:
        super().__init__(f"{action_name(command.service_action)}: {_outcome(completion)}")
        self.command = command
        self.completion = completion

    @property
    def sense(self) -> Sense | None:
        """The sense data, if it came with some that can be read."""
        return sense_codes.sense_of(self.completion)


class KnownAccess(Record):
    """What a nexus may do with the medium; None where the disk's answers leave it open."""

    read: bool | None
    write: bool | None


class Registrant(Record):
    """A registered I_T nexus: one path of a host to the disk.

    Attributes:
        key: Its reservation key, 64 bits.
        full_status: Its full status descriptor; None if the disk told the key only.
        holder: Whether it holds the reservation; None if the disk's answers leave it open.
        access: What it may do now.
    """

    key: int
    full_status: FullStatus | None
    holder: bool | None
    access: KnownAccess


class ReservationStatus(Record):
    """What a disk tells of its persistent reservations.

    Attributes:
        generation: PRGENERATION, 32 bits.
        reservation: The persistent reservation, None if there is none.
        registrants: Those whom the disk named, in its order.
        registered: How many registrations there are; if not `complete`, at least so many.
        complete: Whether all registrations are here. A disk's answer has 8192 bytes at most.
        others: What everyone who is not registered may do now.
        consistent: Whether the answers fit together. If not, hosts kept changing what was asked
            for, or the disk errs.
        full_status_error: Why hosts cannot be told apart; None if they can.
        capabilities: What the disk says it can do; None if it does not say.
        unit_attentions: What the disk had to tell this host before it answered. It tells this
            once, so that no other program on this host will hear of it.
    """

    generation: int
    reservation: Reservation | None
    registrants: tuple[Registrant, ...]
    registered: int
    complete: bool
    others: KnownAccess
    consistent: bool
    full_status_error: CommandError | MalformedError | None
    capabilities: ReportCapabilities | None
    unit_attentions: tuple[Sense, ...]

    @property
    def one_path_writes(self) -> bool:
        """Whether the holder's key has several paths, and the type lets one of them write.

        A disk knows paths, not hosts; types 5 to 8 let all that are registered write.
        """
        held = self.reservation
        if held is None or held.type in REGISTRANTS_ONLY | ALL_REGISTRANTS:
            return False
        return (
            sum(one.key == held.key and one.full_status is not None for one in self.registrants) > 1
        )


def query(device: Device, fd: int) -> ReservationStatus:
    """Ask a disk for its registrations, its reservation and its capabilities.

    It changes nothing on the disk but one thing: the unit attention conditions that were pending
    for this host are reported, and with that gone.

    Args:
        device: What carries the commands out: the kernel, or the connection to a helper.
        fd: The disk's descriptor; it need not be open for writing.

    Raises:
        CommandError: The disk refused READ KEYS or READ RESERVATION, or failed.
        MalformedError: Its answer to one of these makes no sense.
    """
    disk = _Disk(device, fd)
    for _ in range(ATTEMPTS):
        answers = _Answers.ask(disk)
        if answers.consistent:
            break
    capabilities, _error = disk.ask_if_supported(
        InServiceAction.REPORT_CAPABILITIES, ReportCapabilities.decode
    )
    reservation = answers.reservation.reservation
    return ReservationStatus(
        generation=answers.reservation.generation,
        reservation=reservation,
        registrants=tuple(answers.registrants()),
        registered=answers.registered,
        complete=answers.complete,
        others=_access(reservation, Standing.UNREGISTERED),
        consistent=answers.consistent,
        full_status_error=answers.full_status_error,
        capabilities=capabilities,
        unit_attentions=tuple(disk.unit_attentions),
    )


def action_name(service_action: int) -> str:
    """Give the name that SPC-4 gives a PERSISTENT RESERVE IN service action."""
    return InServiceAction(service_action).name.replace("_", " ")


class _Disk:
    """A disk that is asked, and the unit attention conditions it reported meanwhile."""

    def __init__(self, device: Device, fd: int) -> None:
        self.device = device
        self.fd = fd
        self.unit_attentions: list[Sense] = []

    def ask(self, action: InServiceAction, decode: "Callable[[bytes], _T]") -> "_T":
        """Send one command, again after each unit attention condition.

        Raises:
            CommandError: It did not end with GOOD.
            MalformedError: Its data makes no sense.
        """
        command = PersistentReserveIn(action, MAX_DATA_SIZE)
        while True:
            completion = self.device.execute(self.fd, command.encode().ljust(CDB_SIZE, b"\0"), b"")
            if completion.status == Status.GOOD:
                break
            sense = sense_codes.sense_of(completion)
            if (
                sense is None
                or sense.key != SenseKey.UNIT_ATTENTION
                or len(self.unit_attentions) == UNIT_ATTENTIONS_MAX
            ):
                raise CommandError(command, completion)
            self.unit_attentions.append(sense)
        try:
            return decode(completion.data)
        except MalformedError as error:
            raise MalformedError(f"{action_name(action)}: {error}") from error

    def ask_if_supported(
        self, action: InServiceAction, decode: "Callable[[bytes], _T]"
    ) -> "tuple[_T | None, CommandError | MalformedError | None]":
        """Send a command that a disk may lack, or answer with what cannot be read.

        Returns:
            What it answered, or why there is no answer; the other is None.

        Raises:
            CommandError: The command failed in another way.
        """
        try:
            return self.ask(action, decode), None
        except MalformedError as error:
            return None, error
        except CommandError as error:
            if error.sense not in _UNSUPPORTED:
                raise
            return None, error


class _Answers(Record):
    """What a disk answered in one round.

    Attributes:
        full_status: None if the disk lacks READ FULL STATUS.
        full_status_error: Why it is None.
        keys: None if READ FULL STATUS told everything.
        reservation: READ RESERVATION.
    """

    full_status: ReadFullStatus | None
    full_status_error: CommandError | MalformedError | None
    keys: ReadKeys | None
    reservation: ReadReservation

    @classmethod
    def ask(cls, disk: _Disk) -> "_Answers":
        full_status, error = disk.ask_if_supported(
            InServiceAction.READ_FULL_STATUS, ReadFullStatus.decode
        )
        whole = full_status is not None and _is_whole(full_status)
        keys = None if whole else disk.ask(InServiceAction.READ_KEYS, ReadKeys.decode)
        reservation = disk.ask(InServiceAction.READ_RESERVATION, _decode_reservation)
        return cls(full_status, error, keys, reservation)

    @property
    def _parts(self) -> list[ReadFullStatus | ReadKeys | ReadReservation]:
        parts = (self.full_status, self.keys, self.reservation)
        return [part for part in parts if part is not None]

    @property
    def registered(self) -> int:
        keys = len(self.keys.keys) if self.keys else 0
        return max(keys, len(self.full_status.descriptors) if self.full_status else 0)

    @property
    def complete(self) -> bool:
        cut = self.full_status is not None and len(self.full_status.descriptors) < self.registered
        return all(part.complete for part in self._parts) and not cut

    @property
    def consistent(self) -> bool:
        """Whether nothing changed between the answers, as far as they show.

        RESERVE and RELEASE leave PRGENERATION alone, so that who holds is compared as well.
        """
        held = self.reservation.reservation is not None
        holders_fit = (
            self.full_status is None
            or not self.complete
            or held == any(one.holder for one in self.full_status.descriptors)
        )
        return len({part.generation for part in self._parts}) == 1 and holders_fit

    def registrants(self) -> Iterator[Registrant]:
        reservation = self.reservation.reservation
        shared = reservation is not None and reservation.type in ALL_REGISTRANTS
        if self.full_status is not None:
            for one in self.full_status.descriptors:
                yield _registrant(one.key, one, one.holder or shared, reservation)
        elif self.keys is not None:
            for key in self.keys.keys:
                yield _registrant(key, None, self._holder_by_key(key), reservation)

    def _holder_by_key(self, key: int) -> bool | None:
        """Tell a holder by nothing but its key, which several hosts may have in common."""
        reservation = self.reservation.reservation
        if reservation is None:
            return False
        if reservation.type in ALL_REGISTRANTS:
            return True
        if reservation.key != key:
            return False
        unique = self.keys is not None and self.keys.keys.count(key) == 1
        return True if unique and self.complete else None


def _is_whole(full_status: ReadFullStatus) -> bool:
    """Whether no registration can be missing.

    Linux's target leaves a descriptor out that does not fit, and does not count it, so an answer
    that looks complete proves it only if there was room for another one.
    """
    room = MAX_DATA_SIZE - len(full_status.encode())
    return full_status.complete and room >= _DESCRIPTOR_SIZE_MAX


def _registrant(
    key: int, full_status: FullStatus | None, holder: bool | None, reservation: Reservation | None
) -> Registrant:
    standings = {
        True: (Standing.HOLDER,),
        False: (Standing.REGISTERED,),
        None: (Standing.HOLDER, Standing.REGISTERED),
    }
    return Registrant(key, full_status, holder, _access(reservation, *standings[holder]))


def _access(reservation: Reservation | None, *standings: Standing) -> KnownAccess:
    """Tell what a nexus may do that has one of some standings."""
    if reservation is None:
        return KnownAccess(read=True, write=True)
    try:
        by_standing = ACCESS[ReservationType(reservation.type)]
    except ValueError:  # a type of no standard
        return KnownAccess(None, None)
    reads = {by_standing[standing].read for standing in standings}
    writes = {by_standing[standing].write for standing in standings}
    return KnownAccess(
        read=reads.pop() if len(reads) == 1 else None,
        write=writes.pop() if len(writes) == 1 else None,
    )


def _decode_reservation(data: bytes) -> ReadReservation:
    answer = ReadReservation.decode(data)
    if not answer.complete:  # there is one, and nobody knows whose
        raise MalformedError(f"the reservation is missing from {len(data)} bytes")
    return answer


def _outcome(completion: Completion) -> str:
    sense = sense_codes.sense_of(completion)
    return f"sense {sense}" if sense else f"status {completion.status:#04x}"
