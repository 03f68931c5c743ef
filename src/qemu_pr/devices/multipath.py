"""A device-mapper multipath map: several paths to one disk, which a guest sees as one I_T nexus.

Commands that change something go through libmpathpersist, which carries them to every path and
tells multipathd, so that paths that appear or come back are registered too. Where the library does
less than a guest may expect, or harm, commands go to the kernel and the paths themselves:

- What only reads: the disk's exact sense and data reach the guest, at the cost of a disk; and the
  library's READ FULL STATUS of more than 30 registrations writes past its buffers.
- RELEASE: after one that names another type than the reservation's, the library (0.9.4) takes the
  holding path for lost, and clears the registrations of every host to get rid of it.
- REGISTER with SPEC_I_PT, REGISTER AND MOVE, PREEMPT of the map's own key, and what a lost path
  leaves behind: see there.

On a host without the library the kernel and the paths do for all: `qemu_pr.devices.out_on_paths`.

A command may block for long here, or crash with the library: see `qemu_pr.devices.isolated`.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress

from qemu_pr.devices import (
    FAILED,
    DeviceError,
    map_paths,
    mpathpersist,
    multipathd,
    out_on_paths,
)
from qemu_pr.devices.dm_status import open_count
from qemu_pr.devices.isolated_process import IsolatedDevice, OutdatedError
from qemu_pr.devices.map_paths import TRANSPORT_FAILURES, Path
from qemu_pr.devices.mpathpersist import Library, NoReservationKeyError
from qemu_pr.devices.registration import (
    forget_if_preempted,
    is_aptpl_active,
    is_registered,
    register_paths,
)
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
    Reservation,
)
from qemu_pr.scsi.parameter_lists import (
    BASIC_SIZE,
    ParameterList,
    ParameterListLengthError,
    RegisterAndMoveParameterList,
)
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion

_ALLOCATION_LENGTH = 8192  # of the answers that are read here: keys have most

# Flags of parameter lists, and the bytes they are in (SPC-4, 6.16.3 and 6.16.4).
_APTPL, _SPEC_I_PT, _FLAGS_BYTE = 0x01, 0x08, 20
_UNREG, _UNREG_BYTE = 0x02, 17  # of REGISTER AND MOVE

_REGISTER = (OutServiceAction.REGISTER, OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY)

_REGISTER_EVERYWHERE = PersistentReserveOut(
    OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY, BASIC_SIZE
)

_NO_KEY = bytes(8)

_LENGTH_ERROR = Completion.check_condition(sense.PARAMETER_LIST_LENGTH_ERROR)
_INVALID_LIST = Completion.check_condition(sense.INVALID_FIELD_IN_PARAMETER_LIST)
_INVALID_RELEASE = Completion.check_condition(sense.INVALID_RELEASE_OF_PERSISTENT_RESERVATION)
_INVALID_CDB = Completion.check_condition(sense.INVALID_FIELD_IN_CDB)


class MultipathMap(IsolatedDevice):
    """The device behind a descriptor of a multipath map."""

    def __init__(self) -> None:
        self._open_counts: dict[int, int] = {}
        self._device = 0  # in a map's process
        self._lost: set[str] = set()  # paths that did not answer while something changed
        mpathpersist.why_missing()  # before there is a process for a map: each has it loaded then

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command; see `qemu_pr.devices.Device`.

        Raises:
            DeviceError: libmpathpersist does not work. The disk was told nothing
                then: a registration on one path of several would be worse than none.
            OutdatedError: multipath.conf changed; a new process has to read it.
        """
        if cdb[0] == PERSISTENT_RESERVE_IN:
            return map_paths.on_one(fd, cdb, data_out)
        command = PersistentReserveOut.decode(cdb)
        objection = _objection(command, data_out)
        if objection:
            return objection
        library = mpathpersist.load()
        if library and library.is_outdated:
            raise OutdatedError
        device = _Map(library, fd)
        self._device = device.device
        with suppress(OSError):  # the kernel does not tell
            users = open_count(device.device), self._open_counts.get(device.device, 0)
            self._open_counts[device.device] = max(users)
        self._lost.update(path.node for path in device.paths if not path.is_usable)
        return _CARRY_OUT[command.service_action](device, command, data_out)

    def look_after(self) -> str:
        """Let go of the paths, register those that are back, and see whether the guest left.

        multipathd registers paths, too, unless they were away only shortly. The forking process
        watches users for longer, but not as closely.
        """
        mpathpersist.forget_paths()
        back = [path for path in sorted(self._lost) if map_paths.answers(path)]
        if back:
            register_paths(self._device, back)
        self._lost.difference_update(back)
        if not self._device or not self.has_lost_a_user(self._device):
            return ""
        return self.after_a_user(self._device)

    def has_lost_a_user(self, device: int) -> bool:
        """Tell whether somebody closed a map since the last call."""
        try:
            now = open_count(device)
        except OSError:  # the map is gone
            now = 0
        before = self._open_counts.get(device, now + 1)  # whoever sent the first command
        self._open_counts[device] = now
        return now < before

    def after_a_user(self, device: int) -> str:
        """Forget a map's key if the guest has taken its registration to another host."""
        try:
            return forget_if_preempted(device)
        except OSError:  # the map is gone
            return ""


class _Map:
    """A map, and what carries commands out on it.

    Attributes:
        fd: Its descriptor.
        device: Its number.
        name: Its name, which multipath calls its alias.
        paths: Its paths, as they answer at the moment.
    """

    def __init__(self, library: Library | None, fd: int) -> None:
        self._library = library
        self.fd = fd
        self.device = os.fstat(fd).st_rdev
        self.name = map_paths.name(self.device)
        self.paths: tuple[Path, ...] = map_paths.look(self.device)

    @property
    def usable(self) -> list[str]:
        """The block nodes of the paths that reach the disk."""
        return [path.node for path in self.paths if path.is_usable]

    def for_all_paths(self, command: PersistentReserveOut, data_out: bytes) -> Completion:
        """Carry a command out on all paths, or on one that counts for all, and tell multipathd.

        Raises:
            DeviceError: There is no path; release 0.9.4 may report success then.
        """
        if not self.usable:
            raise DeviceError(mpathpersist.NO_PATH)
        if self._library is None:
            return out_on_paths.persistent_reserve_out(self.name, self.usable, command, data_out)
        return self._library.persistent_reserve_out(self.fd, command, data_out, self.paths)

    def on_one_path(
        self,
        command: PersistentReserveOut,
        data_out: bytes,
        *,
        until_not: Completion | None = None,
    ) -> Completion:
        """Send a command to one path that carries it out; see `map_paths.on_one`."""
        return map_paths.on_one(self.fd, map_paths.encode(command), data_out, until_not=until_not)

    def read(self, action: InServiceAction) -> bytes:
        """Give the data of a PERSISTENT RESERVE IN; none if it does not end with GOOD."""
        command = PersistentReserveIn(action, allocation_length=_ALLOCATION_LENGTH)
        return map_paths.on_one(self.fd, map_paths.encode(command)).data

    @property
    def reservation(self) -> Reservation | None:
        """What the disk has for a reservation."""
        try:
            return ReadReservation.decode(self.read(InServiceAction.READ_RESERVATION)).reservation
        except MalformedError:  # it did not end with GOOD
            return None


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


def _through_one_path(device: _Map, command: PersistentReserveOut, data_out: bytes) -> Completion:
    """CLEAR, RESERVE, PREEMPT: what one path does counts for all of them.

    The library is asked first, because multipathd has to know. Before 0.10.0 it overlooks a
    reservation_key in the ``multipaths`` section of multipath.conf, and refuses commands that need
    none.
    """
    try:
        return device.for_all_paths(command, data_out)
    except NoReservationKeyError:
        return device.on_one_path(command, data_out)


def _clear(device: _Map, command: PersistentReserveOut, data_out: bytes) -> Completion:
    completion = _through_one_path(device, command, data_out)
    return _conflict(device) if completion == RESERVATION_CONFLICT else completion


def _preempt(device: _Map, command: PersistentReserveOut, data_out: bytes) -> Completion:
    """PREEMPT, which leaves whoever sends it registered, whatever key it names (SPC-4, 5.12.11).

    If it names the map's own key, or all registrants (key 0), the disk unregisters all paths but
    the one that sent it, and the library leaves it at that before release 0.13.
    """
    completion = _clear(device, command, data_out)
    if completion == GOOD and data_out[8:16] in (data_out[:8], _NO_KEY):
        _register_all_paths_again(device, data_out[:8])
    return completion


def _register(device: _Map, command: PersistentReserveOut, data_out: bytes) -> Completion:
    """REGISTER, maybe for other initiator ports too (SPEC_I_PT).

    The library can lose these without a word, as its threads change one parameter list. So one path
    gets the list as it is, and then the library registers all paths.
    """
    if data_out[_FLAGS_BYTE] & _SPEC_I_PT:
        completion = device.on_one_path(command, data_out)
        if completion != GOOD:
            return completion
        without_ports = bytearray(data_out[:BASIC_SIZE])
        without_ports[_FLAGS_BYTE] &= ~_SPEC_I_PT
        data_out = bytes(without_ports)
        command = command.but(service_action=OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY)
    if data_out[8:16] == _NO_KEY and len(device.usable) < len(device.paths):
        command = _take_from_lost_paths(device, command, data_out)
    completion = device.for_all_paths(command, data_out)
    if completion == GOOD:
        key = int.from_bytes(data_out[8:16], "big")
        aptpl = bool(data_out[_FLAGS_BYTE] & _APTPL)
        multipathd.keep_registered(device.name, key, aptpl=aptpl)
    return _conflict(device) if completion == RESERVATION_CONFLICT else completion


def _take_from_lost_paths(
    device: _Map, command: PersistentReserveOut, data_out: bytes
) -> PersistentReserveOut:
    """Before a map is unregistered, take the key from paths that do not answer.

    They would keep it, and a reservation with it, once multipathd has forgotten it (before 0.13).
    A path that answers preempts the map's own key. If that path is not registered itself, the key
    is another host's by now, and nothing changes.

    Returns:
        The command that unregisters the rest.
    """
    key = data_out[:8]
    if command.service_action == OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY:
        key = multipathd.known_key(device.name).to_bytes(8, "big")
    if key == _NO_KEY:
        return command
    held = device.reservation
    preempt = PersistentReserveOut(
        OutServiceAction.PREEMPT, BASIC_SIZE, held.scope if held else 0, held.type if held else 0
    )
    if device.on_one_path(preempt, key * 2 + bytes(8)) != GOOD:
        return command
    return command.but(service_action=OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY)


def _reserve(device: _Map, command: PersistentReserveOut, data_out: bytes) -> Completion:
    """RESERVE, which is no conflict for whoever holds that reservation (SPC-4, 5.12.10).

    The disk knows the paths as so many I_T nexuses, and refuses all but the one that reserved.
    """
    completion = _through_one_path(device, command, data_out)
    if completion != RESERVATION_CONFLICT:
        return completion
    key = int.from_bytes(data_out[:8], "big")
    if not key or not is_registered(device.usable, key):  # another host may have the same one
        return _conflict(device)
    own = Reservation(key, command.type, command.scope)
    return GOOD if device.reservation == own else RESERVATION_CONFLICT


def _release(device: _Map, command: PersistentReserveOut, data_out: bytes) -> Completion:
    """RELEASE, which the path that reserved carries out, and others ignore with GOOD."""
    answers = [answer for _, answer in _on_each(device.usable, command, data_out)]
    heard = [answer for answer in answers if answer not in TRANSPORT_FAILURES]
    if not heard:
        raise DeviceError(mpathpersist.NO_PATH)
    key = int.from_bytes(data_out[:8], "big")
    left = device.reservation
    if left is None or left.key != key:
        completion = GOOD if GOOD in heard else heard[0]
    elif (left.scope, left.type) == (command.scope, command.type):
        completion = _release_for_a_lost_path(device, command, data_out)
    else:
        return next((answer for answer in heard if answer != GOOD), _INVALID_RELEASE)
    if completion == GOOD:
        multipathd.tell_hold(device.name, holds=False)
    return completion


def _release_for_a_lost_path(
    device: _Map, command: PersistentReserveOut, data_out: bytes
) -> Completion:
    """RELEASE while the path that reserved is down.

    Another path takes the reservation over with PREEMPT, which unregisters the map's other paths;
    they are registered again afterwards. No other host is concerned.
    """
    take_over = command.but(service_action=OutServiceAction.PREEMPT)
    own_key = data_out[:8]
    completion = FAILED
    for path, completion in _on_each(device.usable, take_over, own_key * 2 + bytes(8)):
        if completion == GOOD:
            completion = next((answer for _, answer in _on_each([path], command, data_out)), FAILED)
            _register_all_paths_again(device, own_key)
            break
    return completion


def _register_all_paths_again(device: _Map, key: bytes) -> None:
    """Register the paths that lost a key, unless another host has removed all of it meanwhile."""
    try:
        keys = ReadKeys.decode(device.read(InServiceAction.READ_KEYS)).keys
    except MalformedError:  # it did not end with GOOD
        return
    missing = len(device.usable) - keys.count(int.from_bytes(key, "big"))
    if 0 < missing < len(device.usable):
        parameter_list = bytearray(key * 2 + bytes(8))
        parameter_list[_FLAGS_BYTE] = _APTPL if is_aptpl_active(device.usable) else 0
        device.for_all_paths(_REGISTER_EVERYWHERE, bytes(parameter_list))


def _register_and_move(device: _Map, command: PersistentReserveOut, data_out: bytes) -> Completion:
    """REGISTER AND MOVE, which the library lacks. Only the path that reserved can do it."""
    completion = device.on_one_path(command, data_out, until_not=RESERVATION_CONFLICT)
    if completion != GOOD:
        return completion
    multipathd.tell_hold(device.name, holds=False)
    if data_out[_UNREG_BYTE] & _UNREG:
        # The disk has unregistered that path only.
        no_key = data_out[:8] + bytes(BASIC_SIZE - 8)
        return device.for_all_paths(_REGISTER_EVERYWHERE, no_key)
    return completion


def _conflict(device: _Map) -> Completion:
    """Give RESERVATION CONFLICT; if the map is not registered any more, multipathd must know.

    Raises:
        DeviceError: multipathd keeps the key.
    """
    if warning := forget_if_preempted(device.device):
        raise DeviceError(warning, RESERVATION_CONFLICT)
    return RESERVATION_CONFLICT


_CARRY_OUT: dict[int, Callable[[_Map, PersistentReserveOut, bytes], Completion]] = {
    OutServiceAction.REGISTER: _register,
    OutServiceAction.RESERVE: _reserve,
    OutServiceAction.RELEASE: _release,
    OutServiceAction.CLEAR: _clear,
    OutServiceAction.PREEMPT: _preempt,
    OutServiceAction.PREEMPT_AND_ABORT: _preempt,
    OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY: _register,
    OutServiceAction.REGISTER_AND_MOVE: _register_and_move,
}


def _on_each(
    paths: Iterable[str], command: PersistentReserveOut, data_out: bytes
) -> Iterable[tuple[str, Completion]]:
    return map_paths.on_each(paths, map_paths.encode(command), data_out)
