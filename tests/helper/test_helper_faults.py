"""The manual's table of faults: each costs a client its connection at most, others a delay."""

import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from helper_process import (
    CHECK_CONDITION,
    GOOD,
    PATIENCE,
    PIPE_DEVICE_HELPER,
    PYTHON_HELPER,
    Client,
    cdb,
    connections_of,
    descriptors_of,
    idle_descriptors,
    server_of,
    started,
    status_of,
    terminated,
    wait_for,
)
from requirements import require

IN = cdb(0x5E, 8)
IO_PROCESS_TERMINATED = (0x0B, 0x00, 0x06)
INTERNAL_TARGET_FAILURE = (0x04, 0x44, 0x00)

# Another process, which holds as many connections as it is told to.
MANY_CONNECTIONS = """
import socket, sys
connections = []
for _ in range(int(sys.argv[2])):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    connections.append(connection)
    connection.recv(4)
print("connected", flush=True)
sys.stdin.read()
"""


# Another process, which leaves requests half sent, each with a descriptor.
HALF_REQUESTS = """
import os, socket, sys
connections = []
null = os.open(os.devnull, os.O_RDWR)
for _ in range(int(sys.argv[2])):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    connections.append(connection)
    connection.recv(4)
    connection.send(bytes(4))
    try:
        socket.send_fds(connection, [bytes((0x5e,))], [null])
    except OSError:
        pass
print("sent", flush=True)
sys.stdin.read()
"""


def preloaded(source: str, folder: Path, **variables: Path) -> dict[str, str]:
    """Build a library; give the environment in which a program is started with it."""
    library = folder / "preloaded.so"
    gcc = require("gcc", package="gcc libc6-dev")
    code = Path(__file__).with_name(source)
    subprocess.run([gcc, "-shared", "-fPIC", "-o", library, code, "-ldl"], check=True)
    values = {name: str(value) for name, value in variables.items()}
    return {**os.environ, "LD_PRELOAD": str(library), **values}


@pytest.fixture
def pipes() -> Iterator[tuple[int, int]]:
    """A disk of PIPE_DEVICE_HELPER that hangs, and what gives its answers."""
    reader, writer = os.pipe()
    yield reader, writer
    for fd in (reader, writer):
        with suppress(OSError):
            os.close(fd)


@contextmanager
def stalled(path: str, hanging: int) -> Iterator[list[Client]]:
    """Ten clients, each with a command on a disk that hangs."""
    with ExitStack() as stack:
        clients = [stack.enter_context(Client(path)) for _ in range(10)]
        for client in clients:
            client.send(IN, hanging)
        yield clients


def is_served(client: Client, fd: int) -> bool:
    return client.command(IN, fd).status == CHECK_CONDITION


# Clients


@pytest.mark.parametrize("sent", [b"", bytes(3)], ids=["nothing", "three bytes"])
def test_a_client_that_stops_in_the_handshake_is_disconnected(path, regular, sent):
    with started(PYTHON_HELPER, path, "--request-timeout=0.2") as process:
        with Client(path) as other, Client(path, greet=False) as client:
            client.read(4)
            client.send(sent) if sent else None

            assert client.is_closed()
            assert is_served(other, regular)
        assert "no whole request came within 0.2 seconds" in terminated(process)


@pytest.mark.parametrize("request_", [IN[:1], cdb(0x5F, 24), cdb(0x5F, 24) + bytes(23)])
def test_a_client_that_stops_in_the_middle_of_a_request_is_disconnected(path, regular, request_):
    with started(PYTHON_HELPER, path, "--request-timeout=0.2") as process:
        before = idle_descriptors(process)
        with Client(path) as other, Client(path) as client:
            client.send(request_, regular)

            assert client.is_closed()
            assert is_served(other, regular)
        assert idle_descriptors(process) == before


def test_a_client_that_sends_a_byte_a_minute_is_disconnected(path, regular):
    with (
        started(PYTHON_HELPER, path, "--request-timeout=0.5"),
        Client(path) as other,
        Client(path) as client,
    ):
        sent = 0
        client.send(IN[:1], regular)
        while not select.select([client.socket], [], [], 0.1)[0]:
            client.send(b"\0")
            sent += 1
            assert is_served(other, regular)

        assert client.is_closed()
        assert 0 < sent < 15


def test_a_client_that_has_nothing_to_say_stays_connected(path, regular):
    with (
        started(PYTHON_HELPER, path, "--request-timeout=0.2"),
        Client(path) as idle,
        Client(path) as late,
    ):
        late.send(IN[:1], regular)
        assert late.is_closed()

        assert is_served(idle, regular)


def test_a_client_that_never_reads_its_replies_is_disconnected(path, regular):
    with started(PYTHON_HELPER, path) as process:
        before = idle_descriptors(process)
        with Client(path) as other, Client(path) as client:
            with suppress(BrokenPipeError):
                while True:
                    client.send(IN, regular)
            assert is_served(other, regular)
        assert idle_descriptors(process) == before
        assert "it does not take its replies" in terminated(process)


def test_a_client_that_connects_without_end_loses_its_own_connections(path, regular):
    with started(PYTHON_HELPER, path, "--max-connections=8") as process:
        with Client(path) as other, Client(path) as second:
            command = [sys.executable, "-c", MANY_CONNECTIONS, path, "50"]
            greedy = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert greedy.stdout.readline() == "connected\n"

            wait_for(lambda: connections_of(process.pid) == 8, "the oldest are closed")
            assert is_served(other, regular)
            assert is_served(second, regular)
            greedy.communicate()
        log = terminated(process)
    assert log.splitlines()[0] == (
        f"qemu-pr-helper: client {greedy.pid}: has 6 of 8 connections; its oldest are closed"
    )


def test_four_thousand_connections_are_held_and_served(path, regular):
    with started(PYTHON_HELPER, path) as process:
        command = [sys.executable, "-c", MANY_CONNECTIONS, path, "1000"]
        holders = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        for holder in holders:
            assert holder.stdout.readline() == "connected\n"

        assert connections_of(process.pid) == 4000
        with Client(path) as client:
            assert is_served(client, regular)
        for holder in holders:
            holder.communicate()
        assert len(idle_descriptors(process)) < 20


def test_a_hundred_descriptors_disconnect_and_are_closed(path, regular):
    with started(PYTHON_HELPER, path) as process:
        before = idle_descriptors(process)
        with Client(path) as other, Client(path) as client:
            client.send(IN, *[regular] * 100)

            assert client.is_closed()
            assert is_served(other, regular)
        assert idle_descriptors(process) == before


def test_a_client_that_passes_its_own_socket_gets_an_error(path, regular):
    with started(PYTHON_HELPER, path) as process:
        before = idle_descriptors(process)
        with Client(path) as other, Client(path) as client:
            reply = client.command(IN, client.socket.fileno())
            assert is_served(other, regular)

        assert reply.sense_codes == IO_PROCESS_TERMINATED
        assert idle_descriptors(process) == before


def test_a_client_that_leaves_its_own_socket_in_half_a_request_is_forgotten(path):
    """The helper holds the client's end of the connection, so it never sees it closed."""
    with started(PYTHON_HELPER, path, "--request-timeout=0.5") as process:
        before = idle_descriptors(process)
        with Client(path) as client:
            client.send(IN[:8], client.socket.fileno())

        assert idle_descriptors(process) == before
        assert "no whole request came within 0.5 seconds" in terminated(process)


# Disks


def test_a_disk_that_hangs_stalls_its_own_clients_only(path, pipes):
    hanging, answers = pipes
    with started(PIPE_DEVICE_HELPER, path), stalled(path, hanging) as clients:
        with Client(path) as other:
            for _ in range(100):
                reader, writer = os.pipe()
                os.write(writer, b"1")
                assert other.command(IN, reader).data == b"1"
                os.close(reader)
                os.close(writer)

        os.write(answers, bytes(10))
        assert [client.reply().status for client in clients] == [GOOD] * 10


def test_slow_disks_do_not_line_up(path):
    """Each of many clients is answered while the commands of all others are under way."""
    with ExitStack() as stack:
        stack.enter_context(started(PIPE_DEVICE_HELPER, path))
        clients = [stack.enter_context(Client(path)) for _ in range(16)]
        for turn in range(5):
            pipes = [os.pipe() for _ in clients]
            for client, (reader, _) in zip(clients, pipes, strict=True):
                client.send(IN, reader)
            # The last first: none may wait for one before it.
            for client, (_, writer) in reversed(list(zip(clients, pipes, strict=True))):
                os.write(writer, bytes([turn]))
                assert client.reply().data == bytes([turn])
            for fd in (fd for pair in pipes for fd in pair):
                os.close(fd)


def test_a_thread_ends_with_its_client(path):
    def threads() -> int:
        return int(status_of(server_of(process.pid))["Threads"])

    with started(PYTHON_HELPER, path) as process:
        clients = [Client(path) for _ in range(10)]
        wait_for(lambda: threads() == 11, "each has a thread")

        for client in clients:
            client.socket.close()

        wait_for(lambda: threads() == 1, "the threads end")


def test_a_disk_that_vanishes_ends_its_commands_with_an_error(path, folder, regular):
    vanished = folder / "vanished"
    environment = preloaded("vanishing_disk.c", folder, VANISHED_DISK=vanished)
    with (
        started(PYTHON_HELPER, path, env=environment) as process,
        Client(path) as client,
        Client(path) as other,
        open(os.devnull, "r+b") as null,
    ):
        assert client.command(IN, regular).sense_codes == IO_PROCESS_TERMINATED
        vanished.hardlink_to(folder / "regular")

        for _ in range(10):
            assert client.command(IN, regular).sense_codes == INTERNAL_TARGET_FAILURE
            assert other.command(IN, null.fileno()).sense_codes == IO_PROCESS_TERMINATED
        assert terminated(process) == ""


# The system


def test_half_sent_requests_leave_descriptors_for_others(path, regular):
    def few_descriptors() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    with started(PYTHON_HELPER, path, preexec_fn=few_descriptors) as process:
        with Client(path) as other:
            command = [sys.executable, "-c", HALF_REQUESTS, path, "150"]
            greedy = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert greedy.stdout.readline() == "sent\n"

            for _ in range(10):
                assert is_served(other, regular)
                with Client(path) as late:
                    assert is_served(late, regular)
            greedy.communicate()
        assert "its oldest are closed" in terminated(process)


def test_when_no_thread_can_be_had_new_clients_wait_and_others_are_served(path, regular):
    with started(PYTHON_HELPER, path, "--no-multipath") as process, Client(path) as other:
        server = server_of(process.pid)
        # A thread needs a stack: no address space, no thread. So it is for root, too.
        before = resource.prlimit(server, resource.RLIMIT_AS)
        size = (int(status_of(server)["VmSize"].split()[0]) + 200) * 1024
        resource.prlimit(server, resource.RLIMIT_AS, (size, before[1]))
        with ExitStack() as stack:
            while not select.select([process.stderr], [], [], 0.1)[0]:
                # The first may get what was a thread's that has ended.
                waiting = stack.enter_context(Client(path, greet=False))
            assert "cannot take a connection: " in process.stderr.readline()
            assert is_served(other, regular)
            assert not select.select([waiting.socket], [], [], 0)[0]

            resource.prlimit(server, resource.RLIMIT_AS, before)

            assert waiting.read(4) == bytes(4)
            waiting.send(bytes(4))
            assert is_served(waiting, regular)
        assert terminated(process) == ""


def test_sigterm_with_commands_in_flight_finishes_and_answers_them(path, pipes):
    hanging, answers = pipes
    with started(PIPE_DEVICE_HELPER, path) as process, stalled(path, hanging) as clients:
        process.terminate()
        wait_for(lambda: not Path(path).exists(), "it takes no further clients")
        os.write(answers, bytes(10))

        assert {client.reply().status for client in clients} == {GOOD}
        assert all(client.is_closed() for client in clients)
        assert process.wait(PATIENCE) == 0


def test_sigterm_ends_a_helper_whose_clients_stopped_in_the_middle_of_a_request(path, regular):
    with started(PYTHON_HELPER, path) as process, Client(path) as client:
        client.send(IN[:8], regular)
        wait_for(lambda: len(descriptors_of(process.pid)) > 0, "it runs")

        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE) == 0


def test_a_clock_that_jumps_changes_nothing(path, folder, regular):
    jump = folder / "jump"
    environment = preloaded("jumping_clock.c", folder, JUMPING_CLOCK=jump)
    jump.touch()
    told = subprocess.run(
        [sys.executable, "-c", "import time; print(time.time())"],
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert float(told.stdout) > time.time() + 9 * 365 * 24 * 3600, "the clock does not jump"
    with (
        started(PYTHON_HELPER, path, "--request-timeout=2", env=environment) as process,
        Client(path) as idle,
        Client(path) as stopped,
        Client(path) as other,
    ):
        stopped.send(IN[:8], regular)
        for _ in range(3):
            jump.unlink()
            assert is_served(other, regular)
            jump.touch()
            assert is_served(other, regular)
        stopped.send(IN[8:])
        assert stopped.reply().status == CHECK_CONDITION

        stopped.send(IN[:8], regular)
        jump.unlink()

        assert stopped.is_closed()
        assert is_served(idle, regular)
        assert "no whole request came within 2 seconds" in terminated(process)
