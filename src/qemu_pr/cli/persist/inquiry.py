"""What a disk says of itself, as ``sg_persist`` prints it before anything else.

The kernel has asked the disk already, and keeps the answer in /sys: nobody needs to ask again. A
simulated disk, which is a regular file, has a standard answer.
"""

import os
import stat

SIMULATED = "  QEMU-PR   simulated disk    1   \n  Peripheral device type: disk\n"
"""Vendor, product and revision of a simulated disk, in fields of 8, 16 and 4 characters."""

_NAMES = ("vendor", "model", "rev")
# PERIPHERAL DEVICE TYPE (SPC-4, table 143), in the words of sg3_utils.
_TYPES = {
    0x00: "disk",
    0x05: "cd/dvd",
    0x07: "optical disk",
    0x0E: "simplified direct access device",
}


def lines(fd: int, sys: str | os.PathLike[str] = "/sys") -> str:
    """Say what a disk is.

    Args:
        fd: A descriptor of the disk.
        sys: The directory in which the kernel tells of devices.

    Returns:
        Two lines, each with its line end; empty if nobody can tell.
    """
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return SIMULATED
    number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    kind = "block" if stat.S_ISBLK(status.st_mode) else "char"
    node = f"{os.fspath(sys)}/dev/{kind}/{number}"
    # A map has no device of its own, but its paths do.
    slaves = f"{node}/slaves"
    paths = sorted(os.listdir(slaves)) if os.path.isdir(slaves) else []
    for device in (f"{node}/device", *(f"{slaves}/{path}/device" for path in paths)):
        try:
            vendor, model, revision = (_read(f"{device}/{name}") for name in _NAMES)
            number_of_type = int(_read(f"{device}/type"), 0)
        except (OSError, ValueError):
            continue
        type_ = _TYPES.get(number_of_type, f"{number_of_type:#x}")
        return f"  {vendor:8.8}  {model:16.16}  {revision:4.4}\n  Peripheral device type: {type_}\n"
    return ""


def _read(name: str) -> str:
    with open(name, errors="surrogateescape") as file:
        return file.read().rstrip("\n")
