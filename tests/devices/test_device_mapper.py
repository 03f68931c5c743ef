"""Which block devices are told from their number alone; the lab has maps."""

import fcntl
import os
import resource
from contextlib import contextmanager

import pytest

from qemu_pr.devices import DeviceError, device_mapper


@pytest.fixture
def remembered(monkeypatch):
    numbers: set[bytes] = set()
    monkeypatch.setattr(device_mapper, "_with_fixed_major", numbers)
    return numbers


@pytest.fixture
def loop():
    try:
        fd = os.open("/dev/loop0", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/loop0: {error.strerror}")
    yield fd
    os.close(fd)


@contextmanager
def no_further_descriptor():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def number_of(fd):
    return fcntl.ioctl(fd, device_mapper._BLKGETDISKSEQ, bytes(8))


def test_a_disk_with_a_fixed_major_number_is_remembered_by_its_own_number(remembered, loop):
    answers = [device_mapper.is_multipath_map(loop) for _ in range(2)]

    assert answers == [False, False]
    assert remembered == {number_of(loop)}


def test_a_disk_with_a_dynamic_major_number_is_never_remembered(remembered, loop, monkeypatch):
    monkeypatch.setattr(device_mapper, "_FIRST_DYNAMIC_MAJOR", 0)

    assert not device_mapper.is_multipath_map(loop)
    assert not remembered


def test_only_so_many_numbers_are_remembered(remembered, loop, monkeypatch):
    monkeypatch.setattr(device_mapper, "_MOST_NUMBERS", 0)

    assert not device_mapper.is_multipath_map(loop)
    assert not remembered


def test_what_is_no_block_device_is_no_map(remembered, tmp_path):
    for path in ("/dev/null", tmp_path):
        fd = os.open(path, os.O_RDONLY)
        try:
            assert not device_mapper.is_multipath_map(fd)
        finally:
            os.close(fd)
    assert not remembered


def test_out_of_descriptors_a_map_is_not_taken_for_a_disk(remembered, loop, monkeypatch):
    monkeypatch.setattr(device_mapper, "_FIRST_DYNAMIC_MAJOR", 0)

    with (
        no_further_descriptor(),
        pytest.raises(DeviceError, match="dm/uuid: Too many open files"),
    ):
        device_mapper.is_multipath_map(loop)


def test_without_sysfs_a_map_is_not_taken_for_a_disk(remembered, loop, monkeypatch, tmp_path):
    monkeypatch.setattr(device_mapper, "_FIRST_DYNAMIC_MAJOR", 0)
    monkeypatch.setattr(device_mapper, "_directory", lambda _: f"{tmp_path}/sys")

    with pytest.raises(DeviceError, match="sys/dm/uuid: No such file or directory"):
        device_mapper.is_multipath_map(loop)


@pytest.mark.parametrize(
    ("release", "machine", "numbers"),
    [
        ("6.1.0-25-amd64", "x86_64", True),
        ("5.15.0", "aarch64", True),
        ("5.14.0-503.el9.x86_64", "x86_64", False),
        ("5.4.0", "x86_64", False),
        ("6.1.0", "ppc64le", False),
        ("unknown", "x86_64", False),
    ],
)
def test_only_a_linux_that_numbers_disks_is_asked_for_a_number(release, machine, numbers):
    assert device_mapper._numbers_disks(release, machine) is numbers


def test_without_numbers_a_disk_is_told_from_a_map_all_the_same(remembered, loop, monkeypatch):
    monkeypatch.setattr(device_mapper, "_has_numbers", False)

    assert not device_mapper.is_multipath_map(loop)
    assert not remembered
