"""A SCSI disk of this host: commands go to the kernel with the SG_IO ioctl."""

import ctypes
import errno
import fcntl
import struct

from qemu_pr.devices import Device
from qemu_pr.protocol import CDB_SIZE
from qemu_pr.scsi import sense
from qemu_pr.scsi.opcodes import PERSISTENT_RESERVE_OUT
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import RESERVATION_CONFLICT, Completion, Status

SG_IO = 0x2285

# Linux's LIO target writes past a shorter buffer, whatever the allocation length says.
IN_BUFFER_SIZE = 8192
SENSE_BUFFER_SIZE = 96

# Milliseconds. As long as Linux itself gives a disk (/sys/block/*/device/timeout): an array that
# fails over needs seconds. QEMU's helper asks for 1 ms.
TIMEOUT = 30_000

# struct sg_io_hdr of <scsi/sg.h>; "0P" rounds its size up as a C compiler does.
HEADER = struct.Struct("@iiBBHIPPPIIiPBBBBHHiII0P")
ANSWER = struct.Struct("@BBBBHHiII")  # what the kernel fills in: its last fields
ANSWER_OFFSET = struct.calcsize("@iiBBHIPPPIIiP")
SG_DXFER_TO_DEV = -2
SG_DXFER_FROM_DEV = -3
_SG_ERR_DRIVER_TIMEOUT = 0x06
_SG_ERR_DRIVER_SENSE = 0x08


def _check(reason: Sense) -> Completion:
    return Completion.check_condition(reason)


FAILED = _check(sense.COMMAND_IO_PROCESS_TERMINATED)
_BUSY = Completion(Status.BUSY)

# How the kernel refuses a command, and what QEMU makes of it (scsi/utils.c). The block layer
# reports a SCSI failure as an errno of its own: EBADE is a reservation conflict.
BY_ERRNO = {
    errno.EDOM: Completion(Status.TASK_SET_FULL),
    errno.ENODEV: _check(sense.INTERNAL_TARGET_FAILURE),
    errno.EREMOTEIO: _check(sense.INTERNAL_TARGET_FAILURE),
    errno.ENOMEM: _check(sense.INTERNAL_TARGET_FAILURE),
    errno.EBADE: RESERVATION_CONFLICT,
    errno.ENODATA: _check(sense.UNRECOVERED_READ_ERROR),
    errno.ENOMEDIUM: _check(sense.MEDIUM_NOT_PRESENT),
    errno.EINVAL: _check(sense.INVALID_FIELD_IN_CDB),
    errno.ENOSPC: _check(sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT),
}

# The host adapter's own word: DID_* of <scsi/scsi_status.h>. QEMU takes the values that are missing
# here for success; but the command did not reach the disk.
BY_HOST_STATUS = {
    0x01: _check(sense.LOGICAL_UNIT_DOES_NOT_RESPOND_TO_SELECTION),  # NO_CONNECT
    0x02: _BUSY,  # BUS_BUSY
    0x03: _check(sense.COMMAND_TIMEOUT_DURING_PROCESSING),  # TIME_OUT
    0x04: _check(sense.LOGICAL_UNIT_COMMUNICATION_FAILURE),  # BAD_TARGET
    0x05: _check(sense.COMMANDS_CLEARED_BY_DEVICE_SERVER),  # ABORT
    0x08: _check(sense.POWER_ON_RESET_OR_BUS_DEVICE_RESET),  # RESET
    0x0E: _check(sense.I_T_NEXUS_LOSS_OCCURRED),  # TRANSPORT_DISRUPTED
    0x10: _check(sense.INTERNAL_TARGET_FAILURE),  # TARGET_FAILURE
    0x11: RESERVATION_CONFLICT,  # NEXUS_FAILURE
    0x12: _check(sense.SPACE_ALLOCATION_FAILED_WRITE_PROTECT),  # ALLOC_FAILURE
    0x13: _check(sense.UNRECOVERED_READ_ERROR),  # MEDIUM_ERROR
}

_NO_DATA = bytes(IN_BUFFER_SIZE)
_NO_SENSE = bytes(SENSE_BUFFER_SIZE)


class ScsiDisk(Device):
    """The device behind a descriptor of /dev/sdX, /dev/sgX or what else understands SG_IO."""

    def __init__(self) -> None:
        self._spare: list[_Memory] = []  # as many as there have been commands at a time

    def execute(self, fd: int, cdb: bytes, data_out: bytes) -> Completion:
        """Carry out one command; see `qemu_pr.devices.Device`.

        A descriptor that cannot take SCSI commands is answered with CHECK CONDITION, as QEMU's
        helper does: 05/24/00 for a block device of another kind, 0B/00/06 for all else.
        """
        try:
            memory = self._spare.pop()
        except IndexError:
            memory = _Memory()
        header = memory.prepare(cdb, data_out)
        try:
            fcntl.ioctl(fd, SG_IO, header)
            return memory.completion(header)
        except OSError as error:
            return BY_ERRNO.get(error.errno or 0, FAILED)
        finally:
            self._spare.append(memory)


class _Memory:
    """What the kernel reads and writes for one command; kept, because making it takes long."""

    def __init__(self) -> None:
        sizes = (IN_BUFFER_SIZE, CDB_SIZE, SENSE_BUFFER_SIZE)
        buffers = [ctypes.create_string_buffer(size) for size in sizes]
        self._addresses = [ctypes.addressof(buffer) for buffer in buffers]
        self._data, self._cdb, self._sense = (memoryview(buffer).cast("B") for buffer in buffers)
        self._in_header = self._header(SG_DXFER_FROM_DEV, IN_BUFFER_SIZE)

    def prepare(self, cdb: bytes, data_out: bytes) -> bytearray:
        """Fill in a command, and give its header."""
        self._cdb[:] = cdb
        self._sense[:] = _NO_SENSE  # as the data: a device may claim sense that it did not write
        if cdb[0] == PERSISTENT_RESERVE_OUT:
            self._data[: len(data_out)] = data_out
            return bytearray(self._header(SG_DXFER_TO_DEV, len(data_out)))
        self._data[:] = _NO_DATA  # nobody gets to see what another command returned
        return bytearray(self._in_header)

    def completion(self, header: bytearray) -> Completion:
        """Tell what became of the command."""
        status, _, _, sense_size, host_status, driver_status, residual, _, _ = ANSWER.unpack_from(
            header, ANSWER_OFFSET
        )
        data = b""
        if self._cdb[0] != PERSISTENT_RESERVE_OUT:
            data = bytes(self._data[: max(0, IN_BUFFER_SIZE - residual)])
        if not (status or host_status or driver_status):
            return Completion(Status.GOOD, data=data)
        return completion(
            status,
            bytes(self._sense[:sense_size]),
            host_status,
            driver_status,
            data,
        )

    def _header(self, direction: int, size: int) -> bytes:
        return HEADER.pack(
            ord("S"),
            direction,
            len(self._cdb),
            len(self._sense),
            0,  # no scatter list
            size,
            *self._addresses,
            TIMEOUT,
            *bytes(12),  # flags, pack_id, usr_ptr; the kernel fills in the rest
        )


def completion(
    status: int, sense_data: bytes, host_status: int, driver_status: int, data: bytes
) -> Completion:
    """Tell what became of a command that the kernel accepted.

    What the disk itself said counts first, then what the host adapter and its driver made of it.

    Args:
        status: The disk's SCSI status.
        sense_data: Sense data that came with it, at most 96 bytes.
        host_status: How the host adapter fared, DID_*.
        driver_status: How its driver fared, DRIVER_*.
        data: What the disk returned.
    """
    if not any(sense_data):  # claimed, maybe, but never written
        sense_data = b""
    if status == Status.CHECK_CONDITION and not sense_data:
        return FAILED
    if status != Status.GOOD:
        return Completion(status, sense_data if status == Status.CHECK_CONDITION else b"")
    if host_status:
        return BY_HOST_STATUS.get(host_status, FAILED)
    if driver_status & 0x0F == _SG_ERR_DRIVER_TIMEOUT:
        return _BUSY
    if driver_status & 0x0F == _SG_ERR_DRIVER_SENSE and sense_data:
        return Completion(Status.CHECK_CONDITION, sense_data)
    return Completion(Status.GOOD, data=data)
