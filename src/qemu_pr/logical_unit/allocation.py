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
    encode_header,
)
from qemu_pr.scsi.transport_ids import FIXED_SIZE

KEY_SIZE = 8
RESERVATION_END = 22
"""The last byte of READ RESERVATION data that means something is its TYPE, at 21."""
DESCRIPTOR_SIZE = 24
"""A full status descriptor without its TransportID, in bytes."""


def fitting_keys(allocation_length: int) -> int:
    """Tell how many keys `cut_keys` can use."""
    return max(allocation_length - HEADER_SIZE, 0) // KEY_SIZE


def cut_keys(keys: ReadKeys, total: int, allocation_length: int) -> bytes:
    """Encode READ KEYS data; a key that does not fit is zeros.

    Args:
        keys: The first keys, as many as fit.
        total: How many keys there are.
        allocation_length: In bytes.
    """
    header = encode_header(keys.generation, total * KEY_SIZE)
    size = min(HEADER_SIZE + total * KEY_SIZE, allocation_length)
    return (header + keys.encode()[HEADER_SIZE:])[:size].ljust(size, b"\0")


def cut_reservation(reservation: ReadReservation, allocation_length: int) -> bytes:
    """Encode READ RESERVATION data; a reservation that does not fit is zeros."""
    data = reservation.encode()[:allocation_length]
    whole = len(data) if allocation_length >= RESERVATION_END else HEADER_SIZE
    return data[:whole].ljust(len(data), b"\0")


def fitting_descriptors(allocation_length: int) -> int:
    """Tell how many full status descriptors `cut_full_status` can use at most."""
    return allocation_length // (DESCRIPTOR_SIZE + FIXED_SIZE) + 1


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
