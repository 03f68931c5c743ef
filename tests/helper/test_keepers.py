"""Connections whose disk is slow for long: kept by other processes, and given back."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from helper_process import (
    GOOD,
    PYTHON_HELPER,
    Client,
    cdb,
    children_of,
    connections_of,
    listens,
    started,
    status_of,
    terminated,
    wait_for,
)
from prometheus_text import values
from qemu_pr.helper import keepers

SLOW_DEVICE_HELPER = (sys.executable, str(Path(__file__).with_name("slow_device_helper.py")))
IN = cdb(0x5E, 8)
OUT = cdb(0x5F, 24)
SLOW, FAST = "0.002", "0"  # seconds
SOON = 50  # commands


class Disk:
    """A disk of the slow device."""

    def __init__(self, path: Path) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT)
        self.takes(SLOW)

    def takes(self, seconds: str, *, is_map: bool = False) -> None:
        """Set how long its commands take."""
        os.pwrite(self.fd, (seconds.ljust(13) + ("map" if is_map else "   ")).encode(), 0)


@pytest.fixture
def disk(folder: Path) -> Iterator[Disk]:
    disk = Disk(folder / "disk")
    yield disk
    os.close(disk.fd)


@pytest.fixture
def helper(path: str) -> Iterator[subprocess.Popen[str]]:
    with started(SLOW_DEVICE_HELPER, path) as process:
        yield process


def carried_out_by(client: Client, disk: Disk) -> int:
    """Send a command; give the process that carried it out."""
    return int(client.command(IN, disk.fd).data)


def kept(client: Client, disk: Disk, helper: int) -> int:
    """Send commands until the helper has another process carry them out; give that."""
    for _ in range(SOON):
        if (process := carried_out_by(client, disk)) != helper:
            return process
    raise AssertionError(f"{SOON} slow commands were carried out by the helper itself")


def given_back(client: Client, disk: Disk, helper: int) -> bool:
    """Send commands until the helper carries them out itself."""
    return any(carried_out_by(client, disk) == helper for _ in range(SOON))


def wait_until_idle(helper: int) -> None:
    """Until no thread of the helper waits for a connection that is slow."""
    wait_for(lambda: int(status_of(helper)["Threads"]) <= 3, "its connections are idle")


def exists(process: int) -> bool:
    try:
        return status_of(process)["State"][0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


# Where a connection goes


def test_a_disk_that_is_slow_for_long_is_left_to_another_process(path, helper, disk):
    with Client(path) as client:
        keeper = kept(client, disk, helper.pid)

        assert [carried_out_by(client, disk) for _ in range(10)] == [keeper] * 10


def test_a_disk_that_is_fast_again_comes_back(path, helper, disk):
    with Client(path) as client:
        kept(client, disk, helper.pid)
        disk.takes(FAST)

        assert given_back(client, disk, helper.pid)


def test_a_client_that_has_nothing_to_say_comes_back_as_a_slow_one(path, helper, disk):
    with Client(path) as client:
        kept(client, disk, helper.pid)
        wait_until_idle(helper.pid)

        disk.takes("0.5")
        client.send(IN, disk.fd)

        wait_for(lambda: int(status_of(helper.pid)["Threads"]) > 3, "a thread of its own")
        assert int(client.reply().data) == helper.pid


def test_a_fast_disk_stays(path, helper, disk):
    disk.takes(FAST)
    with Client(path) as client:
        assert {carried_out_by(client, disk) for _ in range(SOON)} == {helper.pid}


def test_slow_disks_are_spread_over_a_few_processes(path, helper, disk):
    def keepers_of(clients: list[Client]) -> set[int]:
        return {kept(client, disk, helper.pid) for client in clients}

    with ExitStack() as stack:
        clients = [stack.enter_context(Client(path)) for _ in range(keepers.COUNT)]
        wait_for(lambda: len(keepers_of(clients)) == keepers.COUNT, "each has its own")
        more = [stack.enter_context(Client(path)) for _ in range(keepers.COUNT)]

        assert len(keepers_of([*clients, *more])) == keepers.COUNT


def test_a_slow_multipath_map_stays(path, helper, disk):
    """One process alone can see to it that a map gets one command at a time."""
    disk.takes(SLOW, is_map=True)
    with Client(path) as client:
        assert {carried_out_by(client, disk) for _ in range(SOON)} == {helper.pid}


@pytest.mark.parametrize("command", ["IN", "OUT"])
def test_a_client_that_turns_to_a_multipath_map_comes_back_with_that_command(
    path, folder, disk, command
):
    log = ("--audit", str(folder / "log"))
    a_map = Disk(folder / "map")
    a_map.takes(SLOW, is_map=True)
    with started(SLOW_DEVICE_HELPER, path, *log) as helper, Client(path) as client:
        kept(client, disk, helper.pid)
        if command == "IN":
            assert carried_out_by(client, a_map) == helper.pid
        else:
            assert client.command(OUT, a_map.fd, bytes(7) + b"\x2a" + bytes(16)).status == GOOD
            (line,) = (folder / "log").read_text().splitlines()
            assert "reservation_key=0x2a" in line

        assert {carried_out_by(client, disk) for _ in range(SOON)} == {helper.pid}
        assert client.command(IN, a_map.fd).status == GOOD


def test_simulated_disks_need_no_further_process(path, folder):
    options = ("--no-multipath", "--simulate", str(folder / "state"))
    with started(PYTHON_HELPER, path, *options) as process:
        assert children_of(process.pid) == []


# What it may do there


def test_a_client_that_breaks_the_protocol_is_disconnected_there_too(path, helper, disk):
    with Client(path) as client:
        kept(client, disk, helper.pid)
        client.send(bytes(16), disk.fd)

        assert client.is_closed()
    assert "operation code 0x00 is not PERSISTENT RESERVE IN or OUT" in terminated(helper)


def test_a_client_that_stops_in_the_middle_of_a_request_is_disconnected_there_too(path, disk):
    with (
        started(SLOW_DEVICE_HELPER, path, "--request-timeout", "0.5") as process,
        Client(path) as client,
    ):
        kept(client, disk, process.pid)
        client.send(OUT, disk.fd)

        assert client.is_closed()
        assert "no whole request came within 0.5 seconds" in terminated(process)


def test_a_client_that_goes_away_there_leaves_nothing_behind(path, helper, disk):
    with Client(path) as client:
        keeper = kept(client, disk, helper.pid)
        threads = int(status_of(keeper)["Threads"])
        descriptors = len(os.listdir(f"/proc/{keeper}/fd"))

    wait_until_idle(helper.pid)
    wait_for(lambda: int(status_of(keeper)["Threads"]) < threads, "its thread ends")
    wait_for(lambda: len(os.listdir(f"/proc/{keeper}/fd")) < descriptors, "its sockets close")


def test_going_to_and_fro_leaves_nothing_behind(path, helper, disk):
    def held(process: int) -> tuple[int, int]:
        return len(os.listdir(f"/proc/{process}/fd")), int(status_of(process)["Threads"])

    def to_and_fro(client: Client) -> int:
        disk.takes(SLOW)
        keeper = kept(client, disk, helper.pid)
        disk.takes(FAST)
        assert given_back(client, disk, helper.pid)
        return keeper

    with Client(path) as client:
        keeper = to_and_fro(client)
        wait_until_idle(helper.pid)
        before = held(helper.pid)
        wait_for(lambda: held(keeper)[1] == 1, "its thread ends")
        before_in_keeper = held(keeper)

        assert {to_and_fro(client) for _ in range(50)} == {keeper}

        wait_for(lambda: held(helper.pid) == before, "the helper holds what it held")
        wait_for(lambda: held(keeper) == before_in_keeper, "the keeper holds what it held")


# What is written down


def test_commands_are_counted_wherever_they_were_carried_out(path, folder, disk):
    file = folder / "pr.prom"
    options = ("--metrics", str(file), "--metrics-interval", "0.1")
    sent = 2 * SOON
    with started(SLOW_DEVICE_HELPER, path, *options) as process:
        with Client(path) as first, Client(path) as second:
            processes = {
                carried_out_by(client, disk) for client in (first, second) for _ in range(SOON)
            }
        terminated(process)
    found = values(file.read_text())

    total = found["commands_total", "PERSISTENT RESERVE IN", "READ KEYS", "GOOD"]
    assert total == sent
    assert len(processes) > 1
    assert found["command_duration_seconds_count", "PERSISTENT RESERVE IN"] == total
    assert found["commands_in_progress",] == 0
    assert found["connections",] == 0


def test_commands_are_audited_wherever_they_were_carried_out(path, folder, disk):
    log = folder / "audit"
    options = ("--audit", str(log), "--audit-format", "json")
    with started(SLOW_DEVICE_HELPER, path, *options) as process, Client(path) as client:
        kept(client, disk, process.pid)
        client.command(OUT, disk.fd, bytes(7) + b"\x2a" + bytes(16))

    (record,) = map(json.loads, log.read_text().splitlines())
    assert record["reservation_key"] == "0x2a"
    assert record["process"] == os.getpid()


# When a process ends


def test_the_end_of_a_keeper_costs_its_own_clients_a_connection_only(path, helper, disk):
    with Client(path) as client, Client(path) as other:
        keeper = kept(client, disk, helper.pid)
        os.kill(keeper, signal.SIGKILL)

        assert client.is_closed()
        assert carried_out_by(other, disk) == helper.pid
    with Client(path) as again:
        assert kept(again, disk, helper.pid) != keeper
    log = terminated(helper)
    assert "the process that kept it ended" in log
    assert "no process took" not in log


def test_a_keeper_that_does_not_answer_costs_a_client_a_delay_only(path, helper, disk):
    with Client(path) as client, Client(path) as other:
        keeper = kept(client, disk, helper.pid)
        wait_until_idle(helper.pid)
        os.kill(keeper, signal.SIGSTOP)
        try:
            assert {carried_out_by(client, disk) for _ in range(SOON)} == {helper.pid}
            assert kept(other, disk, helper.pid) != keeper
            client.send(cdb(0x12), disk.fd)
            assert client.is_closed()
            assert connections_of(helper.pid) == 1
        finally:
            os.kill(keeper, signal.SIGCONT)
        assert carried_out_by(other, disk)


def test_a_keeper_that_did_not_answer_is_used_again_when_the_others_have_more(path, helper, disk):
    with Client(path) as client:
        keeper = kept(client, disk, helper.pid)
        wait_until_idle(helper.pid)
        os.kill(keeper, signal.SIGSTOP)
        for _ in range(SOON):
            carried_out_by(client, disk)
        os.kill(keeper, signal.SIGCONT)

    with ExitStack() as stack:
        clients = [stack.enter_context(Client(path)) for _ in range(6 * keepers.COUNT)]

        def is_used() -> bool:
            return keeper in {kept(client, disk, helper.pid) for client in clients}

        wait_for(is_used, "the one that had stopped")


def test_a_command_that_a_keeper_did_not_finish_is_not_in_progress_for_ever(path, folder, disk):
    file = folder / "pr.prom"
    options = ("--metrics", str(file), "--metrics-interval", "0.1")
    with started(SLOW_DEVICE_HELPER, path, *options) as process:
        with Client(path) as client:
            keeper = kept(client, disk, process.pid)
            disk.takes("60")
            client.send(IN, disk.fd)
            wait_for(lambda: "commands_in_progress 1" in file.read_text(), "it is in progress")
            os.kill(keeper, signal.SIGKILL)
            assert client.is_closed()
        disk.takes(SLOW)
        with Client(path) as again:
            kept(again, disk, process.pid)

        wait_for(lambda: "commands_in_progress 0" in file.read_text(), "none is in progress")


def test_without_the_process_that_forks_keepers_slow_disks_stay(path, helper, disk):
    with Client(path) as client:
        _, forks = children_of(helper.pid)
        os.kill(forks, signal.SIGKILL)
        wait_for(lambda: not exists(forks), "it is gone")

        assert {carried_out_by(client, disk) for _ in range(SOON)} == {helper.pid}
    assert terminated(helper).count("no process took a slow disk over") == 1


def test_without_the_process_that_forks_keepers_those_that_there_are_go_on(path, helper, disk):
    with Client(path) as client, Client(path) as other:
        keeper = kept(client, disk, helper.pid)
        _, forks = children_of(helper.pid)
        os.kill(forks, signal.SIGKILL)
        wait_for(lambda: not exists(forks), "it is gone")

        assert kept(other, disk, helper.pid) == keeper
    assert "no process takes" not in terminated(helper)


def test_a_second_signal_ends_all_processes_at_once(path, helper, disk):
    with Client(path) as client:
        keeper = kept(client, disk, helper.pid)
        disk.takes("60")
        client.send(IN, disk.fd)
        helper.terminate()
        wait_for(lambda: not listens(path), "it stops")
        helper.terminate()

        assert helper.wait() == 1
        assert client.is_closed()
    wait_for(lambda: not exists(keeper), "no process is left")


def test_sigterm_finishes_commands_wherever_they_are_carried_out(path, helper, disk):
    with Client(path) as client:
        keeper = kept(client, disk, helper.pid)
        disk.takes("0.5")
        client.send(IN, disk.fd)
        # All processes get it, as from systemd.
        for process in (helper.pid, keeper, *children_of(helper.pid)):
            os.kill(process, signal.SIGTERM)

        assert int(client.reply().data) == keeper
        assert client.is_closed()
    assert helper.wait() == 0
    wait_for(lambda: not exists(keeper), "no process is left")


def test_no_process_outlives_the_helper(path, helper, disk):
    with Client(path) as client:
        others = [kept(client, disk, helper.pid), *children_of(helper.pid)]
        helper.kill()
        helper.wait()

        assert client.is_closed()
    assert len(others) == 3
    wait_for(lambda: not any(map(exists, others)), "no process is left")
