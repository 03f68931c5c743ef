"""Clients and disks at their worst: the helper goes on, and nothing leaks."""

import os
import random
import resource
import socket
import time
from contextlib import suppress

import pytest

from helper_process import (
    CHECK_CONDITION,
    PATIENCE,
    PIPE_DEVICE_HELPER,
    PYTHON_HELPER,
    Client,
    cdb,
    descriptors_of,
    idle_descriptors,
    server_of,
    serves,
    started,
    terminated,
    wait_for,
)

IN = cdb(0x5E, 8)
LOGICAL_UNIT_COMMUNICATION_FAILURE = (0x0B, 0x08, 0x00)


def random_message(random_: random.Random) -> bytes:
    return random_.choice(
        (
            cdb(random_.choice((0x5E, 0x5F)), random_.choice((0, 1, 24, 8192, 8193, 65535))),
            cdb(0x5F, 24) + bytes(random_.randrange(24)),
            random_.randbytes(random_.randint(1, 40)),
            IN[: random_.randint(1, 15)],
            bytes(4),
        )
    )


def misbehave(path: str, random_: random.Random, descriptors: list[int]) -> None:
    """Connect, send rubbish in a few messages, some with descriptors, and leave."""
    with Client(path, greet=random_.random() < 0.9) as client, suppress(OSError):
        for _ in range(random_.randint(1, 3)):
            count = random_.choice((0, 0, 1, 1, 1, 2, 3, 253))
            client.send(random_message(random_), *random_.choices(descriptors, k=count))
        if random_.random() < 0.1:
            client.socket.settimeout(0.001)
            with suppress(TimeoutError):
                client.socket.recv(200)


def test_ten_thousand_malformed_requests_leak_nothing_and_the_next_client_is_served(path, regular):
    random_ = random.Random(20_240_117)
    with started(PYTHON_HELPER, path, "-q") as process, open(os.devnull, "r+b") as null:
        before = idle_descriptors(process)
        descriptors = [regular, null.fileno(), process.stderr.fileno()]

        for _ in range(10_000):
            misbehave(path, random_, descriptors)

        assert idle_descriptors(process) == before
        with Client(path) as client:
            assert client.command(IN, regular).status == CHECK_CONDITION
        assert terminated(process) == ""


def test_a_command_never_leaves_its_descriptor_open(path, regular, python_helper):
    with Client(path) as client:
        client.command(IN, regular)
        before = set(descriptors_of(python_helper.pid))

        for _ in range(100):
            client.command(IN, regular)
            client.command(cdb(0x5F, 24), regular, bytes(24))

        # The last one may be closed behind the reply, now and before.
        wait_for(lambda: before.issuperset(descriptors_of(python_helper.pid)), "closed descriptors")


def test_an_exception_in_a_device_fails_its_command_and_nothing_else(path):
    reader, writer = os.pipe()
    os.close(writer)
    with started(PIPE_DEVICE_HELPER, path) as process:
        with Client(path) as client:
            replies = [client.command(IN, reader) for _ in range(2)]

        assert {reply.status for reply in replies} == {CHECK_CONDITION}
        assert {reply.sense_codes for reply in replies} == {LOGICAL_UNIT_COMMUNICATION_FAILURE}
        failure = "a command failed in the helper: LookupError('the pipe ended')\n"
        assert terminated(process) == f"qemu-pr-helper: client {os.getpid()}: {failure}" * 2
    os.close(reader)


def test_a_client_that_leaves_before_the_reply_harms_nobody(path):
    reader, writer = os.pipe()
    with started(PIPE_DEVICE_HELPER, path) as process:
        before = idle_descriptors(process)
        with Client(path) as client:
            client.send(IN, reader)
        os.write(writer, b"1")

        assert idle_descriptors(process) == before
        assert terminated(process) == ""
    os.close(reader)
    os.close(writer)


def test_two_requests_at_once_are_both_answered(path, regular, python_helper):
    with Client(path) as client:
        client.send(IN, regular)
        client.send(IN, regular)

        assert [client.reply().status, client.reply().status] == [CHECK_CONDITION] * 2


def limit_descriptors(pid: int, count: int) -> None:
    """Let a helper open this many further descriptors."""
    taken = set(map(int, descriptors_of(pid)))
    free = (fd for fd in range(10_000) if fd not in taken)
    limit = next(fd for number, fd in enumerate(free) if number == count)
    resource.prlimit(server_of(pid), resource.RLIMIT_NOFILE, (limit, limit))


def cpu_seconds(pid: int) -> float:
    with open(f"/proc/{server_of(pid)}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_out_of_descriptors_the_helper_waits_without_spinning_and_serves_later(path, regular):
    with started(PYTHON_HELPER, path) as process:
        idle_descriptors(process)
        limit_descriptors(process.pid, 3)
        served = [Client(path) for _ in range(3)]
        with Client(path, greet=False) as waiting:
            before, began = cpu_seconds(process.pid), time.monotonic()
            waiting.socket.settimeout(1)
            with pytest.raises(TimeoutError):
                waiting.socket.recv(4)
            assert cpu_seconds(process.pid) - before < (time.monotonic() - began) / 2

            for client in served:
                client.socket.close()

            waiting.socket.settimeout(PATIENCE)
            assert waiting.read(4) == bytes(4)
            waiting.send(bytes(4))
            assert waiting.command(IN, regular).status == CHECK_CONDITION
        assert terminated(process) == (
            "qemu-pr-helper: cannot take a connection: Too many open files\n"
        )


@pytest.mark.parametrize(("free", "sent"), [(0, 1), (1, 2), (5, 253)])
def test_descriptors_that_do_not_fit_close_the_connection_and_none_leaks(path, regular, free, sent):
    with started(PYTHON_HELPER, path) as process:
        before = idle_descriptors(process)
        with Client(path) as client:
            limit_descriptors(process.pid, free)
            client.send(IN, *[regular] * sent)

            assert client.is_closed()
        assert idle_descriptors(process) == before
        assert serves(path)


def test_a_stop_signal_is_heard_while_out_of_descriptors(path):
    with started(PYTHON_HELPER, path) as process:
        idle_descriptors(process)
        limit_descriptors(process.pid, 0)
        with socket.socket(socket.AF_UNIX) as waiting:
            waiting.connect(path)
            assert process.stderr.readline().endswith("Too many open files\n")

            process.terminate()

            assert process.wait(PATIENCE) == 0
