"""Helpers with `--simulate` are hosts that share disks: over sockets, and through kill -9."""

import os
import random
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from helper_process import PYTHON_HELPER, run, started, wait_for
from lio import Sequence, disagreements, recorded_sequences
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.scsi.commands import InServiceAction, OutServiceAction
from qemu_pr.scsi.commands import PersistentReserveIn as In
from qemu_pr.scsi.commands import PersistentReserveOut as Out
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.parameter_lists import BASIC_SIZE, ParameterList
from qemu_pr.scsi.status import GOOD, Status

HOSTS = tuple(f"naa.600140500000000{number}" for number in (1, 2, 3))


@contextmanager
def hosts(folder: Path, names: tuple[str, ...] = HOSTS) -> Iterator[list[PRManagerHelper]]:
    """Run a helper for each name, all with one STATE, and a client of each."""
    with ExitStack() as stack:
        clients = []
        for name in names:
            path = str(folder / f"{name}.sock")
            options = ("--simulate", str(folder / "state.db"), "--initiator", name)
            stack.enter_context(started(PYTHON_HELPER, path, *options))
            clients.append(stack.enter_context(PRManagerHelper(path)))
        yield clients


@contextmanager
def opened(path: Path) -> Iterator[int]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        yield fd
    finally:
        os.close(fd)


@pytest.fixture(scope="module")
def three_hosts(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Path, list[PRManagerHelper]]]:
    folder = tmp_path_factory.mktemp("hosts")
    with hosts(folder) as clients:
        yield folder, clients


@pytest.mark.parametrize("sequence", recorded_sequences(), ids=lambda sequence: sequence.seed)
def test_three_hosts_are_answered_as_the_kernel_answered(
    sequence: Sequence, three_hosts: tuple[Path, list[PRManagerHelper]]
) -> None:
    folder, clients = three_hosts

    with opened(folder / f"disk-{sequence.seed}.img") as fd:
        answers = [
            clients[step.nexus].execute(fd, step.cdb, step.data_out) for step in sequence.steps
        ]

    assert disagreements(sequence, answers) == []


class Host:
    """A helper that is killed again and again, and started again at once."""

    def __init__(self, folder: Path, name: str) -> None:
        self.path = str(folder / f"{name}.sock")
        self._options = ("--simulate", str(folder / "state.db"), "--initiator", name)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen([*PYTHON_HELPER, "-k", self.path, *self._options])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def client(self) -> PRManagerHelper:
        clients: list[PRManagerHelper] = []

        def connects() -> bool:
            try:
                clients.append(PRManagerHelper(self.path, interval=0.01))
            except ConnectError:
                return False
            return True

        wait_for(connects, f"{self.path} serves")
        return clients[0]


@pytest.mark.slow
def test_no_acknowledged_registration_is_lost_by_kill_9(folder: Path) -> None:
    registrations = 1000
    key_of = dict(enumerate(range(0x1000, 0x1000 + registrations)))
    todo = iter(key_of.items())
    acknowledged: list[int] = []
    taking = threading.Lock()
    working = threading.Event()
    moments = random.Random(1)
    fleet = [Host(folder, name) for name in HOSTS]

    def work(host: Host) -> None:
        client = host.client()
        while True:
            with taking:
                number, key = next(todo, (None, 0))
            if number is None:
                return client.close()
            working.set()
            parameters = ParameterList(service_action_reservation_key=key).encode()
            cdb = Out(OutServiceAction.REGISTER, BASIC_SIZE).encode()
            with opened(folder / f"disk-{number}.img") as fd:
                if client.execute(fd, cdb, parameters) == GOOD:
                    acknowledged.append(number)
                elif not client.connected:  # killed: the command may or may not have been done
                    client.close()
                    client = host.client()

    workers = [threading.Thread(target=work, args=(host,)) for host in fleet]
    try:
        for worker in workers:
            worker.start()
        while any(worker.is_alive() for worker in workers):
            working.clear()
            for _ in range(moments.randrange(1, 40)):  # a random moment: after some registrations
                working.wait(0.2)
                working.clear()
            victim = moments.choice(fleet)
            victim.kill()
            victim.start()
        for worker in workers:
            worker.join()
        reader = fleet[0].client()
        found = {}
        for number in acknowledged:
            with opened(folder / f"disk-{number}.img") as fd:
                answer = reader.execute(fd, In(InServiceAction.READ_KEYS, 8192).encode())
            assert answer.status == Status.GOOD
            found[number] = ReadKeys.decode(answer.data).keys
        reader.close()
    finally:
        for host in fleet:
            host.kill()

    assert len(acknowledged) > registrations // 2
    assert found == {number: (key_of[number],) for number in acknowledged}


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--simulate", "{folder}/nowhere/state.db"), "No such file or directory"),
        (("--simulate", "{folder}/notes.txt"), "file is not a database"),
        (("--simulate", "{folder}/state.db", "--initiator", "host-a"), "want naa. and 16 hex"),
        (("--initiator", HOSTS[0]), "needs '--simulate'"),
    ],
)
def test_simulation_that_cannot_be_is_refused_at_the_start(
    options: tuple[str, ...], why: str, folder: Path
) -> None:
    (folder / "notes.txt").write_text("somebody's notes " * 100)
    path = str(folder / "helper.sock")

    result = run(PYTHON_HELPER, "-k", path, *(option.format(folder=folder) for option in options))

    assert result.returncode == 1
    assert why in result.stderr
    assert result.stderr.startswith("qemu-pr-helper: ")
    assert not os.path.exists(path)


def test_relative_state_is_where_the_helper_was_started(folder: Path) -> None:
    path = str(folder / "helper.sock")

    started_as_daemon = run(
        PYTHON_HELPER,
        "-d",
        *("-k", path, "-f", str(folder / "helper.pid"), "--simulate", "state.db"),
        cwd=folder,
    )

    assert started_as_daemon.returncode == 0, started_as_daemon.stderr
    os.kill(int((folder / "helper.pid").read_text()), 15)
    wait_for(lambda: not (folder / "helper.pid").exists(), "the daemon ends")
    assert (folder / "state.db").exists()
