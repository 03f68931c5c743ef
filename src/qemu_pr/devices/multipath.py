"""A device-mapper multipath map: several paths to one disk, which a guest sees as one I_T nexus.

Commands that change something go through libmpathpersist, which carries them to every path and
tells multipathd, so that paths that appear or come back are registered too. Where the library does
less than a guest may expect, or harm, commands go to the kernel and the paths themselves:

- What only reads: the disk's exact sense and data reach the guest; and the library's READ FULL
  STATUS of more than 30 registrations writes past its buffers.
- RELEASE: after one that names another type than the reservation's, the library (0.9.4) takes the
  holding path for lost, and clears the registrations of every host to get rid of it.
- REGISTER with SPEC_I_PT, REGISTER AND MOVE, PREEMPT of the map's own key: see there.

A command may block for long here, or crash with the library: see `qemu_pr.devices.isolated`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain

from qemu_pr.devices import FAILED, Device, map_paths, mpathpersist
from qemu_pr.devices.mpathpersist import Library, NoReservationKeyError
from qemu_pr.devices.multipathd import keep_registered
from qemu_pr.devices.sg_io import BY_HOST_STATUS, ScsiDisk
from qemu_pr.devices.sg_io import FAILED as TERMINATED
from qemu_pr.protocol import CDB_SIZE
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import (
    PERSISTENT_RESERVE_IN,
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import (
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
    Reservation,
)
from qemu_pr.scsi.parameter_lists import (
    BASIC_SIZE,
    ParameterList,
    ParameterListLengthError,
    RegisterAndMoveParameterList,
)
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion

_ALLOCATION_LENGTH = 8192  # of the answers that are read here: keys have most

# Flags of parameter lists, and the bytes they are in (SPC-4, 6.16.3 and 6.16.4).
_APTPL, _SPEC_I_PT, _FLAGS_BYTE = 0x01, 0x08, 20
_UNREG, _UNREG_BYTE = 0x02, 17  # of REGISTER AND MOVE

_UNIT_ATTENTIONS_MAX = 8

_REGISTER = (OutServiceAction.REGISTER, OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY)

_REGISTER_EVERYWHERE = PersistentReserveOut(
    OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY, BASIC_SIZE
)

_LENGTH_ERROR = Completion.check_condition(sense.PARAMETER_LIST_LENGTH_ERROR)
_INVALID_LIST = Completion.check_condition(sense.INVALID_FIELD_IN_PARAMETER_LIST)
_INVALID_RELEASE = Completion.check_condition(sense.INVALID_RELEASE_OF_PERSISTENT_RESERVATION)
_INVALID_CDB = Completion.check_condition(sense.INVALID_FIELD_IN_CDB)

# With these a command may have failed before a logical unit saw it: another path is tried.
_TRANSPORT_FAILURES = {TERMINATED, *BY_HOST_STATUS.values()} - {RESERVATION_CONFLICT}

_disk = ScsiDisk()


class MultipathMap(Device):
    """The device behind a descriptor of a multipath map."""

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command; see `qemu_pr.devices.Device`.

        Raises:
            DeviceError: libmpathpersist is missing or does not work. The disk was told nothing
                then: a registration on one path of several would be worse than none.
        """
        if cdb[0] == PERSISTENT_RESERVE_IN:
            mpathpersist.load()  # a guest that can read but not register would be misled
            return _on_one_path(fd, cdb, data_out)
        command = PersistentReserveOut.decode(cdb)
        objection = _objection(command, data_out)
        if objection:
            return objection
        return _CARRY_OUT[command.service_action](mpathpersist.load(), fd, command, data_out)


def _objection(command: PersistentReserveOut, data_out: bytes) -> Completion | None:
    """Judge a command as a disk would: the library sends 24 bytes whatever the guest sent."""
    if command.service_action not in _CARRY_OUT:
        return _INVALID_CDB
    try:
        if command.service_action == OutServiceAction.REGISTER_AND_MOVE:
            RegisterAndMoveParameterList.decode(data_out)
            return None
        ports = ParameterList.decode(data_out).initiator_ports
    except ParameterListLengthError:
        return _LENGTH_ERROR
    except MalformedError:
        return _INVALID_LIST
    has_ports = ports is not None
    return _INVALID_LIST if has_ports and command.service_action not in _REGISTER else None


def _on_some_path(
    library: Library, fd: int, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """CLEAR, RESERVE, PREEMPT: what one path does counts for all of them.

    The library is asked first, because multipathd has to know. Release 0.9.4 reports success if
    there is no path; so it is asked again. Before 0.10.0 it overlooks a reservation_key in the
    ``multipaths`` section of multipath.conf, and refuses commands that need none.
    """
    try:
        completion = library.persistent_reserve_out(fd, command, data_out)
    except NoReservationKeyError:
        return _on_one_path(fd, _encode(command), data_out)
    return FAILED if completion == GOOD and not library.has_path(fd) else completion


def _preempt(
    library: Library, fd: int, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """PREEMPT, which leaves whoever sends it registered, whatever key it names (SPC-4, 5.12.11).

    If it names the map's own key, the disk unregisters all paths but the one that sent it, and the
    library leaves it at that before release 0.13.
    """
    completion = _on_some_path(library, fd, command, data_out)
    if completion == GOOD and data_out[:8] == data_out[8:16]:
        _register_all_paths_again(library, fd, data_out[:8])
    return completion


def _register(
    library: Library, fd: int, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """REGISTER, maybe for other initiator ports too (SPEC_I_PT).

    The library can lose these without a word, as its threads change one parameter list. So one path
    gets the list as it is, and then the library registers all paths.
    """
    if data_out[_FLAGS_BYTE] & _SPEC_I_PT:
        completion = _on_one_path(fd, _encode(command), data_out)
        if completion != GOOD:
            return completion
        without_ports = bytearray(data_out[:BASIC_SIZE])
        without_ports[_FLAGS_BYTE] &= ~_SPEC_I_PT
        data_out = bytes(without_ports)
        command = command.but(service_action=OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY)
    completion = library.persistent_reserve_out(fd, command, data_out)
    if completion == GOOD:
        key = int.from_bytes(data_out[8:16], "big")
        aptpl = bool(data_out[_FLAGS_BYTE] & _APTPL)
        keep_registered(map_paths.name(fd), key, aptpl=aptpl)
    return completion


def _reserve(
    library: Library, fd: int, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """RESERVE, which is no conflict for whoever holds that reservation (SPC-4, 5.12.10).

    The disk knows the paths as so many I_T nexuses, and refuses all but the one that reserved.
    """
    completion = _on_some_path(library, fd, command, data_out)
    if completion != RESERVATION_CONFLICT:
        return completion
    key = int.from_bytes(data_out[:8], "big")
    own = Reservation(key, command.type, command.scope)
    return GOOD if _reservation(fd) == own else RESERVATION_CONFLICT


def _release(
    library: Library, fd: int, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """RELEASE, which the path that reserved carries out, and others ignore with GOOD."""
    answers = [_on_this_path(path, _encode(command), data_out) for path in _paths(fd)]
    heard = [answer for answer in answers if answer not in _TRANSPORT_FAILURES]
    if not heard:
        return answers[0] if answers else FAILED
    key = int.from_bytes(data_out[:8], "big")
    left = _reservation(fd)
    if left is None or left.key != key:
        return GOOD if GOOD in heard else heard[0]
    if (left.scope, left.type) == (command.scope, command.type):
        return _release_for_a_lost_path(library, fd, command, data_out)
    return next((answer for answer in heard if answer != GOOD), _INVALID_RELEASE)


def _release_for_a_lost_path(
    library: Library, fd: int, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """RELEASE while the path that reserved is down.

    Another path takes the reservation over with PREEMPT, which unregisters the map's other paths;
    they are registered again afterwards. No other host is concerned.
    """
    take_over = command.but(service_action=OutServiceAction.PREEMPT)
    own_key = data_out[:8]
    completion = FAILED
    for path in _paths(fd):
        completion = _on_this_path(path, _encode(take_over), own_key * 2 + bytes(8))
        if completion == GOOD:
            completion = _on_this_path(path, _encode(command), data_out)
            _register_all_paths_again(library, fd, own_key)
            break
    return completion


def _register_all_paths_again(library: Library, fd: int, key: bytes) -> None:
    """Register the paths that lost a key, unless another host has removed all of it meanwhile."""
    try:
        keys = ReadKeys.decode(_read(fd, InServiceAction.READ_KEYS)).keys
    except MalformedError:  # it did not end with GOOD
        return
    if int.from_bytes(key, "big") in keys:
        parameter_list = bytearray(key * 2 + bytes(8))
        parameter_list[_FLAGS_BYTE] = _APTPL if _is_aptpl_active(fd) else 0
        library.persistent_reserve_out(fd, _REGISTER_EVERYWHERE, bytes(parameter_list))


def _register_and_move(
    library: Library, fd: int, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """REGISTER AND MOVE, which the library lacks. Only the path that reserved can do it."""
    completion = _on_one_path(fd, _encode(command), data_out, until_not=RESERVATION_CONFLICT)
    if completion == GOOD and data_out[_UNREG_BYTE] & _UNREG:
        # The disk has unregistered that path only.
        no_key = data_out[:8] + bytes(BASIC_SIZE - 8)
        return library.persistent_reserve_out(fd, _REGISTER_EVERYWHERE, no_key)
    return completion


_CARRY_OUT: dict[int, Callable[[Library, int, PersistentReserveOut, bytes], Completion]] = {
    OutServiceAction.REGISTER: _register,
    OutServiceAction.RESERVE: _reserve,
    OutServiceAction.RELEASE: _release,
    OutServiceAction.CLEAR: _on_some_path,
    OutServiceAction.PREEMPT: _preempt,
    OutServiceAction.PREEMPT_AND_ABORT: _preempt,
    OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY: _register,
    OutServiceAction.REGISTER_AND_MOVE: _register_and_move,
}


def _on_one_path(
    fd: int, cdb: bytes, data_out: bytes, *, until_not: Completion | None = None
) -> Completion:
    """Send a command to the path that the kernel picks, then to others until one carries it out.

    Args:
        fd: The map.
        cdb: 16 bytes.
        data_out: The parameter list.
        until_not: A completion for which the next path is tried as well.
    """
    completion = FAILED
    for path in chain([fd], _paths(fd)):
        completion = _on_this_path(path, cdb, data_out)
        if completion != until_not and completion not in _TRANSPORT_FAILURES:
            break
    return completion


def _on_this_path(path: int, cdb: bytes, data_out: bytes) -> Completion:
    """Send a command, past unit attentions.

    A path has them for what the guest did on another path: nothing that one I_T nexus would see.
    The library takes them in the same way.
    """
    completion = _disk.execute(path, cdb, data_out)
    for _ in range(_UNIT_ATTENTIONS_MAX):
        if not _is_unit_attention(completion):
            break
        completion = _disk.execute(path, cdb, data_out)
    return completion


def _is_unit_attention(completion: Completion) -> bool:
    try:
        return Sense.decode(completion.sense).key == SenseKey.UNIT_ATTENTION
    except MalformedError:  # it has no sense data
        return False


def _paths(fd: int) -> Iterator[int]:
    """Give a map's paths, opened one after the other."""
    for path in map_paths.paths(fd):
        with suppress(OSError):  # gone meanwhile
            opened = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                yield opened
            finally:
                os.close(opened)


def _reservation(fd: int) -> Reservation | None:
    try:
        return ReadReservation.decode(_read(fd, InServiceAction.READ_RESERVATION)).reservation
    except MalformedError:  # it did not end with GOOD
        return None


def _is_aptpl_active(fd: int) -> bool:
    try:
        return ReportCapabilities.decode(_read(fd, InServiceAction.REPORT_CAPABILITIES)).ptpl_a
    except MalformedError:
        return False


def _read(fd: int, service_action: InServiceAction) -> bytes:
    command = PersistentReserveIn(service_action, allocation_length=_ALLOCATION_LENGTH)
    return _on_one_path(fd, _encode(command), b"").data


def _encode(command: PersistentReserveIn | PersistentReserveOut) -> bytes:
    return command.encode().ljust(CDB_SIZE, b"\0")
