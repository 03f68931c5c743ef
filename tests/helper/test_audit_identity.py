"""Whom the audit log names: the process that connected, whatever its names hold, dead or alive."""

import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helper_process import PATIENCE, PYTHON_HELPER, Client, cdb, listens, wait_for
from process_tree import Child
from requirements import unavailable

REGISTER, KEY = cdb(0x5F, 24), bytes(15) + b"\1" + bytes(8)

# What str.splitlines, str.split or str.strip take for the end of a line or a word.
SEPARATORS = ("\t", "\v", "\f", "\r", "\x1c", "\x1d", "\x1e", "\x1f", " ", "\x85", "\xa0")
SEPARATORS += ("\u2028", "\u2029", "\u3000")


@contextmanager
def audited(folder: Path, format_: str = "json") -> Iterator[tuple[str, Path]]:
    """Run a helper; give its socket and its audit log."""
    path, log = str(folder / "helper.sock"), folder / "audit"
    options = ("--simulate", str(folder / "state"), "--audit", str(log), "--audit-format", format_)
    with subprocess.Popen((*PYTHON_HELPER, "-k", path, *options)) as process:
        try:
            wait_for(lambda: listens(path), "it listens")
            yield path, log
            process.terminate()  # so that all is written
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def record_of(log: Path) -> dict[str, object]:
    """The one record that the log holds."""
    (line, rest) = log.read_text(encoding="ascii").split("\n")
    assert rest == ""
    return dict(json.loads(line))


def rename(name: str) -> None:
    Path("/proc/self/comm").write_bytes(name.encode())


def register(client: Client, folder: Path) -> int:
    with open(folder / "disk", "w+b") as disk:
        return client.command(REGISTER, disk.fileno(), KEY).status


# Names that others choose


@contextmanager
def control_group(name: str) -> Iterator[Path]:
    """A control group of version 2, at the root."""
    mounts = [line.split(" ") for line in Path("/proc/self/mounts").read_text().split("\n")[:-1]]
    root = next((fields[1] for fields in mounts if fields[2] == "cgroup2"), None)
    if root is None:
        unavailable("no control groups of version 2 are mounted")
    path = Path(str(root), name)
    try:
        path.mkdir()
    except OSError as error:
        unavailable(f"no control group can be made: {error.strerror}")
    try:
        yield path
    finally:
        wait_for(lambda: (path / "cgroup.procs").read_text() == "", "its processes end")
        path.rmdir()


def ordinary(path: str, folder: Path, name: str) -> Iterator[object]:
    """Wait to be put somewhere, then register."""
    rename(name)
    yield "ready"
    with Client(path) as client:
        yield register(client, folder)


@pytest.mark.parametrize("separator", SEPARATORS, ids=ascii)
@pytest.mark.parametrize("unit", ["guest{}x.scope", "a{}0::another.scope"])
def test_a_client_in_a_unit_of_any_name_has_its_line(folder, separator, unit):
    name = unit.format(separator)
    with (
        control_group(name) as group,
        audited(folder) as (path, log),
        Child(lambda: ordinary(path, folder, "guest")) as client,
    ):
        client.ask()
        (group / "cgroup.procs").write_text(str(client.pid))
        assert client.ask() == 0

    record = record_of(log)
    assert (record["unit"], record["program"]) == (name, "guest")
    assert (record["process"], record["status"]) == (client.pid, "GOOD")


@pytest.mark.parametrize("format_", ["json", "text"])
def test_a_client_in_a_unit_that_is_no_text_has_its_line(folder, format_):
    with (
        control_group("guest\udcff.scope") as group,
        audited(folder, format_) as (path, log),
        Child(lambda: ordinary(path, folder, "guest")) as client,
    ):
        client.ask()
        (group / "cgroup.procs").write_text(str(client.pid))
        assert client.ask() == 0

    assert log.read_text(encoding="ascii").count("\n") == 1


@pytest.mark.parametrize("separator", [*SEPARATORS, "\n"], ids=ascii)
def test_a_client_of_any_name_has_its_line(folder, separator):
    name = f"a{separator}b{separator}"
    with audited(folder) as (path, log), Child(lambda: ordinary(path, folder, name)) as client:
        client.ask()
        assert client.ask() == 0

    record = record_of(log)
    assert record["process"] == client.pid
    assert str(record["program"]).startswith(f"a{separator}b")


# The process that connected


def connection_of(path: str, *, name: str) -> tuple[int, Client]:
    """Have a process of that name connect, hand the connection over, and end; give its number."""
    here, there = socket.socketpair()
    with here, there:
        if (pid := os.fork()) == 0:
            try:
                rename(name)
                client = Client(path)
                socket.send_fds(there, [b"\0"], [client.socket.fileno()])
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        there.shutdown(socket.SHUT_WR)
        _, (fd,), _, _ = socket.recv_fds(here, 1, 1)
    client = Client.__new__(Client)
    client.socket = socket.socket(fileno=fd)
    client.socket.settimeout(PATIENCE)
    return pid, client


def runs_as(number: int, name: str) -> bool:
    """Have a process with that number and that name, as long as this one lives, if it is free."""
    mine, theirs = os.pipe()
    for _ in range(20):  # other processes take numbers, too
        Path("/proc/sys/kernel/ns_last_pid").write_text(str(number - 1))
        if (pid := os.fork()) == 0:
            try:
                rename(name)
                os.close(theirs)
                os.read(mine, 1)
            finally:
                os._exit(0)
        if pid == number:
            wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == f"{name}\n", "its name")
            return True
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    return False


def heir(path: str, folder: Path, is_arranged: Callable[[int], bool]) -> Iterator[int]:
    """Take a connection over from a process that ends, and register on it."""
    rename("heir")
    for _ in range(50):  # a process of this computer may have got the number for good
        number, client = connection_of(path, name="connector")
        if is_arranged(number):
            break
        client.socket.close()
    else:
        raise TimeoutError("no process that has ended left its number free")
    assert register(client, folder) == 0
    yield number


@pytest.mark.parametrize("number_is", ["free", "taken by another"])
def test_of_a_process_that_has_ended_the_name_at_the_beginning_is_told(folder, number_is):
    def is_taken(number: int) -> bool:
        return number_is == "free" or runs_as(number, "impostor")

    with audited(folder) as (path, log), Child(lambda: heir(path, folder, is_taken)) as client:
        try:
            number = client.ask()
        except PermissionError as error:
            unavailable(f"a process's number cannot be chosen: {error}")

    record = record_of(log)
    assert (record["process"], record["program"]) == (number, "connector")
    assert record["ended"] is True


def test_the_text_tells_that_the_process_has_ended(folder):
    with (
        audited(folder, "text") as (path, log),
        Child(lambda: heir(path, folder, lambda _: True)) as client,
    ):
        number = client.ask()

    assert f" process={number} program=connector " in log.read_text()
    assert " ended=yes" in log.read_text()


def test_of_a_process_that_runs_on_it_is_not_told_that_it_has_ended(folder):
    with audited(folder) as (path, log), Child(lambda: ordinary(path, folder, "guest")) as client:
        client.ask()
        assert client.ask() == 0

    record = record_of(log)
    assert record["program"] == "guest"
    assert not record["ended"]


def test_a_process_that_takes_another_name_is_told_by_the_one_it_connected_with(folder):
    def rename_afterwards(path: str) -> Iterator[int]:
        rename("connector")
        with Client(path) as client:
            rename("impostor")
            yield register(client, folder)

    with audited(folder) as (path, log), Child(lambda: rename_afterwards(path)) as client:
        assert client.ask() == 0

    assert record_of(log)["program"] == "connector"
