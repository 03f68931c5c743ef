"""One connection, in this process: what no client can see."""

import _socket
import os
import socket
import time

import pytest

from helper_process import cdb
from qemu_pr.devices import DeviceError
from qemu_pr.helper import connection as module
from qemu_pr.helper.connection import Connection
from qemu_pr.helper.events import Events
from qemu_pr.scsi.completion import GOOD

READ_KEYS = cdb(0x5E, 8)
REGISTER = cdb(0x5F, 24) + bytes(24)


class SlowDisk:
    def execute(self, _fd, _cdb, _data_out):
        time.sleep(2 * module.SLOW)
        return GOOD


@pytest.fixture
def no_sysfs(monkeypatch):
    def is_multipath_map(_fd):
        raise DeviceError("nothing tells")

    monkeypatch.setattr(module, "is_multipath_map", is_multipath_map)


@pytest.fixture
def connect():
    client, server = socket.socketpair()
    client.settimeout(10)
    connected = _socket.socket(fileno=server.detach())
    yield client, lambda **how: Connection(connected, SlowDisk(), Events(0), **how)
    connected.close()
    client.close()


@pytest.mark.parametrize("request_", [READ_KEYS, REGISTER], ids=["in", "out"])
def test_a_slow_command_on_what_may_be_a_map_is_answered(no_sysfs, connect, request_, tmp_path):
    client, connection = connect[0], connect[1]()
    connection.greet()
    client.send(client.recv(4))
    connection.advance(wait=False)
    disk = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)
    before = os.listdir("/proc/self/fd")

    socket.send_fds(client, [request_], [disk])
    while connection.advance(wait=False):
        pass

    assert len(client.recv(1024)) == 104
    assert os.listdir("/proc/self/fd") == before
    os.close(disk)


@pytest.mark.parametrize("request_", [READ_KEYS, REGISTER], ids=["in", "out"])
def test_what_may_be_a_map_is_left_over_with_its_descriptor(no_sysfs, connect, request_, tmp_path):
    client, connection = connect[0], connect[1](is_kept=True)
    disk = os.open(tmp_path, os.O_TMPFILE | os.O_RDWR)

    socket.send_fds(client, [request_], [disk])
    while connection.advance(wait=False):
        pass

    request, descriptor = connection.left_over
    assert request.encode() == request_
    assert os.path.sameopenfile(descriptor, disk)
    os.close(descriptor)
    os.close(disk)
