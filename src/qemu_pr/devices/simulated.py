"""Simulated disks: regular files whose persistent reservations an SQLite file keeps.

Every process that opens the same STATE file is a host of its own, with one initiator port; a file
is a disk that they share. Its contents are not touched.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from qemu_pr.devices import Device, DeviceError, state_file
from qemu_pr.devices.file_identity import file_identity
from qemu_pr.devices.simulated_state import SqliteState
from qemu_pr.devices.state_file import SimulationError, StateFile
from qemu_pr.logical_unit import LogicalUnit, Nexus
from qemu_pr.scsi import transport_ids
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.sense import INTERNAL_TARGET_FAILURE
from qemu_pr.scsi.status import Completion

if TYPE_CHECKING:
    from qemu_pr.devices.quirks import Quirk

__all__ = ["DEFAULT_INITIATOR", "SimulatedDevice", "SimulationError"]

DEFAULT_INITIATOR = "naa.5000000000000001"
"""The initiator port of a host that gives none; two such processes are the same host."""


_WAIT = "another command waits for it: end the program that keeps it locked"
_FAILED = Completion.check_condition(INTERNAL_TARGET_FAILURE)


class SimulatedDevice(Device):
    """All simulated disks of one STATE file, as one host sees them.

    Args:
        state_path: The STATE file; created if it is missing.
        initiator: The host's initiator port: ``naa.`` and 16 hex digits (SAS), or an iSCSI name.
        quirk: The name of an oddity that the disks have; None if they keep to SPC-4.

    Raises:
        SimulationError: The STATE file, the initiator name or the quirk cannot be used.
    """

    def __init__(
        self, state_path: str, initiator: str = DEFAULT_INITIATOR, quirk: str | None = None
    ) -> None:
        try:
            self._nexus = Nexus(transport_ids.parse(initiator))
        except MalformedError as error:
            raise SimulationError(str(error)) from error
        self._quirk = None if quirk is None else _find(quirk)
        self._met: set[str] = set()
        self._lock = threading.Lock()
        self._path = state_path
        self._file = StateFile(state_path)

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """See `qemu_pr.devices.Device.execute`.

        Raises:
            DeviceError: The STATE file cannot be read or written; nothing was changed.
        """
        with self._unit(fd) as unit:
            return unit.execute(self._nexus, cdb, data_out)

    def medium(self, fd: int, *, write: bool) -> Completion:
        """Tell how a read or a write would end; the file is not touched.

        Args:
            fd: A descriptor of the file.
            write: Whether it is a write.

        Raises:
            DeviceError: The STATE file cannot be read or written.
        """
        with self._unit(fd) as unit:
            return unit.medium(self._nexus, write=write)

    def reset(self, fd: int) -> None:
        """Reset the disk.

        Raises:
            DeviceError: The STATE file cannot be read or written; nothing was changed.
        """
        with self._unit(fd) as unit:
            unit.reset(self._nexus)

    @contextmanager
    def _unit(self, fd: int) -> Iterator[LogicalUnit]:
        identity = file_identity(fd)
        if self._quirk and self._quirk.other_disk:
            identity += ":other"
        if not self._lock.acquire(timeout=state_file.LOCK_TIMEOUT):
            raise DeviceError(f"{self._path}: database is locked; {_WAIT}", _FAILED)
        try:
            with self._file.transaction() as connection:
                make = self._quirk.unit if self._quirk else LogicalUnit
                unit = make(SqliteState(connection, identity))
                if self._quirk and self._quirk.resets_at_start and identity not in self._met:
                    unit.reset(self._nexus)
                yield unit
            self._met.add(identity)
        except SimulationError as error:
            raise DeviceError(str(error), _FAILED) from None
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the STATE file until the next command."""
        with self._lock:
            self._file.close()


def _find(name: str) -> "Quirk":
    from qemu_pr.devices.quirks import QUIRKS  # where one is asked for

    if name not in QUIRKS:
        raise SimulationError(
            f"--quirk {name}: there is none of that name, but {', '.join(QUIRKS)}"
        )
    return QUIRKS[name]
