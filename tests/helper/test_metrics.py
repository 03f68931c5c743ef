"""Metrics: what Prometheus' own parser reads from the file is what happened."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helper_process import (
    PIPE_DEVICE_HELPER,
    PYTHON_HELPER,
    Client,
    cdb,
    connections_of,
    listens,
    run,
    started,
    terminated,
    wait_for,
)
from prometheus_text import families, values
from qemu_pr.helper.carry_out import CarriedOut
from qemu_pr.helper.carry_out import Client as Sender
from qemu_pr.helper.counters import BOUNDS, Counters
from qemu_pr.helper.events import Events
from qemu_pr.helper.metrics import METRICS, render
from qemu_pr.protocol import Request
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
from qemu_pr.scsi.status import Completion

RESERVE = PersistentReserveOut(OutServiceAction.RESERVE, 24, type=5).encode() + bytes(6)
OFTEN = ("--metrics-interval", "0.01")


@pytest.fixture
def file(folder: Path) -> Path:
    return folder / "qemu-pr-helper.prom"


def carried_out(opcode: int, action: int, status: int, seconds: float) -> CarriedOut:
    request = Request(cdb(opcode, service_action=action))
    return CarriedOut(Sender(1, 0), -1, request, Completion(status), seconds)


def rendered(counters: Counters) -> str:
    return render(counters.read(), 0.0)


def test_the_file_of_a_stopped_helper_has_all_that_happened(path, folder, regular, file):
    options = ("--simulate", str(folder / "state.db"), "--metrics", str(file))
    with started(PYTHON_HELPER, path, *options) as process:
        with Client(path) as client:
            for _ in range(3):
                client.command(cdb(0x5E, 8), regular)
            client.command(cdb(0x5F, 24), regular, bytes(24))
            client.command(RESERVE, regular, bytes(24))
            client.command(cdb(0x5F, 24, 31), regular, bytes(24))
            client.send(bytes(16), regular)
            assert client.is_closed()
        terminated(process)

    found = values(file.read_text())
    assert {name: value for name, value in found.items() if name[0] == "commands_total"} == {
        ("commands_total", "PERSISTENT RESERVE IN", "READ KEYS", "GOOD"): 3,
        ("commands_total", "PERSISTENT RESERVE OUT", "REGISTER", "GOOD"): 1,
        ("commands_total", "PERSISTENT RESERVE OUT", "RESERVE", "RESERVATION CONFLICT"): 1,
        ("commands_total", "PERSISTENT RESERVE OUT", "other", "CHECK CONDITION"): 1,
    }
    assert found["command_duration_seconds_count", "PERSISTENT RESERVE IN"] == 3
    assert found["command_duration_seconds_bucket", "PERSISTENT RESERVE OUT", "+Inf"] == 3
    assert 0 < found["command_duration_seconds_sum", "PERSISTENT RESERVE OUT"] < 60
    # Two connections: this client's, and the one that waited until the helper served.
    assert found["connections_accepted_total",] == 2
    assert found["connections_broken_off_total",] == 1
    assert found["connections",] == found["up",] == found["commands_in_progress",] == 0


def test_the_file_follows_a_running_helper(path, file):
    with started(PYTHON_HELPER, path, "--metrics", str(file), *OFTEN), Client(path):
        wait_for(lambda: values(file.read_text())["connections",] == 1, "one connection")

        assert values(file.read_text())["up",] == 1


def test_connections_are_open_until_they_end_whichever_way(path, file):
    options = ("--metrics", str(file), *OFTEN, "--request-timeout", "0.2")
    with started(PYTHON_HELPER, path, *options) as process:
        for _ in range(100):
            with socket.socket(socket.AF_UNIX) as hasty:
                hasty.connect(path)
        with Client(path) as late, Client(path) as wrong:
            late.send(b"x")
            wrong.send(bytes(16))
            assert late.is_closed()
            assert wrong.is_closed()
        wait_for(lambda: connections_of(process.pid) == 0, "all connections end")
        wait_for(lambda: values(file.read_text())["connections",] == 0, "none is counted")

        assert values(file.read_text())["connections_broken_off_total",] == 2


def test_a_command_whose_disk_hangs_is_in_progress(path, file):
    reader, writer = os.pipe()
    options = ("--metrics", str(file), *OFTEN)
    with started(PIPE_DEVICE_HELPER, path, *options), Client(path) as client:
        client.send(cdb(0x5E, 8), reader)
        wait_for(lambda: values(file.read_text())["commands_in_progress",] == 1, "it hangs")
        os.write(writer, b"x")
        client.reply()

        wait_for(lambda: values(file.read_text())["commands_in_progress",] == 0, "it ends")
    os.close(reader)
    os.close(writer)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_refused_users_are_counted(path, file):
    command = (*PYTHON_HELPER, "-q", "-k", path, "--allow-user", "54321", "--metrics", str(file))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: listens(path), "it listens")
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as refused:
                refused.connect(path)
                assert refused.recv(1) == b""
        terminated(process)
    found = values(file.read_text())

    assert (found["connections_refused_total",], found["connections_accepted_total",]) == (3, 0)


def test_another_user_may_read_it_whatever_the_umask(path, file):
    with started(PYTHON_HELPER, path, "--metrics", str(file), umask=0o077):
        assert file.stat().st_mode & 0o777 == 0o644


def test_a_reader_never_sees_half_a_file(path, file):
    with started(PYTHON_HELPER, path, "--metrics", str(file), "--metrics-interval", "0.0001"):
        versions = set()
        while len(versions) < 50:
            with file.open() as opened:
                versions.add(os.fstat(opened.fileno()).st_mtime_ns)
                assert "command_duration_seconds_count" in opened.read().splitlines()[-1]


def test_a_file_that_cannot_be_written_any_more_is_reported_once_and_costs_nothing_else(
    path, folder, regular
):
    place = folder / "metrics"
    place.mkdir()
    options = ("--metrics", str(place / "a.prom"), *OFTEN)
    with started(PYTHON_HELPER, path, *options) as process:
        place.rename(folder / "moved")
        line = process.stderr.readline()
        with Client(path) as client:
            client.command(cdb(0x5E), regular)
        rest = terminated(process)

    assert line == (
        f"qemu-pr-helper: cannot write metrics to {place}/a.prom: No such file or directory\n"
    )
    assert rest == ""


def test_a_link_in_a_folder_that_others_may_write_to_leads_to_no_other_file(path, folder, file):
    other = folder / "other"
    other.write_text("precious")
    for place in (file, Path(f"{file}.tmp")):
        place.symlink_to(other)

    with started(PYTHON_HELPER, path, "--metrics", str(file)):
        assert values(file.read_text())["up",] == 1

    assert not file.is_symlink()
    assert other.read_text() == "precious"


@pytest.mark.parametrize("options", [(), ("-u", "nobody")], ids=" ".join)
def test_a_file_that_cannot_be_written_is_an_error_at_the_start(path, folder, options):
    if options and os.geteuid() != 0:
        pytest.skip("needs root")
    file = folder / "a.prom" if options else folder / "missing" / "a.prom"
    why = "Permission denied" if options else "No such file or directory"

    result = run(PYTHON_HELPER, "-k", path, "--metrics", str(file), *options)

    assert result.returncode == 1
    assert f"qemu-pr-helper: cannot write metrics to '{file}': {why}\n" in result.stderr


def test_each_metric_has_its_type_and_its_meaning():
    text = rendered(Counters(Events()))

    found = {family.name: (family.type, family.documentation) for family in families(text).values()}
    expected = {
        f"qemu_pr_helper_{name}".removesuffix("_total"): entry for name, entry in METRICS.items()
    }
    assert found == expected


def test_durations_are_counted_up_to_their_bound():
    events = Events()
    counters = Counters(events)
    for seconds in (0.0, BOUNDS[0], 0.002, BOUNDS[-1], 1000.0):
        events("pr_helper_reply", carried_out(0x5E, 0, 0, seconds))
    found = values(rendered(counters))

    def up_to(bound: str) -> float:
        return found["command_duration_seconds_bucket", "PERSISTENT RESERVE IN", bound]

    assert [up_to(bound) for bound in ("0.0001", "0.001", "0.003", "30", "+Inf")] == [2, 2, 3, 4, 5]


def test_no_client_and_no_disk_makes_it_grow_without_end():
    events = Events()
    counters = Counters(events)
    for opcode in (0x5E, 0x5F):
        for action in range(32):
            for status in range(256):
                events("pr_helper_reply", carried_out(opcode, action, status, 0.0))

    commands = [name for name in values(rendered(counters)) if name[0] == "commands_total"]
    assert len(commands) == (4 + 1 + 9 + 1) * (8 + 1)


def test_threads_that_change_at_any_moment_lose_no_count():
    events = Events()
    counters = Counters(events)
    command = carried_out(0x5F, 4, 0, 0.5)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: events("pr_helper_reply", command), range(20_000)))
    finally:
        sys.setswitchinterval(interval)
    found = values(rendered(counters))

    assert found["commands_total", "PERSISTENT RESERVE OUT", "PREEMPT", "GOOD"] == 20_000
    assert found["command_duration_seconds_sum", "PERSISTENT RESERVE OUT"] == 10_000
