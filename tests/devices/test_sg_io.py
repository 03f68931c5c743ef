"""Commands through SG_IO: what the kernel's answers are translated to."""

import ctypes
import errno
import fcntl
import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.devices import sg_io
from qemu_pr.devices.sg_io import ScsiDisk, completion
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import GOOD, Completion, Status

IN = bytes((0x5E, 0, 0, 0, 0, 0, 0, 0, 8)) + bytes(7)
OUT = bytes((0x5F, 0, 0, 0, 0, 0, 0, 0, 24)) + bytes(7)
DEVICE_SENSE = bytes((0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x26, 0, 0, 0, 0, 0))


def codes(result: Completion) -> str:
    assert result.status == Status.CHECK_CONDITION
    return str(Sense.decode(result.sense))


def execute(fd: int) -> set[str]:
    """The sense of both commands on a descriptor; closes it."""
    try:
        return {
            codes(ScsiDisk().execute(fd, IN, b"")),
            codes(ScsiDisk().execute(fd, OUT, bytes(24))),
        }
    finally:
        os.close(fd)


def test_the_header_is_as_large_as_the_kernels():
    pointer = struct.calcsize("P")

    assert sg_io.HEADER.size == {8: 88, 4: 64}[pointer]


def test_a_regular_file_cannot_carry_out_commands(tmp_path):
    assert execute(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)) == {"0B/00/06"}


def test_dev_null_cannot_carry_out_commands():
    assert execute(os.open(os.devnull, os.O_RDWR)) == {"0B/00/06"}


def test_a_socket_cannot_carry_out_commands():
    assert execute(socket.socket(socket.AF_UNIX).detach()) == {"0B/00/06"}


def test_an_o_path_descriptor_cannot_carry_out_commands():
    assert execute(os.open("/", os.O_PATH)) == {"0B/00/06"}


def test_a_block_device_of_another_kind_calls_the_command_invalid():
    try:
        fd = os.open("/dev/loop0", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/loop0: {error.strerror}")

    assert execute(fd) == {"05/24/00"}


@pytest.mark.parametrize(
    ("number", "sense"),
    [
        (errno.ENODEV, "04/44/00"),
        (errno.EREMOTEIO, "04/44/00"),
        (errno.ENOMEM, "04/44/00"),
        (errno.ENODATA, "03/11/00"),
        (errno.ENOMEDIUM, "02/3A/00"),
        (errno.EINVAL, "05/24/00"),
        (errno.ENOSPC, "07/27/07"),
        (errno.EIO, "0B/00/06"),
        (errno.EPERM, "0B/00/06"),
    ],
)
def test_an_errno_becomes_the_sense_that_qemu_gives_it(monkeypatch, number, sense):
    refuse_with(monkeypatch, number)

    assert codes(ScsiDisk().execute(0, IN, b"")) == sense


@pytest.mark.parametrize(
    ("number", "status"),
    [(errno.EBADE, Status.RESERVATION_CONFLICT), (errno.EDOM, Status.TASK_SET_FULL)],
)
def test_an_errno_that_stands_for_a_status_becomes_that_status(monkeypatch, number, status):
    refuse_with(monkeypatch, number)

    assert ScsiDisk().execute(0, IN, b"") == Completion(status)


def refuse_with(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """No device here fails in all these ways."""

    def ioctl(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "ioctl", ioctl)


@pytest.mark.parametrize(
    ("host_status", "sense"),
    [
        (0x01, "0B/05/00"),
        (0x03, "0B/2E/02"),
        (0x04, "0B/08/00"),
        (0x05, "0B/2F/02"),
        (0x08, "06/29/00"),
        (0x0E, "0B/29/07"),
        (0x10, "04/44/00"),
        (0x12, "07/27/07"),
        (0x13, "03/11/00"),
    ],
)
def test_a_host_status_becomes_the_sense_that_qemu_gives_it(host_status, sense):
    assert codes(completion(0, b"", host_status, 0, b"data")) == sense


@pytest.mark.parametrize(
    ("host_status", "status"), [(0x02, Status.BUSY), (0x11, Status.RESERVATION_CONFLICT)]
)
def test_a_host_status_that_stands_for_a_status_becomes_that_status(host_status, status):
    assert completion(0, b"", host_status, 0, b"data") == Completion(status)


@given(st.integers(1, 0xFFFF))
def test_no_host_status_but_0_passes_for_success(host_status):
    assert completion(0, b"", host_status, 0, b"data") != Completion(Status.GOOD, data=b"data")


def test_success_returns_the_data():
    assert completion(0, b"", 0, 0, b"data") == Completion(Status.GOOD, data=b"data")
    assert completion(0, b"", 0, 0, b"") == GOOD


def test_the_disks_own_sense_goes_before_the_host_status():
    assert codes(completion(2, DEVICE_SENSE, 0x10, 0x08, b"")) == "05/26/00"


def test_a_status_of_the_disk_is_passed_on():
    for status in (Status.BUSY, Status.RESERVATION_CONFLICT, Status.TASK_SET_FULL, 0x7E):
        assert completion(status, b"", 0, 0, b"data") == Completion(status)


def test_check_condition_without_sense_gets_some():
    assert codes(completion(2, b"", 0, 0, b"")) == "0B/00/06"


def test_a_driver_timeout_is_busy():
    assert completion(0, b"", 0, 0x06, b"data") == Completion(Status.BUSY)


def test_a_driver_that_notes_sense_makes_it_check_condition():
    assert codes(completion(0, DEVICE_SENSE, 0, 0x08, b"data")) == "05/26/00"


@pytest.mark.parametrize("sense", [b"", bytes(18)], ids=["none", "claimed, and not written"])
def test_a_driver_that_notes_sense_without_any_leaves_it_good(sense):
    assert completion(0, sense, 0, 0x08, b"data") == Completion(Status.GOOD, data=b"data")


def test_check_condition_with_sense_that_was_not_written_gets_some():
    assert codes(completion(2, bytes(18), 0, 0, b"")) == "0B/00/06"


def test_no_client_sees_the_sense_of_the_command_before(monkeypatch):
    """A device says of each command that it wrote sense data, and does so for the first alone."""
    answers = iter((DEVICE_SENSE, b""))

    def ioctl(_fd: int, _request: int, header: bytearray) -> int:
        fields = list(sg_io.HEADER.unpack(header))
        sense, address = next(answers), fields[8]
        ctypes.memmove(address, sense, len(sense))
        fields[13], fields[16] = 2, len(DEVICE_SENSE)  # status, and how much sense data
        header[:] = sg_io.HEADER.pack(*fields)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    disk = ScsiDisk()

    assert codes(disk.execute(0, IN, b"")) == "05/26/00"
    assert codes(disk.execute(0, IN, b"")) == "0B/00/06"
