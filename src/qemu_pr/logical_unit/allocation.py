"""How parameter data is cut at the allocation length: as the Linux kernel's target cuts it.

SPC-4 has a device cut its answer anywhere and leave the lengths in it alone (4.2.5.6). Linux 6.1
sends zeros for an element that does not fit, and counts only those full status descriptors that
begin early enough. Software is tested against the latter, so the simulated unit does the same.
"""

from itertools import accumulate, takewhile

from qemu_pr.scsi.parameter_data import (
    HEADER_SIZE,
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
)

KEY_SIZE = 8
RESERVATION_END = 22
"""The last byte of READ RESERVATION data that means something is its TYPE, at 21."""
DESCRIPTOR_SIZE = 24
"""A full status descriptor without its TransportID, in bytes."""


def cut_keys(keys: ReadKeys, allocation_length: int) -> bytes:
    """Encode READ KEYS data; a key that does not fit is zeros."""
    data = keys.encode()
    whole = allocation_length - (allocation_length - HEADER_SIZE) % KEY_SIZE
    return _zero_from(whole, data, allocation_length)


def cut_reservation(reservation: ReadReservation, allocation_length: int) -> bytes:
    """Encode READ RESERVATION data; a reservation that does not fit is zeros."""
    whole = allocation_length if allocation_length >= RESERVATION_END else HEADER_SIZE
    return _zero_from(whole, reservation.encode(), allocation_length)


def cut_full_status(status: ReadFullStatus, allocation_length: int) -> bytes:
    """Encode READ FULL STATUS data with the descriptors that begin early enough.

    The kernel's test for the next descriptor compares the descriptors so far and the next
    TransportID with the allocation length.
    """
    sizes = [len(descriptor.encode()) for descriptor in status.descriptors]
    starts = accumulate(sizes, initial=0)
    reaches = [start + size - DESCRIPTOR_SIZE for start, size in zip(starts, sizes, strict=False)]
    count = sum(1 for _ in takewhile(lambda reach: reach <= allocation_length, reaches))
    fitting = ReadFullStatus(status.generation, status.descriptors[:count])
    return fitting.encode()[:allocation_length]


def _zero_from(whole: int, data: bytes, allocation_length: int) -> bytes:
    if allocation_length < HEADER_SIZE:
        return data[:allocation_length]
    return data[:whole].ljust(min(len(data), allocation_length), b"\0")
