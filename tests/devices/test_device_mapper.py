"""Which block devices are told from their number alone; the lab has maps."""

import os
import resource
from contextlib import contextmanager

import pytest

from qemu_pr.devices import DeviceError, device_mapper


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


def test_a_disk_with_a_fixed_major_number_is_no_map(loop):
    assert not device_mapper.is_multipath_map(loop)


def test_a_disk_with_a_dynamic_major_number_is_told_from_a_map_by_sysfs(loop, monkeypatch):
    monkeypatch.setattr(device_mapper, "_FIRST_DYNAMIC_MAJOR", 0)

    assert not device_mapper.is_multipath_map(loop)


def test_what_is_no_block_device_is_no_map(tmp_path):
    for path in ("/dev/null", tmp_path):
        fd = os.open(path, os.O_RDONLY)
        try:
            assert not device_mapper.is_multipath_map(fd)
        finally:
            os.close(fd)


def test_out_of_descriptors_a_map_is_not_taken_for_a_disk(loop, monkeypatch):
    monkeypatch.setattr(device_mapper, "_FIRST_DYNAMIC_MAJOR", 0)

    with (
        no_further_descriptor(),
        pytest.raises(DeviceError, match="dm/uuid: Too many open files"),
    ):
        device_mapper.is_multipath_map(loop)


def test_without_sysfs_a_map_is_not_taken_for_a_disk(loop, monkeypatch, tmp_path):
    monkeypatch.setattr(device_mapper, "_FIRST_DYNAMIC_MAJOR", 0)
    monkeypatch.setattr(device_mapper, "directory", lambda _: f"{tmp_path}/sys")

    with pytest.raises(DeviceError, match="sys/dm/uuid: No such file or directory"):
        device_mapper.is_multipath_map(loop)
