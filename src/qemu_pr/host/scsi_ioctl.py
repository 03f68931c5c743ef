"""Whether the kernel passes SCSI commands on to a device."""

import fcntl

_SG_GET_VERSION_NUM = 0x2282  # <scsi/sg.h>; everyone may ask, and the disk is not


def takes_scsi_commands(fd: int) -> bool:
    """Tell whether the kernel passes SCSI commands on to what a descriptor is open on."""
    try:
        fcntl.ioctl(fd, _SG_GET_VERSION_NUM, bytes(4))
    except OSError:
        return False
    return True
