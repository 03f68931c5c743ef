import os
import signal
import threading
import time

import pytest

from qemu_pr.devices import DeviceError, isolated_process
from qemu_pr.devices.isolated import Isolated
from qemu_pr.devices.isolated_process import IsolatedDevice
from qemu_pr.scsi.sense import COMMAND_TIMEOUT_DURING_PROCESSING, INVALID_FIELD_IN_CDB
from qemu_pr.scsi.status import RESERVATION_CONFLICT, Completion, Status

CDB = bytes(range(16))
GIVEN_UP = Completion.check_condition(COMMAND_TIMEOUT_DURING_PROCESSING)


class Repeats(IsolatedDevice):
    """Answers with what it was given, and says which process it was."""

    def execute(self, _fd, cdb, data_out):
        return Completion(Status.GOOD, data=os.getpid().to_bytes(8, "big") + cdb + data_out)


class OnlyOnce(IsolatedDevice):
    """Carries out one command a process."""

    def execute(self, _fd, _cdb, _data_out):
        if hasattr(self, "done"):
            raise isolated_process.OutdatedError
        self.done = True
        return Completion(Status.GOOD, data=os.getpid().to_bytes(8, "big"))


class LooksAfter(IsolatedDevice):
    """Answers how often it was asked to look after what commands left to do."""

    looked = 0

    def execute(self, _fd, _cdb, _data_out):
        return Completion(Status.GOOD, data=bytes([self.looked]))

    def look_after(self):
        self.looked += 1
        return ""


class Does(IsolatedDevice):
    """Does something that ends the command in its own way."""

    def __init__(self, action):
        self.action = action

    def execute(self, _fd, _cdb, _data_out):
        return self.action()


class Breaks(IsolatedDevice):
    """Does something bad for a CDB of zeros."""

    def __init__(self, action):
        self.action = action

    def execute(self, _fd, cdb, _data_out):
        return RESERVATION_CONFLICT if any(cdb) else self.action()


class Hangs(IsolatedDevice):
    """Waits for a byte from the descriptor; like a disk that hangs, no signal ends it but KILL."""

    def execute(self, fd, _cdb, _data_out):
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        return Completion(Status.GOOD, data=os.read(fd, 1))


def isolated(device, **options):
    return Isolated(lambda: device, lambda: None, **options)


def fail(error):
    raise error


def wait_until_gone(process):
    while os.path.exists(f"/proc/{process}"):
        time.sleep(0.01)


@pytest.fixture
def disk(tmp_path):
    (tmp_path / "disk").touch()
    with (tmp_path / "disk").open("rb") as file:
        yield file.fileno()


@pytest.fixture
def hanging_disk():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_every_disk_has_a_process_of_its_own(disk, hanging_disk):
    device = isolated(Repeats())

    first, again, other = (
        device.execute(fd, CDB, bytes(8192)).data for fd in (disk, disk, hanging_disk[0])
    )

    assert first[8:] == again[8:] == other[8:] == CDB + bytes(8192)
    assert first[:8] == again[:8]
    assert len({first[:8], other[:8], os.getpid().to_bytes(8, "big")}) == 3


@pytest.mark.parametrize("rest", [0, 60])
def test_a_process_ends_after_a_rest_and_no_command_is_lost(disk, monkeypatch, rest):
    monkeypatch.setattr(isolated_process, "REST", rest)
    device = isolated(Repeats())

    processes = {device.execute(disk, CDB, b"").data[:8] for _ in range(200)}

    assert (len(processes) > 1) == (rest == 0)


def test_a_device_that_is_outdated_is_loaded_anew_for_the_same_command(disk):
    device = isolated(OnlyOnce())

    processes = [device.execute(disk, CDB, b"").data for _ in range(5)]

    assert len(set(processes)) == 5


def test_what_commands_left_to_do_is_done_also_while_more_of_them_come(disk, monkeypatch):
    monkeypatch.setattr(isolated_process, "LOOK", 0.1)
    device = isolated(LooksAfter())

    while device.execute(disk, CDB, b"").data < b"\2":
        pass


def test_a_process_that_was_killed_while_it_rested_is_replaced(disk):
    device = isolated(Repeats())
    first = device.execute(disk, CDB, b"").data[:8]

    os.kill(int.from_bytes(first, "big"), signal.SIGKILL)

    wait_until_gone(int.from_bytes(first, "big"))
    assert device.execute(disk, CDB, b"").data[:8] != first


@pytest.mark.parametrize(
    "completion",
    [
        RESERVATION_CONFLICT,
        Completion.check_condition(INVALID_FIELD_IN_CDB),
        Completion(0, b"", b"x"),
    ],
    ids=str,
)
def test_a_completion_arrives_as_it_was(disk, completion):
    assert isolated(Does(lambda: completion)).execute(disk, CDB, b"") == completion


def test_an_error_arrives_with_its_reason_and_completion(disk):
    device = isolated(Does(lambda: fail(DeviceError("no library", RESERVATION_CONFLICT))))

    with pytest.raises(DeviceError, match="no library") as caught:
        device.execute(disk, CDB, b"")

    assert caught.value.completion == RESERVATION_CONFLICT


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "ended without a word: did it crash"),
        (lambda: os._exit(0), "ended without a word"),
        (lambda: fail(LookupError("a defect")), r"LookupError\('a defect'\)"),
    ],
    ids=["crash", "exit", "exception"],
)
def test_a_command_that_breaks_is_the_only_loss(disk, action, reason):
    device = isolated(Breaks(action))

    with pytest.raises(DeviceError, match=reason):
        device.execute(disk, bytes(16), b"")

    assert device.execute(disk, CDB, b"") == RESERVATION_CONFLICT


def test_a_disk_that_hangs_does_not_hold_up_another(disk, hanging_disk):
    reader, writer = hanging_disk
    other_reader, other_writer = os.pipe()
    device = isolated(Hangs())
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(device.execute(reader, CDB, b"")))
    waiting.start()

    os.write(other_writer, b"b")
    other = device.execute(other_reader, CDB, b"")
    os.write(writer, b"a")
    waiting.join()

    assert other.data == b"b"
    assert answers == [Completion(Status.GOOD, data=b"a")]
    os.close(other_reader)
    os.close(other_writer)


def test_a_command_that_hangs_is_given_up_and_the_disk_gets_no_other_until_it_ends(hanging_disk):
    reader, writer = hanging_disk
    device = isolated(Hangs(), limit=0)

    with pytest.raises(DeviceError, match="no answer") as first:
        device.execute(reader, CDB, b"")
    with pytest.raises(DeviceError, match="still hangs") as second:
        device.execute(reader, CDB, b"")
    os.write(writer, b"ab")  # the first takes "a"
    third = device.execute(reader, CDB, b"")

    assert first.value.completion == second.value.completion == GIVEN_UP
    assert third.data == b"b"


def test_commands_leave_no_descriptors_and_processes_behind(disk):
    device = isolated(Repeats())
    device.execute(disk, CDB, b"")
    before = os.listdir("/proc/self/fd")

    for _ in range(20):
        device.execute(disk, CDB, b"")

    assert os.listdir("/proc/self/fd") == before


def test_without_its_process_it_says_what_to_do(disk):
    device = isolated(Does(lambda: os.kill(os.getppid(), signal.SIGKILL)))

    reasons = (reason_of_failure(device, disk) for _ in range(1000))  # it takes a while to die

    assert any("restart this helper" in reason for reason in reasons)


def reason_of_failure(device, disk):
    with pytest.raises(DeviceError) as caught:
        device.execute(disk, CDB, b"")
    return str(caught.value)


def test_a_device_that_cannot_be_loaded_refuses_each_command_with_the_reason(disk):
    device = Isolated(lambda: fail(ImportError("no module")), lambda: None)

    assert {reason_of_failure(device, disk) for _ in range(3)} == {
        "what carries this out cannot be loaded: ImportError('no module'); reinstall it"
    }


def test_it_is_loaded_before_privileges_are_given_up(disk, tmp_path):
    order = tmp_path / "order"

    def note(word):
        with order.open("a") as file:
            file.write(word)
        return Repeats()

    Isolated(lambda: note("load "), lambda: note("prepare")).execute(disk, CDB, b"")

    assert order.read_text() == "load prepare"
