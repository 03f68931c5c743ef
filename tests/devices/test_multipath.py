"""What is decided before a multipath map is asked; the lab has maps."""

import os
import random

import pytest

from qemu_pr.devices.isolated import Isolated
from qemu_pr.devices.multipath import MultipathMap
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import Status
from qemu_pr.scsi.transport_ids import SASTransportID

WITH_PORTS = ParameterList(1, 2, initiator_ports=(SASTransportID(3),)).encode()


@pytest.fixture
def no_map():
    with open("/dev/null", "r+b") as file:
        yield file.fileno()


def execute(device, fd, action, data):
    return device.execute(fd, PersistentReserveOut(action, len(data)).encode() + bytes(6), data)


@pytest.mark.parametrize(
    ("action", "data", "sense"),
    [
        (OutServiceAction.REGISTER, bytes(23), "05/1A/00"),
        (OutServiceAction.RELEASE, bytes(25), "05/1A/00"),
        (OutServiceAction.REGISTER_AND_MOVE, bytes(24), "05/26/00"),
        (OutServiceAction.REGISTER, WITH_PORTS[:-1], "05/26/00"),
        (OutServiceAction.RESERVE, WITH_PORTS, "05/26/00"),
        (OutServiceAction.REPLACE_LOST_RESERVATION, bytes(24), "05/24/00"),
        (0x1F, bytes(24), "05/24/00"),
    ],
)
def test_a_malformed_command_is_refused_as_a_disk_would(no_map, action, data, sense):
    completion = execute(MultipathMap(), no_map, action, data)

    assert completion.status == Status.CHECK_CONDITION
    assert str(Sense.decode(completion.sense)) == sense


def test_a_thousand_malformed_lists_leave_no_descriptor_open(no_map):
    device = Isolated(MultipathMap, lambda: None)
    choose = random.Random(5)
    execute(device, no_map, OutServiceAction.REGISTER, b"")  # starts the process
    before = os.listdir("/proc/self/fd")

    statuses = {
        execute(device, no_map, choose.randrange(32), choose.randbytes(size)).status
        for size in choose.choices([0, 1, 8, 23, 25, 28, 52, 255, 8192], k=1000)
    }

    assert statuses == {Status.CHECK_CONDITION}
    assert os.listdir("/proc/self/fd") == before
