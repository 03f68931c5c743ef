"""SCSI persistent reservations for QEMU guests."""

__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    import qemu_pr.public as public  # when it is asked for: who serves loads none of it

    return getattr(public, name)
