"""libmpathpersist, found at run time: PERSISTENT RESERVE OUT on every path of a multipath map.

Its interface is mpath_persist.h of multipath-tools, with ``libmpathpersist_init`` (2021 and later).
The library keeps state in static variables, reads multipath.conf once, when it is initialized, and
writes its messages to stderr. Looking at a map's paths is nearly all of the time that it takes; so
it is told to look again (``mpath_persistent_reserve_free_vecs``) only if there is something to see.
"""

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

from qemu_pr.devices import FAILED, DeviceError
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion

SONAME = "libmpathpersist.so.0"

_VERBOSITY = 1  # errors, and paths that are left out
_NOISY = 0  # no dump of parameter lists

# struct prout_param_descriptor: a parameter list of 24 bytes, room for TransportIDs, their number,
# and pointers to them.
_OUT_PARAMETERS_SIZE = 24 + 8192 + 4 + 4
# What the library has read when it is initialized.
_CONFIGURATION = Path("/etc/multipath.conf")
_DROP_INS = Path("/etc/multipath/conf.d")

_SYNTAX_ERROR = 1
_ILLEGAL_REQUEST = 5
_DMMP_ERROR = 13

# What the library makes of a completion, and what can be made of that again: sense key and status
# are exact, the additional sense code is gone.
_BY_RETURN_CODE = {
    0: GOOD,
    11: RESERVATION_CONFLICT,
    **{
        code: Completion.check_condition(reason)
        for code, reason in {
            _SYNTAX_ERROR: sense.INVALID_FIELD_IN_PARAMETER_LIST,
            2: Sense(SenseKey.NOT_READY, 0x04, 0x00),
            3: Sense(SenseKey.MEDIUM_ERROR, 0x00, 0x00),
            4: sense.INTERNAL_TARGET_FAILURE,
            _ILLEGAL_REQUEST: sense.INVALID_FIELD_IN_PARAMETER_LIST,
            6: Sense(SenseKey.UNIT_ATTENTION, 0x00, 0x00),
            7: sense.INVALID_OPERATION_CODE,
            8: Sense(SenseKey.ABORTED_COMMAND, 0x00, 0x00),
            9: Sense(SenseKey.NO_SENSE, 0x00, 0x00),
        }.items()
    },
}

# What a disk objects to in these has a code of its own, or is in the CDB.
_ILLEGAL_BY_SERVICE_ACTION: dict[int, Completion] = {
    OutServiceAction.RESERVE: Completion.check_condition(sense.INVALID_FIELD_IN_CDB),
    OutServiceAction.RELEASE: Completion.check_condition(
        sense.INVALID_RELEASE_OF_PERSISTENT_RESERVATION
    ),
}

NO_RESERVATION_KEY = (
    "multipath.conf has another reservation_key for this map than the guest's: set"
    " 'reservation_key file' in its defaults section, then run: multipathd reconfigure"
)
NO_PATH = "no path of the map is usable; see: multipath -ll"


class NoReservationKeyError(DeviceError):
    """The library refused a command because of multipath.conf, and did nothing."""


class Library:
    """libmpathpersist, initialized. For one thread, and for one process's life."""

    def __init__(self, library: Any) -> None:
        """Take over what `load` found: a `ctypes.CDLL`."""
        self._library = library
        self._out = getattr(library, "__mpath_persistent_reserve_out")
        self._configuration = _configuration()
        self._paths: object = None

    @property
    def is_outdated(self) -> bool:
        """Whether multipath.conf or its drop-ins changed since they were read."""
        return self._configuration != _configuration()

    def forget_paths(self) -> None:
        """Let go of the paths: a deleted one that is still open comes back under another name."""
        self._library.mpath_persistent_reserve_free_vecs()
        self._paths = None

    def persistent_reserve_out(
        self, fd: int, command: PersistentReserveOut, parameter_list: bytes, paths: object
    ) -> Completion:
        """Carry out a command on the paths of a map, and tell multipathd.

        Args:
            fd: The map, always the same one.
            command: Any service action but REGISTER AND MOVE.
            parameter_list: 24 bytes, without SPEC_I_PT.
            paths: The map's paths and their states: the library looks at them again if they are
                not equal to the last ones.

        Raises:
            NoReservationKeyError: The library knows another key for this map than the command's.
            DeviceError: It found no path.
        """
        if paths != self._paths:
            self.forget_paths()
        self._paths = paths
        code = self._library.mpath_persistent_reserve_init_vecs(_VERBOSITY) or self._out(
            fd,
            command.service_action,
            command.scope,
            command.type,
            ctypes.create_string_buffer(parameter_list, _OUT_PARAMETERS_SIZE),
            _NOISY,
        )
        completion = _BY_RETURN_CODE.get(code, FAILED)
        if code == _ILLEGAL_REQUEST:
            completion = _ILLEGAL_BY_SERVICE_ACTION.get(command.service_action, completion)
        if code == _SYNTAX_ERROR:
            raise NoReservationKeyError(NO_RESERVATION_KEY, completion)
        if code == _DMMP_ERROR:
            raise DeviceError(NO_PATH, completion)
        return completion


def _configuration() -> list[tuple[str, int, int, int]]:
    """Tell versions of multipath.conf and its drop-ins apart."""
    found = []
    for path in (_CONFIGURATION, *sorted(_DROP_INS.glob("*.conf"))):
        try:
            status = os.stat(path)
        except OSError:
            continue
        found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return found


@cache
def why_missing() -> str:
    """Look for the library, and say why it cannot be used; empty if it can."""
    try:
        library = ctypes.CDLL(SONAME)
    except OSError as error:
        return str(error)
    needed = "libmpathpersist_init"  # since 2021
    return "" if hasattr(library, needed) else f"it is too old, and has no {needed}"


@cache
def load() -> Library | None:
    """Load and initialize the library.

    Returns:
        The library; None if it cannot be found.

    Raises:
        DeviceError: It does not start.
    """
    if why_missing():
        return None
    library = ctypes.CDLL(SONAME)
    loaded = Library(library)  # and what it is about to read
    if library.libmpathpersist_init():
        raise DeviceError("libmpathpersist does not start: its message is on stderr")
    return loaded


def forget_paths() -> None:
    """Let go of what the library has open, if it is loaded; see `Library.forget_paths`."""
    if load.cache_info().currsize and (library := load()):
        library.forget_paths()
