"""The client of a helper's socket, against a helper that misbehaves and against real ones."""

import errno
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.protocol import Request
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.parameter_lists import ParameterList
from qemu_pr.scsi.sense import (
    COMMAND_IO_PROCESS_TERMINATED,
    LOGICAL_UNIT_COMMUNICATION_FAILURE,
    Sense,
)
from qemu_pr.scsi.status import GOOD, Completion, Status
from requirements import require
from running_helper import running_helper
from scripted_helper import Answer, HangUp, ScriptedHelper, reply

READ_KEYS = PersistentReserveIn(InServiceAction.READ_KEYS, 8192).encode()
REGISTER = PersistentReserveOut(OutServiceAction.REGISTER, 24).encode()
KEYS = ReadKeys(7, (0x123ABC,)).encode()
COMMUNICATION_FAILURE = Completion.check_condition(LOGICAL_UNIT_COMMUNICATION_FAILURE)


@pytest.fixture
def path() -> Iterator[str]:
    # pytest's own temporary folders can have paths that are too long for a socket.
    with tempfile.TemporaryDirectory(prefix="pr", dir="/tmp") as folder:
        yield f"{folder}/helper.sock"


@pytest.fixture
def helper(path: str) -> Iterator[ScriptedHelper]:
    with ScriptedHelper(path) as helper:
        yield helper


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[int]:
    fd = os.open(tmp_path / "disk", os.O_RDWR | os.O_CREAT)
    yield fd
    os.close(fd)


class Witness:
    """Notes status changes and the waiting between attempts, and does not wait."""

    def __init__(self) -> None:
        self.changes: list[bool] = []
        self.waits: list[float] = []

    def manager(self, path: str, interval: float = 1.0) -> PRManagerHelper:
        return PRManagerHelper(path, self.changes.append, interval=interval, wait=self.waits.append)


@pytest.fixture
def witness() -> Witness:
    return Witness()


def test_a_missing_helper_is_refused_in_the_words_of_qemu(path: str) -> None:
    with pytest.raises(ConnectError) as raised:
        PRManagerHelper(path)

    assert str(raised.value) == f"Failed to connect to '{path}': No such file or directory"
    assert raised.value.errno == errno.ENOENT


@pytest.mark.parametrize("greeting", [HangUp(), HangUp(bytes(3))])
def test_a_helper_that_does_not_greet_is_refused(helper: ScriptedHelper, greeting: HangUp) -> None:
    helper.greeting = greeting

    with pytest.raises(ConnectError, match="the helper closed the connection"):
        PRManagerHelper(helper.path)


def test_a_path_too_long_for_a_socket_is_refused() -> None:
    with pytest.raises(ConnectError, match="too long"):
        PRManagerHelper("/" + 200 * "x")


def test_offered_features_are_ignored(helper: ScriptedHelper, disk: int) -> None:
    helper.greeting = b"\xff\0\0\1"

    with PRManagerHelper(helper.path) as manager:
        completion = manager.execute(disk, READ_KEYS)

    assert completion == GOOD


def test_the_helper_receives_command_descriptor_and_parameter_list(
    helper: ScriptedHelper, disk: int
) -> None:
    parameters = ParameterList(0, 0x123ABC).encode()

    with PRManagerHelper(helper.path) as manager:
        completion = manager.execute(disk, REGISTER, parameters)

    received = helper.received[0]
    status = os.fstat(disk)
    assert completion == GOOD
    assert received.cdb == REGISTER + bytes(6)
    assert received.data_out == parameters
    assert received.file == (status.st_dev, status.st_ino)


@pytest.mark.parametrize(
    ("answer", "completion"),
    [
        (reply(0, KEYS), Completion(Status.GOOD, b"", KEYS)),
        (reply(0x18), Completion(Status.RESERVATION_CONFLICT)),
        (reply(0x06), Completion(0x06)),
        (
            reply(2, b"", b"\x70\0\6\0\0\0\0\x0a\0\0\0\0\x2a\3"),
            Completion(2, b"\x70\0\6\0\0\0\0\x0a\0\0\0\0\x2a\3".ljust(96, b"\0")),
        ),
    ],
)
def test_the_answer_is_passed_on(
    helper: ScriptedHelper, disk: int, answer: bytes, completion: Completion
) -> None:
    helper.answer = lambda _: answer

    with PRManagerHelper(helper.path) as manager:
        answered = manager.execute(disk, READ_KEYS)

    assert answered == completion


@pytest.mark.parametrize(
    ("cdb", "data_out", "why"),
    [
        (b"\x12\0\0\0\x24\0\0\0\0\0", b"", "operation code 0x12"),
        (PersistentReserveIn(0, 8193).encode(), b"", "more than 8192"),
        (PersistentReserveOut(0, 8193).encode(), bytes(8193), "more than 8192"),
        (REGISTER, bytes(23), "24 bytes of parameter list, not 23"),
        (READ_KEYS, bytes(1), "0 bytes of parameter list, not 1"),
        (bytes(17), b"", "16 bytes here, not 17"),
        (b"", b"", "operation code 0x00"),
    ],
)
def test_what_the_helper_would_not_serve_is_refused_and_not_sent(
    helper: ScriptedHelper, disk: int, cdb: bytes, data_out: bytes, why: str
) -> None:
    with PRManagerHelper(helper.path) as manager:
        with pytest.raises(ValueError, match=why):
            manager.execute(disk, cdb, data_out)
        manager.execute(disk, READ_KEYS)

    assert [received.cdb[:10] for received in helper.received] == [READ_KEYS]


def test_a_bad_descriptor_is_the_callers_fault(helper: ScriptedHelper, witness: Witness) -> None:
    with witness.manager(helper.path) as manager:
        fd = os.dup(0)
        os.close(fd)

        with pytest.raises(OSError, match="Bad file descriptor"):
            manager.execute(fd, READ_KEYS)

        assert manager.connected
    assert witness.changes == []


def test_a_command_reconnects_if_the_helper_closed_the_connection(
    helper: ScriptedHelper, disk: int, witness: Witness
) -> None:
    with witness.manager(helper.path) as manager:
        helper.disconnect()

        completion = manager.execute(disk, READ_KEYS)

        assert manager.connected
    assert completion == GOOD
    assert witness.changes == [False, True]
    assert witness.waits == []
    assert helper.connections == 2


def test_a_helper_that_is_gone_is_tried_five_times(path: str, disk: int, witness: Witness) -> None:
    with ScriptedHelper(path):
        manager = witness.manager(path, interval=0.25)

    completions = [manager.execute(disk, READ_KEYS), manager.execute(disk, READ_KEYS)]

    assert completions == [COMMUNICATION_FAILURE, COMMUNICATION_FAILURE]
    assert not manager.connected
    assert witness.changes == [False]
    # The first of the first command's attempts used the broken connection, and so waits for nobody.
    assert witness.waits == 3 * [0.25] + 4 * [0.25]
    assert isinstance(manager.last_error, ConnectError)


def test_a_helper_that_comes_back_while_waiting_gets_the_command(path: str, disk: int) -> None:
    changes: list[bool] = []
    with ExitStack() as running:

        def start(_interval: float) -> None:
            helper = running.enter_context(ScriptedHelper(path))
            helper.answer = lambda _: reply(0, KEYS)

        with ScriptedHelper(path):
            manager = PRManagerHelper(path, changes.append, wait=start)
        with manager:
            completion = manager.execute(disk, READ_KEYS)

    assert completion.data == KEYS
    assert changes == [False, True]


@pytest.mark.parametrize(
    "answer",
    [
        HangUp(),
        HangUp(reply()[:103]),
        HangUp(reply(0, KEYS)[:-1]),
        reply(0, bytes(17)),
        reply(0, b"", size=-1),
        reply(0x18, b"1"),
        reply(-1),
        reply(0x100),
    ],
    ids=[
        "no reply",
        "half a head",
        "half the data",
        "more data than the allocation length",
        "negative size",
        "data without GOOD",
        "negative status",
        "status of two bytes",
    ],
)
def test_a_failure_behind_the_cdb_fails_the_command_and_sends_it_once(
    helper: ScriptedHelper, disk: int, witness: Witness, answer: Answer
) -> None:
    answers = iter((answer, reply(0, KEYS)))
    helper.answer = lambda _: next(answers)
    read_16 = PersistentReserveIn(InServiceAction.READ_KEYS, 16).encode()
    with witness.manager(helper.path) as manager:
        failed = manager.execute(disk, read_16)
        connected = manager.connected

        next_one = manager.execute(disk, read_16)

    assert failed == COMMUNICATION_FAILURE
    assert not connected
    assert next_one.data == KEYS
    assert witness.changes == [False, True]
    assert len(helper.received) == 2


def test_a_parameter_list_that_nobody_reads_fails_the_command(
    path: str, disk: int, witness: Witness
) -> None:
    with socket.socket(socket.AF_UNIX) as listening, ThreadPoolExecutor(1) as server:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(bytes(4))
                connection.recv(4, socket.MSG_WAITALL)
                connection.recv(16, socket.MSG_WAITALL)

        served = server.submit(serve)
        manager = witness.manager(path)

        with manager:
            completion = manager.execute(disk, PersistentReserveOut(0, 8192).encode(), bytes(8192))

        served.result()
    assert completion == COMMUNICATION_FAILURE
    assert witness.changes == [False]


@pytest.fixture
def sigint_interrupts() -> Iterator[None]:
    """Have SIGINT interrupt Python, although a shell's background process ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupted_command_does_not_answer_the_next_one(
    helper: ScriptedHelper, disk: int, sigint_interrupts: None
) -> None:
    interrupted = threading.Event()
    main_thread = threading.get_ident()

    def interrupt(_request: Request) -> bytes:
        signal.pthread_kill(main_thread, signal.SIGINT)
        interrupted.wait(20)
        return reply(0x18)

    helper.answer = interrupt
    with PRManagerHelper(helper.path) as manager:
        with pytest.raises(KeyboardInterrupt):
            manager.execute(disk, READ_KEYS)
        helper.answer = lambda _: reply(0, KEYS)
        interrupted.set()

        completion = manager.execute(disk, READ_KEYS)

    assert completion.data == KEYS


def test_threads_share_a_manager_and_get_their_own_answers(
    helper: ScriptedHelper, disk: int
) -> None:
    helper.answer = lambda request: reply(0, request.cdb[7:9])
    lengths = range(2, 402)

    with PRManagerHelper(helper.path) as manager, ThreadPoolExecutor(8) as threads:
        completions = list(
            threads.map(
                lambda length: manager.execute(disk, PersistentReserveIn(0, length).encode()),
                lengths,
            )
        )

    assert [int.from_bytes(done.data, "big") for done in completions] == list(lengths)
    assert helper.connections == 1


def test_a_closed_manager_executes_nothing(helper: ScriptedHelper, disk: int) -> None:
    manager = PRManagerHelper(helper.path)
    manager.close()
    manager.close()

    with pytest.raises(ValueError, match="closed"):
        manager.execute(disk, READ_KEYS)

    assert not manager.connected
    assert helper.received == []


@settings(deadline=None)
@given(data=st.binary(max_size=8192), chunk=st.integers(1, 3000))
def test_replies_arrive_whole_in_any_chunks(data: bytes, chunk: int) -> None:
    answer = reply(0, data)
    with (
        tempfile.TemporaryDirectory(prefix="pr", dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX) as listening,
        ThreadPoolExecutor(1) as server,
        open(os.devnull, "rb") as disk,
    ):
        listening.bind(f"{folder}/s")
        listening.listen()

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(bytes(4))
                connection.recv(4, socket.MSG_WAITALL)
                connection.recv(16, socket.MSG_WAITALL)
                for offset in range(0, len(answer), chunk):
                    connection.send(answer[offset : offset + chunk])

        served = server.submit(serve)
        with PRManagerHelper(f"{folder}/s") as manager:
            completion = manager.execute(disk.fileno(), READ_KEYS)
        served.result()

    assert completion == Completion(Status.GOOD, b"", data)


@pytest.fixture(params=["qemu_pr", "qemu"])
def real_helper(request: pytest.FixtureRequest, path: str) -> Iterator[str]:
    if request.param == "qemu":
        command = [require("/usr/bin/qemu-pr-helper", package="qemu-system-common")]
        if os.geteuid() != 0:
            pytest.skip("QEMU's helper starts as root only")
    else:
        command = [sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper"]
    with running_helper(command, path):
        yield path


def test_real_helpers_understand_it(real_helper: str, disk: int) -> None:
    with PRManagerHelper(real_helper) as manager:
        completions = [
            manager.execute(disk, READ_KEYS),
            manager.execute(disk, REGISTER, ParameterList(0, 1).encode()),
            manager.execute(disk, READ_KEYS),
        ]

    senses = [Sense.decode(completion.sense) for completion in completions]
    assert senses == 3 * [COMMAND_IO_PROCESS_TERMINATED]
