"""What sysfs tells of a multipath map: its paths and its name."""

import os

from qemu_pr.devices.device_mapper import directory


def paths(fd: int) -> list[str]:
    """List the block nodes of a map's paths, ``/dev/sdX``."""
    return sorted(
        f"/dev/{name}" for name in os.listdir(f"{directory(os.fstat(fd).st_rdev)}/slaves")
    )


def name(fd: int) -> str:
    """Give a device's name, which multipath calls its alias."""
    with open(f"{directory(os.fstat(fd).st_rdev)}/dm/name") as file:
        return file.read().removesuffix("\n")
