"""The manual's table of faults, where files are: a full disk, and STATE that cannot be used.

Each costs the commands that need the file; clients of other disks are served meanwhile.
"""

import os
import resource
import select
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from helper_process import (
    CHECK_CONDITION,
    GOOD,
    PYTHON_HELPER,
    Client,
    Reply,
    cdb,
    run,
    server_of,
    started,
    terminated,
)

READ_KEYS = cdb(0x5E, 8192)
REGISTER = cdb(0x5F, 24)
RESERVE = b"\x5f\x01\x03" + cdb(0x5F, 24)[3:]
RESERVATION_CONFLICT = 0x18
KEY = (0xA).to_bytes(8, "big")
NO_KEY = bytes(8)
INTERNAL_TARGET_FAILURE = (0x04, 0x44, 0x00)


@pytest.fixture
def state(folder: Path) -> Path:
    return folder / "state.db"


@pytest.fixture
def null() -> Iterator[int]:
    """A descriptor of another kind of disk, which no STATE has to do with."""
    fd = os.open(os.devnull, os.O_RDWR)
    yield fd
    os.close(fd)


def register(client: Client, disk: int, new: bytes = KEY, old: bytes = NO_KEY) -> Reply:
    return client.command(REGISTER, disk, old + new + bytes(8))


def keys(client: Client, disk: int) -> bytes:
    return client.command(READ_KEYS, disk).data[8:]


def is_served(client: Client, disk: int) -> bool:
    return client.command(READ_KEYS, disk).status == CHECK_CONDITION


def limit_files(pid: int, size: int) -> None:
    """Let the files that a process writes grow no further than that, as on a full disk."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, hard))


def test_a_full_disk_under_the_log_does_no_harm(path, regular):
    to_full_disk = ("sh", "-c", 'exec "$@" 2> /dev/full', "sh", *PYTHON_HELPER)
    with started(to_full_disk, path, "-vv", "-T", "*,file=/dev/full") as process:
        with Client(path) as client, Client(path) as other:
            for _ in range(1000):
                assert is_served(client, regular)
            assert is_served(other, regular)
        assert terminated(process) == ""


@pytest.mark.parametrize("log", [("-vv",), ("-T", "*"), ("--audit", "-")], ids=" ".join)
def test_a_log_that_nobody_reads_holds_nobody_up(path, regular, log):
    """Its pipe has room for 64 kB."""
    with started(PYTHON_HELPER, path, *log) as process, Client(path) as client:
        for _ in range(1000):
            assert client.command(REGISTER, regular, bytes(24)).status == CHECK_CONDITION
        text = terminated(process)

    assert 32_000 < len(text) <= 65_536
    assert text.endswith("\n")


@pytest.mark.parametrize("how", [(), ("-d",)], ids=["in the foreground", "in the background"])
def test_a_full_disk_under_the_pid_file_is_an_error_at_the_start(path, folder, how):
    result = run(
        PYTHON_HELPER,
        *("-k", path, "-f", str(folder / "pid"), *how),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
    )

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: Failed to write pid file '{folder / 'pid'}': File too large\n"
    )
    assert os.listdir(folder) == []


def test_a_full_disk_under_state_fails_commands_until_there_is_room(path, regular, state, null):
    with started(PYTHON_HELPER, path, "--simulate", str(state)) as process:
        with Client(path) as client, Client(path) as other:
            assert register(client, regular).status == GOOD
            limit_files(server_of(process.pid), 0)

            assert register(client, regular, NO_KEY, KEY).sense_codes == INTERNAL_TARGET_FAILURE
            assert is_served(other, null)
            assert keys(other, regular) in (KEY, b"")

            limit_files(server_of(process.pid), resource.RLIM_INFINITY)
            assert keys(other, regular) == KEY
            assert register(client, regular, NO_KEY, KEY).status == GOOD
        log = terminated(process)
    assert f"{regular_name(regular)}: {state}: " in log


def regular_name(fd: int) -> str:
    return os.readlink(f"/proc/self/fd/{fd}")


def test_a_corrupted_state_is_refused_at_the_start(path, state):
    with started(PYTHON_HELPER, path, "--simulate", str(state)) as process:
        terminated(process)
    damage(state)

    result = run(PYTHON_HELPER, "-k", path, "--simulate", str(state))

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: {state}: file is not a database;"
        " name a new file, or one that --simulate made\n"
    )


def test_a_state_that_gets_corrupted_fails_commands(path, regular, state, null):
    with started(PYTHON_HELPER, path, "--simulate", str(state)) as process:
        damage(state)
        with Client(path) as client, Client(path) as other:
            assert register(client, regular).sense_codes == INTERNAL_TARGET_FAILURE
            assert is_served(other, null)
        assert f"{regular_name(regular)}: {state}: file is not a database" in terminated(process)


def damage(state: Path) -> None:
    size = state.stat().st_size
    state.write_bytes(b"\xa5" * size)


def test_hosts_go_on_with_the_state_that_was_made_in_place_of_a_deleted_one(folder, regular, state):
    paths = [str(folder / f"{host}.sock") for host in "ab"]
    hosts = [("--simulate", str(state), "--initiator", f"naa.600140500000000{n}") for n in (1, 2)]
    with started(PYTHON_HELPER, paths[0], *hosts[0]) as first, Client(paths[0]) as a:
        assert register(a, regular).status == GOOD
        assert a.command(RESERVE, regular, KEY + bytes(16)).status == GOOD
        state.unlink()
        with started(PYTHON_HELPER, paths[1], *hosts[1]) as second, Client(paths[1]) as b:
            assert register(b, regular).status == GOOD
            assert b.command(RESERVE, regular, KEY + bytes(16)).status == GOOD

            assert a.command(RESERVE, regular, KEY + bytes(16)).status == RESERVATION_CONFLICT
            assert register(a, regular).status == GOOD
            assert a.command(RESERVE, regular, KEY + bytes(16)).status == RESERVATION_CONFLICT
            assert keys(b, regular) == keys(a, regular) == KEY + KEY

            assert terminated(second) == ""
        assert terminated(first) == ""


def test_a_state_that_is_deleted_fails_commands_until_it_is_back(path, regular, state, null):
    with started(PYTHON_HELPER, path, "--simulate", str(state)) as process:
        with Client(path) as client, Client(path) as other:
            assert register(client, regular).status == GOOD
            kept = state.rename(state.with_name("kept"))

            assert register(client, regular, KEY, NO_KEY).sense_codes == INTERNAL_TARGET_FAILURE
            assert is_served(other, null)
            assert not state.exists()

            kept.rename(state)
            assert keys(client, regular) == KEY
        assert terminated(process).endswith(
            f"{regular_name(regular)}: {state}: it was deleted; put it back, or restart the helper,"
            " which makes a new one\n"
        )


def test_a_state_that_is_emptied_fails_commands_until_a_helper_starts(path, folder, regular, state):
    with started(PYTHON_HELPER, path, "--simulate", str(state)) as process, Client(path) as client:
        assert register(client, regular).status == GOOD
        os.truncate(state, 0)
        assert register(client, regular, KEY, NO_KEY).sense_codes == INTERNAL_TARGET_FAILURE

        with started(PYTHON_HELPER, str(folder / "b.sock"), "--simulate", str(state)) as other:
            assert keys(client, regular) == b""
            terminated(other)

        assert "it was emptied; restart the helper" in terminated(process)


@pytest.mark.parametrize("kind", ["directory", "FIFO"])
def test_what_is_no_regular_file_is_refused_at_the_start(path, state, kind):
    state.mkdir() if kind == "directory" else os.mkfifo(state)

    result = run(PYTHON_HELPER, "-k", path, "--simulate", str(state))

    assert result.returncode == 1
    assert result.stderr.startswith(f"qemu-pr-helper: {state}: ")
    assert result.stderr.count("\n") == 1


def test_a_read_only_state_is_refused_at_the_start(path, state):
    state.touch(0o444)

    result = run(PYTHON_HELPER, "-k", path, "--simulate", str(state))

    assert result.returncode == 1
    assert result.stderr == f"qemu-pr-helper: {state}: Permission denied\n"


def test_a_state_that_gets_read_only_fails_commands_until_it_is_not(path, regular, state, null):
    with started(PYTHON_HELPER, path, "--simulate", str(state)) as process:
        state.chmod(0o444)
        with Client(path) as client, Client(path) as other:
            assert register(client, regular).sense_codes == INTERNAL_TARGET_FAILURE
            assert is_served(other, null)

            state.chmod(0o644)
            assert register(client, regular).status == GOOD
        assert f"{regular_name(regular)}: {state}: Permission denied" in terminated(process)


def test_a_locked_state_delays_commands_on_its_disks_only(path, regular, state, null):
    with started(PYTHON_HELPER, path, "--simulate", str(state)) as process:
        with Client(path) as client, Client(path) as other:
            assert register(client, regular).status == GOOD
            holder = sqlite3.connect(state, isolation_level=None)
            holder.execute("BEGIN IMMEDIATE")
            client.send(READ_KEYS, regular)
            for _ in range(100):
                assert is_served(other, null)
            assert not has_reply(client)

            holder.close()

            assert client.reply().data[8:] == KEY
        assert terminated(process) == ""


def has_reply(client: Client) -> bool:
    return bool(select.select([client.socket], [], [], 0)[0])
