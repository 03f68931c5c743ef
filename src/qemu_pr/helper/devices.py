"""Which device a descriptor stands for: a disk of this host, a multipath map, a simulated disk."""

import os
import stat
from argparse import Namespace
from collections.abc import Callable

from qemu_pr.devices import Device
from qemu_pr.devices.device_mapper import is_multipath_map
from qemu_pr.devices.isolated import Isolated
from qemu_pr.devices.sg_io import ScsiDisk
from qemu_pr.helper import StartError
from qemu_pr.scsi.status import Completion


class ByKind(Device):
    """Sends a command to one device if it came with a file of a kind, and else to another.

    Args:
        is_kind: What tells the kind from the descriptor.
        device: The device for that kind.
        others: The device for all else.
    """

    def __init__(self, is_kind: Callable[[int], bool], device: Device, others: Device) -> None:
        self._is_kind = is_kind
        self._device = device
        self._others = others

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command; see `qemu_pr.devices.Device`."""
        device = self._device if self._is_kind(fd) else self._others
        return device.execute(fd, cdb, data_out)


def prepare(settings: Namespace) -> Callable[[Device | None], Device]:
    """Load what the device needs, while this process may still read any file.

    Args:
        settings: The options ``simulate``, ``initiator`` and ``quirk``.

    Returns:
        What makes the device, given the one for multipath maps (None: they are like other disks).
        To be called with the user and group that will serve, because a missing STATE is created
        then. Raises `StartError` if STATE or the name cannot be used.
    """
    if settings.simulate is None:
        return _disks

    # The simulator and SQLite: not to be loaded where they are not asked for.
    from qemu_pr.devices.simulated import DEFAULT_INITIATOR, SimulatedDevice, SimulationError

    def make(maps: Device | None) -> Device:
        initiator = settings.initiator or DEFAULT_INITIATOR
        try:
            simulated = SimulatedDevice(settings.simulate, initiator, settings.quirk)
        except SimulationError as error:
            raise StartError(str(error)) from None
        return ByKind(_is_regular, simulated, _disks(maps))

    return make


def isolate_maps(prepare_process: Callable[[], None]) -> Isolated:
    """Start the process that forks for every command on a multipath map.

    Args:
        prepare_process: Called in that process, to give up privileges.

    Raises:
        StartError: The system refuses another process.
    """
    try:
        return Isolated(_load_multipath, prepare_process)
    except OSError as error:
        raise StartError(f"cannot start the process for multipath maps: {error.strerror}") from None


def _disks(maps: Device | None) -> Device:
    return ByKind(is_multipath_map, maps, ScsiDisk()) if maps else ScsiDisk()


def _load_multipath() -> Device:
    from qemu_pr.devices.multipath import MultipathMap  # in that process alone

    return MultipathMap()


def _is_regular(fd: int) -> bool:
    return stat.S_ISREG(os.fstat(fd).st_mode)
