"""What `qemu-pr validate` refuses, each with a line that says why and what to do."""

import pytest

from qemu_pr.scsi.sense import INVALID_OPERATION_CODE
from qemu_pr.scsi.status import Completion
from qemu_pr.validate import preconditions
from qemu_pr.validate.keys import Keys, Writing
from qemu_pr.validate.preconditions import Identity, RefusedError
from qemu_pr.validate.ways import Way
from validating import Validate, validate_disk


def refused(*arguments) -> str:
    done = validate_disk(*arguments)
    assert (done.status, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert line.startswith("qemu-pr: validate: ")
    return line


def test_a_disk_that_does_not_exist(tmp_path):
    assert "No such file or directory; 'lsblk --scsi' lists" in refused(tmp_path / "none")


def test_a_device_that_is_no_disk():
    assert refused("/dev/null") == (
        "qemu-pr: validate: /dev/null: it is no block device;"
        " 'lsblk --scsi' lists the SCSI disks of this host"
    )


def test_a_regular_file_that_nobody_simulates(disk):
    assert "it is a regular file; name helpers that simulate it" in refused(disk)


def test_one_way_given_twice(disk, state):
    line = refused(disk, "--socket", "/s", "--peer-socket", "/s")

    assert "Failed to connect" in line or "PEER is DISK by the same way" in line


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--simulate=s", "--socket=k"], "--simulate and --socket: choose one"),
        (["--peer-command=ssh b", "--peer-socket=k"], "--peer-command and --peer-socket"),
        (["--quirk=not-ready"], "--quirk needs --simulate"),
    ],
)
def test_options_that_exclude_each_other(disk, options, why):
    assert why in refused(disk, *options)


@pytest.mark.parametrize("options", [["--nonsense"], ["--skip=none"], ["--profile=none"]])
def test_a_mistyped_option_is_not_taken_for_a_disk_that_deviates(disk, options, capsys):
    with pytest.raises(SystemExit) as ended:
        validate_disk(disk, *options)

    assert ended.value.code == 2


@pytest.mark.parametrize("option", ["--peer", "--peer-socket", "--peer-command"])
def test_an_empty_peer_is_not_taken_for_none(disk, state, start_helper, option):
    line = refused(disk, f"--socket={start_helper(1)}", "--yes", f"{option}=")

    assert f"{option}: it is empty; name one, or leave the option out" in line


def test_a_peer_command_that_no_shell_would_take(disk, start_helper):
    line = refused(disk, f"--socket={start_helper(1)}", "--yes", "--peer-command='ssh b")

    assert "--peer-command 'ssh b: No closing quotation; write it as a shell would have it" in line


def test_one_helper_by_two_names(disk, start_helper, tmp_path):
    socket = start_helper(1)
    (tmp_path / "other.sock").symlink_to(socket)

    line = refused(disk, f"--socket={socket}", f"--peer-socket={tmp_path}/other.sock", "--yes")

    assert "PEER is DISK by the same way, which is one nexus" in line


def test_a_quirk_that_does_not_exist(disk, state):
    assert "there is none of that name, but ignore-replaces" in refused(
        disk, f"--simulate={state}", "--quirk=nosuch"
    )


def test_nobody_to_ask(disk, state):
    line = refused(disk, f"--simulate={state}")

    assert line.endswith("Nobody is there to be asked; --yes says so")


def test_a_disk_that_another_run_examines(validate: Validate, disk, state):
    keys = Keys.drawn()
    writing = Writing(keys, "x")
    device_key(state, disk, keys[1])

    done = validate()

    assert "another qemu-pr validate examines it; wait until it ends" in done.stderr
    writing.close()


def device_key(state, disk, key):
    from qemu_pr.devices.simulated import SimulatedDevice
    from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut
    from qemu_pr.scsi.parameter_lists import ParameterList

    data = ParameterList(0, key).encode()
    cdb = PersistentReserveOut(OutServiceAction.REGISTER, len(data)).encode()
    with disk.open("r+b") as file:
        SimulatedDevice(str(state)).execute(file.fileno(), cdb, data)


class Answering(Way):
    """A way whose every command ends in the same way."""

    name = "/dev/sdx"

    def __init__(self, answer: Completion) -> None:
        self._answer = answer

    def send(self, *_command: object) -> Completion:
        return self._answer


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Completion.check_condition(INVALID_OPERATION_CODE), "it has no persistent reservations"),
        (Completion(0x18), "another host holds it with the older RESERVE command"),
        (Completion(0x40), "READ KEYS: TASK ABORTED"),
    ],
)
def test_a_disk_that_does_not_tell_its_keys(answer, why):
    with pytest.raises(RefusedError, match=f"/dev/sdx: {why}; "):
        preconditions.require_reservations(Answering(answer))


def test_two_disks_with_different_names():
    way = Answering(Completion(0))
    one, other = (Identity(designators=frozenset({f"naa.{digit * 16}"})) for digit in "12")

    preconditions.require_one_disk(way, one, way, one)
    with pytest.raises(RefusedError, match="it is another disk"):
        preconditions.require_one_disk(way, one, way, other)


def test_the_designators_of_a_logical_unit_are_read():
    # As Linux' target answers: a NAA of 16 bytes, a T10 vendor ID, and one of a target port.
    naa = bytes.fromhex("01030010600 1405aed000000000000000000000 0".replace(" ", ""))
    t10 = bytes.fromhex("02010008") + b"LIO-ORG "
    port = bytes.fromhex("01940004") + bytes((0, 0, 0, 1))
    body = naa + t10 + port
    page = bytes((0, 0x83)) + len(body).to_bytes(2, "big") + body

    assert set(preconditions._designators(page)) == {"naa.6001405aed0000000000000000000000"}
