"""Which device a descriptor stands for: a disk of this host, or with --simulate a simulated one."""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass

from qemu_pr.devices import Device
from qemu_pr.devices.sg_io import ScsiDisk
from qemu_pr.helper import StartError
from qemu_pr.scsi.status import Completion


@dataclass(frozen=True, slots=True)
class Simulation:
    """What ``--simulate`` asks for.

    Attributes:
        state: Path of the SQLite file that holds the simulated disks' reservations.
        initiator: The name of this host on their bus; None is the simulator's choice.
    """

    state: str
    initiator: str | None = None


@dataclass(frozen=True, slots=True)
class RegularFilesSimulated:
    """Sends commands on regular files to one device, all others to another."""

    simulated: Device
    others: Device

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command; see `qemu_pr.devices.Device`."""
        is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
        return (self.simulated if is_regular else self.others).execute(fd, cdb, data_out)


def prepare(simulation: Simulation | None) -> Callable[[], Device]:
    """Load what the device needs, while this process may still read any file.

    Args:
        simulation: None if there are only real disks.

    Returns:
        What makes the device. To be called with the user and group that will serve, because a
        missing STATE is created then. Raises `StartError` if STATE or the name cannot be used.
    """
    if simulation is None:
        return ScsiDisk

    # The simulator and SQLite: not to be loaded where they are not asked for.
    from qemu_pr.devices.simulated import DEFAULT_INITIATOR, SimulatedDevice, SimulationError

    def make() -> Device:
        try:
            simulated = SimulatedDevice(simulation.state, simulation.initiator or DEFAULT_INITIATOR)
        except SimulationError as error:
            raise StartError(str(error)) from None
        return RegularFilesSimulated(simulated, ScsiDisk())

    return make
