"""From start to stop: the socket, the pid file, the background, signals."""

import fcntl
import os
import signal
import socket
import stat
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from helper_process import (
    PATIENCE,
    PIPE_DEVICE_HELPER,
    PYTHON_HELPER,
    Client,
    cdb,
    exists,
    idle_descriptors,
    run,
    serves,
    started,
    terminated,
    wait_for,
)
from qemu_pr.helper import StartError, listen
from qemu_pr.helper.events import Events
from requirements import require

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP]


@pytest.fixture
def pid_file(folder):
    return folder / "helper.pid"


def dead_socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(path)
        left_behind.listen()


# The socket


def test_a_live_helpers_socket_is_not_taken(path, python_helper):
    before = os.stat(path)

    result = run(PYTHON_HELPER, "-k", path)

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: another helper listens on {path};"
        " stop it first, or choose another path with -k\n"
    )
    assert os.path.samestat(os.stat(path), before)
    assert serves(path)


def test_a_live_c_helpers_socket_is_not_taken(command, path):
    with started(command, path):
        result = run(PYTHON_HELPER, "-k", path)

        assert result.returncode == 1
        assert serves(path)


def test_a_helper_too_busy_to_accept_counts_as_live(path):
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as waiting:
        busy.bind(path)
        busy.listen(0)
        waiting.connect(path)

        result = run(PYTHON_HELPER, "-k", path)

    assert result.returncode == 1
    assert "another helper listens on" in result.stderr


def test_a_dead_helpers_socket_is_replaced(command, path):
    dead_socket(path)

    with started(command, path):
        assert serves(path)


def test_after_kill_9_the_next_helper_takes_over(path):
    for _ in range(3):
        with started(PYTHON_HELPER, path) as process:
            process.kill()
            process.wait()
        assert Path(path).is_socket()


@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
def test_what_is_no_socket_is_refused_and_left_alone(path, kind):
    match kind:
        case "file":
            Path(path).write_text("precious")
        case "folder":
            Path(path).mkdir()
        case "link":
            Path(path).symlink_to("/nowhere")
        case "fifo":
            os.mkfifo(path)
    before = os.lstat(path)

    result = run(PYTHON_HELPER, "-k", path)

    assert result.returncode == 1
    assert (
        result.stderr
        == f"qemu-pr-helper: {path} exists and is no socket; choose another path with -k\n"
    )
    assert os.lstat(path) == before


def test_a_socket_of_another_type_is_refused_and_left_alone(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)

        result = run(PYTHON_HELPER, "-k", path)

        assert result.returncode == 1
        assert result.stderr.startswith("qemu-pr-helper: cannot tell whether a helper listens on")
        assert Path(path).is_socket()


def test_a_path_of_107_bytes_is_served_and_one_of_108_is_refused(folder):
    longest = f"{folder}/".ljust(107, "x")

    with started(PYTHON_HELPER, longest):
        result = run(PYTHON_HELPER, "-k", longest + "x")

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: UNIX socket path '{longest}x' is too long: 108 bytes, at most 107 fit\n"
    )


def test_a_missing_folder_is_an_error_in_one_line(folder):
    result = run(PYTHON_HELPER, "-k", f"{folder}/missing/helper.sock")

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: Failed to bind socket to {folder}/missing/helper.sock:"
        " No such file or directory; make its directory first\n"
    )


def test_a_folder_that_is_for_others_is_told_with_what_to_do(folder):
    os.chmod(folder, 0o500)
    setpriv = require("setpriv", package="util-linux")
    without = "-dac_override,-dac_read_search"
    powerless = (setpriv, f"--inh-caps={without}", f"--bounding-set={without}")
    command = (*powerless, *PYTHON_HELPER) if os.geteuid() == 0 else PYTHON_HELPER

    result = run(command, "-k", f"{folder}/sock")

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: Failed to bind socket to {folder}/sock: Permission denied;"
        " run as root, or choose another path with -k\n"
    )


def test_a_socket_that_another_put_in_our_place_stays(path):
    with started(PYTHON_HELPER, path) as process:
        os.unlink(path)
        dead_socket(path)
        terminated(process)

    assert Path(path).is_socket()


def test_a_socket_that_was_removed_meanwhile_is_no_error(path):
    with started(PYTHON_HELPER, path) as process:
        os.unlink(path)

        assert terminated(process) == ""


def test_of_two_helpers_started_at_once_one_wins_and_serves(path, folder):
    for turn in range(8):
        if turn % 2:
            dead_socket(path)
        both = [
            subprocess.Popen([*PYTHON_HELPER, "-k", path], stderr=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        wait_for(lambda: any(p.poll() is not None for p in both), "one gives up")  # noqa: B023
        loser = next(process for process in both if process.poll() is not None)
        winner = next(process for process in both if process is not loser)
        wait_for(lambda: serves(path), "the other serves")

        assert loser.returncode == 1
        assert "another helper listens" in loser.communicate()[1]
        assert terminated(winner) == ""
        assert os.listdir(folder) == []


@pytest.mark.parametrize("left_behind", [False, True])
def test_of_many_that_listen_at_once_one_wins(path, folder, left_behind):
    def attempt(_: int) -> listen.Listener | None:
        try:
            return listen.listen(path, Events())
        except StartError:
            return None

    with ThreadPoolExecutor(8) as pool:
        for _ in range(100):
            if left_behind:
                dead_socket(path)
            winners = [winner for winner in pool.map(attempt, range(8)) if winner]

            assert len(winners) == 1
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                os.close(winners[0].socket._accept()[0])
            winners[0].close()
            assert os.listdir(folder) == []


def test_whoever_locks_the_folder_for_good_cannot_keep_a_helper_from_starting(
    path, folder, monkeypatch
):
    monkeypatch.setattr(listen, "LOCK_PATIENCE", 0.05)
    fd = os.open(folder, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)

    listen.listen(path, Events()).close()

    os.close(fd)


# Socket activation


def activated(count: int, command: Sequence[str]) -> list[str]:
    """A command that passes its standard input on as descriptors 3 and 4, as systemd does."""
    launch = f'export LISTEN_PID=$$ LISTEN_FDS={count}; exec "$@" 3<&0 4<&0 0</dev/null'
    return ["sh", "-c", launch, "sh", *command]


@pytest.fixture
def systemds_socket(path):
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        yield listening


def test_systemds_socket_is_served_and_stays(command, path, systemds_socket):
    for _ in range(2):
        process = subprocess.Popen(
            activated(1, command), stdin=systemds_socket, stderr=subprocess.PIPE, text=True
        )
        assert serves(path)

        terminated(process)

        assert Path(path).is_socket()


def test_a_socket_path_with_socket_activation_is_an_error(command, path, systemds_socket):
    result = run(activated(1, command), "-k", f"{path}2", stdin=systemds_socket)

    assert result.returncode == 1
    assert result.stderr == (
        "qemu-pr-helper: Unix socket can't be set when using socket activation\n"
    )
    assert not Path(f"{path}2").exists()


def test_more_than_one_descriptor_is_an_error(command, systemds_socket):
    result = run(activated(2, command), stdin=systemds_socket)

    assert result.returncode == 1
    assert result.stderr.endswith(
        "qemu-pr-helper does not support socket activation with LISTEN_FDS > 1\n"
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: open(os.devnull),  # noqa: SIM115
        lambda: socket.socket(socket.AF_UNIX),
        lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    ],
    ids=["file", "socket that does not listen", "datagram socket"],
)
def test_a_descriptor_that_is_no_listening_socket_is_an_error(make):
    with make() as passed:
        result = run(activated(1, PYTHON_HELPER), stdin=passed)

    assert result.returncode == 1
    assert result.stderr.startswith("qemu-pr-helper: Failed to use socket activation: ")


def test_variables_meant_for_another_process_are_ignored(path):
    environment = {**os.environ, "LISTEN_PID": "1", "LISTEN_FDS": "1"}

    with started(PYTHON_HELPER, path, env=environment):
        assert serves(path)


# The pid file


def test_the_pid_file_holds_the_process_id_is_private_and_locked(command, path, pid_file):
    with started(command, path, "-f", str(pid_file)) as process:
        wait_for(lambda: pid_file.exists() and pid_file.read_text() != "", "the pid file")

        assert pid_file.read_text() == f"{process.pid}\n"
        assert stat.S_IMODE(pid_file.stat().st_mode) == 0o600
        with open(pid_file, "r+") as file, pytest.raises(BlockingIOError):
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_pid_file_is_removed_on_exit(path, pid_file):
    with started(PYTHON_HELPER, path, "-f", str(pid_file)) as process:
        terminated(process)

    assert not pid_file.exists()
    assert not Path(path).exists()


def test_without_daemon_or_pidfile_option_there_is_no_pid_file(path, folder):
    with started(PYTHON_HELPER, path):
        assert os.listdir(folder) == ["helper.sock"]


def test_a_pid_file_locked_by_another_is_an_error_that_harms_nobody(command, path, pid_file):
    with started(command, path, "-f", str(pid_file)) as first:
        wait_for(lambda: pid_file.exists() and pid_file.read_text() != "", "the pid file")

        result = run(PYTHON_HELPER, "-k", f"{path}2", "-f", str(pid_file))

        assert result.returncode == 1
        assert result.stderr == (
            "qemu-pr-helper: Cannot lock pid file: Resource temporarily unavailable;"
            f" '{pid_file}' is that of a helper that runs: stop it first,"
            " or name another with -f\n"
        )
        assert not Path(f"{path}2").exists()
        assert pid_file.read_text() == f"{first.pid}\n"
        assert serves(path)


def test_the_c_helper_respects_our_pid_file(command, path, pid_file):
    with started(PYTHON_HELPER, path, "-f", str(pid_file)) as first:
        result = run(command, "-k", f"{path}2", "-f", str(pid_file))

        assert result.returncode == 1
        assert "Cannot lock pid file: Resource temporarily unavailable" in result.stderr
        assert pid_file.read_text() == f"{first.pid}\n"


def test_a_stale_pid_file_is_reused(path, pid_file):
    pid_file.write_text("123456789\n")

    with started(PYTHON_HELPER, path, "-f", str(pid_file)) as process:
        assert pid_file.read_text() == f"{process.pid}\n"


def test_a_pid_file_that_cannot_be_created_is_an_error_and_no_socket_stays(path, folder):
    result = run(PYTHON_HELPER, "-k", path, "-f", f"{folder}/missing/helper.pid")

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: Could not create '{folder}/missing/helper.pid':"
        " No such file or directory\n"
    )
    assert os.listdir(folder) == []


def test_a_pid_file_that_may_not_be_created_is_an_error_with_advice(path, folder):
    (folder / "closed").mkdir(mode=0o555)
    setpriv = require("setpriv", package="util-linux")
    # Root may write anywhere, unless it has lost this capability.
    powerless = (setpriv, "--inh-caps=-dac_override", "--bounding-set=-dac_override")
    command = (*powerless, *PYTHON_HELPER) if os.geteuid() == 0 else PYTHON_HELPER

    result = run(command, "-k", path, "-f", f"{folder}/closed/helper.pid")

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: Could not create '{folder}/closed/helper.pid': Permission denied;"
        " run as root, or name another with -f\n"
    )


def test_a_pid_file_that_is_no_regular_file_is_refused_and_left_alone(path, pid_file):
    os.mkfifo(pid_file)

    result = run(PYTHON_HELPER, "-k", path, "-f", str(pid_file))

    assert result.returncode == 1
    assert result.stderr == (
        f"qemu-pr-helper: pid file '{pid_file}' exists and is no regular file;"
        " name another with -f\n"
    )
    assert pid_file.is_fifo()


def test_a_socket_that_cannot_be_had_leaves_no_pid_file(path, pid_file, python_helper):
    result = run(PYTHON_HELPER, "-k", path, "-f", str(pid_file))

    assert result.returncode == 1
    assert not pid_file.exists()


# The background


def test_daemon_returns_when_it_serves_and_the_pid_file_is_written(path, pid_file):
    result = run(PYTHON_HELPER, "-d", "-k", path, "-f", str(pid_file))

    pid = int(pid_file.read_text())
    try:
        assert (result.returncode, result.stderr) == (0, "")
        assert serves(path)
        assert os.getsid(pid) not in (os.getsid(0), pid)
        assert os.readlink(f"/proc/{pid}/cwd") == "/"
        assert {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
    finally:
        os.kill(pid, signal.SIGTERM)
    wait_for(lambda: not exists(pid), "the daemon ends")
    assert not pid_file.exists()
    assert not Path(path).exists()


def test_daemon_takes_a_relative_pid_file_from_the_callers_folder(path, folder):
    result = run(PYTHON_HELPER, "-d", "-k", path, "-f", "relative.pid", cwd=folder)

    pid = int((folder / "relative.pid").read_text())
    os.kill(pid, signal.SIGTERM)
    assert result.returncode == 0
    wait_for(lambda: os.listdir(folder) == [], "the files are gone")


def test_errors_of_a_daemon_reach_the_caller(path, pid_file, python_helper):
    result = run(PYTHON_HELPER, "-d", "-k", path, "-f", str(pid_file))

    assert result.returncode == 1
    assert "another helper listens on" in result.stderr
    assert not pid_file.exists()


# Signals


@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_a_signal_stops_the_helper_and_its_socket_is_gone(command, path, number):
    with started(command, path) as process:
        process.send_signal(number)

        assert process.wait(PATIENCE) == 0
    assert not Path(path).exists()


def test_idle_clients_do_not_delay_the_exit(path, regular):
    with (
        started(PYTHON_HELPER, path) as process,
        Client(path, greet=False),
        Client(path),
        Client(path) as half_way,
    ):
        half_way.send(cdb(0x5F, 24), regular)

        terminated(process)


def test_commands_that_were_sent_are_finished_and_answered(path):
    reader, writer = os.pipe()
    with started(PIPE_DEVICE_HELPER, path) as process, Client(path) as client:
        client.send(cdb(0x5E, 8), reader)
        client.send(cdb(0x5E, 8), reader)
        process.terminate()
        wait_for(lambda: not Path(path).exists(), "it takes no further clients")
        os.write(writer, b"!?")

        assert [client.reply().data, client.reply().data] == [b"!", b"?"]
        assert process.wait(PATIENCE) == 0
    os.close(reader)
    os.close(writer)


def test_while_it_finishes_no_command_begins_and_the_next_helper_can_start(path, regular):
    reader, writer = os.pipe()
    with started(PIPE_DEVICE_HELPER, path) as process:
        with Client(path) as hanging, Client(path) as other:
            hanging.send(cdb(0x5E, 8), reader)
            process.terminate()

            assert other.is_closed()
            with pytest.raises(BrokenPipeError):
                other.send(cdb(0x5E, 8), regular)
            with started(PYTHON_HELPER, path):
                assert serves(path)
            os.write(writer, b"!")
            assert hanging.reply().data == b"!"
        assert process.wait(PATIENCE) == 0
    os.close(reader)
    os.close(writer)


def test_a_second_signal_ends_a_helper_whose_disk_hangs(path, pid_file):
    reader, writer = os.pipe()
    with started(PIPE_DEVICE_HELPER, path, "-f", str(pid_file)) as process:
        idle_descriptors(process)
        with Client(path) as client, Client(path) as idle:
            client.send(cdb(0x5E, 8), reader)
            process.terminate()
            assert idle.is_closed()
            assert process.poll() is None

            process.terminate()

            _, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert errors == "qemu-pr-helper: told to stop again; connections abandoned: 1\n"
    assert not pid_file.exists()
    os.close(reader)
    os.close(writer)


def test_a_signal_during_the_start_leaves_nothing_behind(path, folder, pid_file):
    for _ in range(5):
        process = subprocess.Popen([*PYTHON_HELPER, "-k", path, "-f", str(pid_file)])
        wait_for(pid_file.exists, "the first file")

        process.terminate()

        assert process.wait(PATIENCE) == 0
        assert os.listdir(folder) == []


def test_stopping_under_load_ends_with_status_0(path, regular):
    for _ in range(3):
        with started(PYTHON_HELPER, path) as process:
            clients = [Client(path) for _ in range(8)]
            with ThreadPoolExecutor(8) as pool:
                for client in clients:
                    pool.submit(keep_asking, client, regular)
                assert serves(path)

                assert terminated(process) == ""
            for client in clients:
                client.socket.close()


def keep_asking(client: Client, fd: int) -> None:
    try:
        while True:
            client.command(cdb(0x5E, 8), fd)
    except (OSError, EOFError):
        pass
