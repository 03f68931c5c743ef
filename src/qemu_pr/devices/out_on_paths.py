"""PERSISTENT RESERVE OUT on a map's paths by the kernel alone, on a host without libmpathpersist.

What `qemu_pr.devices.mpathpersist` does with the library is done here command by command:
registrations on every path, all else on one path, which counts for all; and multipathd is told.
"""

from collections.abc import Sequence
from contextlib import suppress

from qemu_pr.devices import DeviceError, map_paths, multipathd
from qemu_pr.devices.map_paths import TRANSPORT_FAILURES
from qemu_pr.devices.mpathpersist import NO_PATH, NO_RESERVATION_KEY, NoReservationKeyError
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_data import ReadReservation
from qemu_pr.scsi.parameter_lists import BASIC_SIZE, ParameterList
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion

_IGNORE = OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY

_REGISTER_AND_IGNORE = PersistentReserveOut(_IGNORE, BASIC_SIZE)
_READ_RESERVATION = map_paths.encode(PersistentReserveIn(InServiceAction.READ_RESERVATION, 24))


def persistent_reserve_out(
    alias: str, usable: Sequence[str], command: PersistentReserveOut, parameter_list: bytes
) -> Completion:
    """Carry out a command on the paths of a map, and tell multipathd.

    Args:
        alias: The map.
        usable: The block nodes of its paths that reach the disk.
        command: Any service action but REGISTER AND MOVE.
        parameter_list: 24 bytes, without SPEC_I_PT.

    Raises:
        NoReservationKeyError: multipath.conf has another key for this map than the command's.
        DeviceError: No path carried it out.
    """
    if command.service_action in (OutServiceAction.REGISTER, _IGNORE):
        return _register(alias, usable, command, ParameterList.decode(parameter_list))
    cdb = map_paths.encode(command)
    for _, completion in map_paths.on_each(usable, cdb, parameter_list):
        if completion not in TRANSPORT_FAILURES:
            break
    else:
        raise DeviceError(NO_PATH)
    if completion == GOOD and command.service_action == OutServiceAction.CLEAR:
        multipathd.forget(alias)
    elif completion == GOOD:  # RESERVE, PREEMPT
        key = ParameterList.decode(parameter_list).reservation_key
        multipathd.tell_hold(alias, holds=_holds(usable, key))
    return completion


def _holds(usable: Sequence[str], key: int) -> bool:
    """Tell whether whoever has a key holds the reservation; one of all registrants shows key 0."""
    for _, answer in map_paths.on_each(usable, _READ_RESERVATION):
        with suppress(MalformedError):  # what did not end with GOOD, too
            reservation = ReadReservation.decode(answer.data).reservation
            return reservation is not None and reservation.key in (0, key)
    return False


def _register(
    alias: str, usable: Sequence[str], command: PersistentReserveOut, parameters: ParameterList
) -> Completion:
    """REGISTER on every path, or on none; multipathd has the key before, for paths that appear.

    A path that refuses the key which another one took is behind, and gets it all the same: so does
    the library from release 0.13 on.
    """
    key, aptpl = parameters.service_action_reservation_key, parameters.aptpl
    before = multipathd.known_key(alias)
    is_new = key not in (0, before)
    if is_new and multipathd.tell_key(alias, key, aptpl=aptpl) not in (0, key):
        refused = Completion.check_condition(sense.INVALID_FIELD_IN_PARAMETER_LIST)
        raise NoReservationKeyError(NO_RESERVATION_KEY, refused)
    answers = _on_each(usable, command, parameters)
    done = [path for path, answer in answers.items() if answer == GOOD]
    behind = [path for path, answer in answers.items() if done and answer == RESERVATION_CONFLICT]
    answers |= _on_each(behind, _REGISTER_AND_IGNORE, parameters)
    failure = next((answer for answer in answers.values() if answer != GOOD), None)
    if failure or not answers:
        old = before if command.service_action == _IGNORE else parameters.reservation_key
        _on_each([*done, *behind], _REGISTER_AND_IGNORE, ParameterList(0, old, aptpl=aptpl))
        if is_new:
            multipathd.tell_key(alias, before, aptpl=aptpl)
        if not failure:
            raise DeviceError(NO_PATH)
        return failure
    if key:
        multipathd.tell_registered(alias)
    else:
        multipathd.forget(alias)
    return GOOD


def _on_each(
    paths: Sequence[str], command: PersistentReserveOut, parameters: ParameterList
) -> dict[str, Completion]:
    """Give what each path answers, but for those that do not reach the disk."""
    cdb = map_paths.encode(command.but(parameter_list_length=BASIC_SIZE))
    answers = map_paths.on_each(paths, cdb, parameters.encode())
    return {path: answer for path, answer in answers if answer not in TRANSPORT_FAILURES}
