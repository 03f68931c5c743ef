"""SCSI persistent reservations for QEMU guests."""

__version__ = "0.1.0"
