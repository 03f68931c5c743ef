"""A disk that hangs for good, as LIO's loopback target does after a PREEMPT AND ABORT.

What it touches is lost, so this test runs last, and its disk is never removed.
"""

import pytest

from lab_helper import Helper
from target import Host, create_disk
from wire import Client, parameter_list, persistent_reserve_in, persistent_reserve_out, status

REGISTER, PREEMPT_AND_ABORT = 0, 5
WRITE_EXCLUSIVE = 1


@pytest.mark.hangs
def test_a_disk_that_hangs_stalls_only_its_own_connection(
    helper: Helper, hosts: list[Host]
) -> None:
    victim, attacker = create_disk("hanging", hosts=2, first=201).hosts
    register = persistent_reserve_out(REGISTER)
    preempt = persistent_reserve_out(PREEMPT_AND_ABORT, WRITE_EXCLUSIVE)
    read_keys = persistent_reserve_in(0)

    with Client(helper.socket) as bystander, Client(helper.socket, seconds=5) as client:
        assert status(bystander.command(victim.generic, register, parameter_list(0, 0xA))) == 0
        assert status(bystander.command(attacker.generic, register, parameter_list(0, 0xB))) == 0
        with pytest.raises(TimeoutError):
            client.command(attacker.generic, preempt, parameter_list(0xB, 0xA))

        served = bystander.command(hosts[0].disk, read_keys)
        with Client(helper.socket) as newcomer:
            welcomed = newcomer.command(hosts[1].disk, read_keys)

    assert status(served) == 0
    assert status(welcomed) == 0


@pytest.mark.hangs
def test_a_helper_with_a_hanging_disk_can_be_replaced(
    helper: Helper, hosts: list[Host], request: pytest.FixtureRequest
) -> None:
    if request.config.getoption("--helper") == "c":
        pytest.skip("QEMU's helper waits for the hanging command, however often it is told to end")

    helper.abandon()
    helper.start()

    with Client(helper.socket) as client:
        assert status(client.command(hosts[0].disk, persistent_reserve_in(0))) == 0
