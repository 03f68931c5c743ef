"""The audit log: one line for each PERSISTENT RESERVE OUT, before its reply, whatever it says."""

import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from helper_process import (
    CHECK_CONDITION,
    GOOD,
    PIPE_DEVICE_HELPER,
    PYTHON_HELPER,
    Client,
    cdb,
    run,
    started,
    terminated,
)
from qemu_pr.helper.audit.record import FIELDS, RENDERERS, describe
from qemu_pr.scsi.commands import OutServiceAction, PersistentReserveOut, ReservationType
from qemu_pr.scsi.parameter_lists import ParameterList, RegisterAndMoveParameterList
from qemu_pr.scsi.transport_ids import ISCSITransportID, SASTransportID

REGISTER = OutServiceAction.REGISTER
MOVE = OutServiceAction.REGISTER_AND_MOVE
TYPE = ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY
RESERVATION_CONFLICT = 0x18


def out(action: int, size: int, type_: int = 0) -> bytes:
    return PersistentReserveOut(action, size, type=type_).encode().ljust(16, b"\0")


def send(client: Client, disk: int, action: int, parameters: ParameterList, type_: int = 0) -> int:
    data = parameters.encode()
    return client.command(out(action, len(data), type_), disk, data).status


def move_to(name: bytes) -> bytes:
    """A parameter list of REGISTER AND MOVE to an iSCSI initiator that may have any name."""
    text = name.ljust(20, b"\0")
    port = bytes((5, 0)) + len(text).to_bytes(2, "big") + text
    return bytes(20) + len(port).to_bytes(4, "big") + port


@pytest.fixture
def simulation(folder: Path) -> tuple[str, ...]:
    return ("--simulate", str(folder / "state.db"))


@pytest.fixture
def log(folder: Path) -> Path:
    return folder / "audit.log"


@pytest.fixture
def audited(path: str, simulation: tuple[str, ...], log: Path) -> Iterator[Client]:
    """A client of a helper that writes its audit log as JSON."""
    options = (*simulation, "--audit", str(log), "--audit-format", "json")
    with started(PYTHON_HELPER, path, *options), Client(path) as client:
        yield client


def records(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_record_tells_when_who_which_disk_what_and_what_came_of_it(audited, regular, log, folder):
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    send(audited, regular, REGISTER, ParameterList(0, 0xA, aptpl=True))
    send(audited, regular, OutServiceAction.RESERVE, ParameterList(0xA), TYPE)
    register, reserve = records(log)

    assert before <= datetime.fromisoformat(register.pop("time")) <= datetime.now(UTC)
    assert 0 <= register.pop("seconds") < 60
    register.pop("unit")  # depends on who runs the tests
    assert register == {
        "service_action": "REGISTER",
        "status": "GOOD",
        "sense": None,
        "disk": str(folder / "regular"),
        "device": None,
        "wwid": None,
        "reservation_key": "0x0",
        "service_action_reservation_key": "0xa",
        "aptpl": True,
        "all_tg_pt": False,
        "unreg": None,
        "transport_ids": None,
        "malformed": None,
        "type_name": None,
        "process": os.getpid(),
        "program": Path("/proc/self/comm").read_text().rstrip("\n"),
        "ended": False,
        "user": os.geteuid(),
        "user_name": "root" if os.geteuid() == 0 else register["user_name"],
        "lost": None,
        "undescribed": None,
    }
    assert reserve["type_name"] == "Write Exclusive, registrants only"
    assert list(reserve) == list(FIELDS)


def test_the_text_has_the_same_fields_but_those_that_do_not_apply(path, regular, simulation, log):
    options = (*simulation, "--audit", str(log))
    with started(PYTHON_HELPER, path, *options), Client(path) as client:
        send(client, regular, REGISTER, ParameterList(0, 0xA, all_tg_pt=True))
        send(client, regular, OutServiceAction.PREEMPT, ParameterList(0xA, 0xB), TYPE)
        send(client, regular, OutServiceAction.RELEASE, ParameterList(0xA), 4)
        lines = log.read_text().splitlines()

    who = rf"process={os.getpid()} program=\S+ (unit=\S+ )?user={os.geteuid()} .*seconds=[\d.e-]+"
    disk = r"disk=/tmp/\w+/regular"
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    keys = "reservation_key={} service_action_reservation_key={} "
    expected = [
        f"REGISTER: GOOD; {disk} {keys.format('0x0', '0xa')}all_tg_pt=yes {who}",
        f"PREEMPT: .*; {disk} {keys.format('0xa', '0xb')}"
        f'type_name="Write Exclusive, registrants only" {who}',
        f"RELEASE: .*; {disk} {keys.format('0xa', '0x0')}" rf'type_name="obsolete \[4\]" {who}',
    ]
    assert len(lines) == 3
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(f"{time} {pattern}", line)


def test_only_commands_that_could_change_something_are_audited(audited, regular, log):
    audited.command(cdb(0x5E, 8), regular)

    assert log.read_text() == ""


def test_a_refusal_tells_its_status_and_its_sense_in_words(audited, regular, log):
    statuses = [
        send(audited, regular, OutServiceAction.RESERVE, ParameterList(0xA), TYPE),
        send(audited, regular, 0x1E, ParameterList()),
    ]

    assert statuses == [RESERVATION_CONFLICT, CHECK_CONDITION]
    conflict, refused = records(log)
    assert (conflict["status"], conflict["sense"]) == ("RESERVATION CONFLICT", None)
    assert refused["service_action"] == "unknown service action 0x1e"
    assert refused["status"] == "CHECK CONDITION"
    assert re.fullmatch(r"illegal request: .+ \(05/\w\w/\w\w\)", str(refused["sense"]))


def test_a_disk_that_is_open_for_reading_only_is_refused_on_record(audited, folder, log):
    (folder / "regular").touch()
    fd = os.open(folder / "regular", os.O_RDONLY)
    send(audited, fd, REGISTER, ParameterList(0, 0xA))
    os.close(fd)

    assert [one["sense"] for one in records(log)] == [
        "illegal request: invalid command operation code (05/20/00)"
    ]


@pytest.mark.parametrize(
    ("action", "data", "malformed", "key"),
    [
        (REGISTER, b"", "parameter list: 0 bytes, fewer than 24", None),
        (REGISTER, bytes(15) + b"\7", "parameter list: 16 bytes, fewer than 24", "0x7"),
        (
            OutServiceAction.REGISTER_AND_MOVE,
            bytes(24),
            "TransportID: needs 24 bytes, got 0",
            "0x0",
        ),
        (REGISTER, bytes(8192), "parameter list: 8192 bytes, not 24, without SPEC_I_PT", "0x0"),
    ],
)
def test_a_malformed_parameter_list_gives_a_record_too(
    audited, regular, log, action, data, malformed, key
):
    audited.command(out(action, len(data)), regular, data)

    (record,) = records(log)
    assert (record["malformed"], record["service_action_reservation_key"]) == (malformed, key)


def test_initiator_ports_are_named(audited, regular, log):
    port = ISCSITransportID("iqn.2026-01.org.example:höst", 0x23D000000)
    move = RegisterAndMoveParameterList(1, 2, 3, port, unreg=True)
    send(audited, regular, REGISTER, ParameterList(0, 2, initiator_ports=(SASTransportID(5),)))
    data = move.encode()
    audited.command(out(MOVE, len(data)), regular, data)

    register, moved = records(log)
    assert register["transport_ids"] == ["naa.0000000000000005"]
    assert moved["transport_ids"] == ["iqn.2026-01.org.example:höst,i,0x00023d000000"]
    assert moved["unreg"] is True


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_path_cannot_forge_a_line(path, folder, simulation, log, format_):
    fd = os.open(folder / "x\n2026 PREEMPT: GOOD; disk=\x1b[2J\udcff", os.O_RDWR | os.O_CREAT)
    options = (*simulation, "--audit", str(log), "--audit-format", format_)
    with started(PYTHON_HELPER, path, *options), Client(path) as client:
        send(client, fd, REGISTER, ParameterList(0, 0xA))
    os.close(fd)

    text = log.read_text(encoding="ascii")
    assert text.count("\n") == 1
    assert text[:-1].isprintable()


@pytest.mark.parametrize("format_", RENDERERS)
@given(action=st.integers(0, 31), data=st.binary(max_size=100), status=st.integers(0, 255))
@example(
    action=OutServiceAction.REGISTER_AND_MOVE,
    data=move_to(b"iqn.a:\n\x1b[2J"),
    status=CHECK_CONDITION,
)
def test_whatever_a_guest_sends_is_one_line(format_, action, data, status):
    sense = data if status == CHECK_CONDITION else b""
    command = (out(action, len(data)), data, status, sense, 0.0, b"/dev/null", 0o020666, 0x103)
    record = describe((*command, 0, 0, (data, data, data)))
    line = RENDERERS[format_](record)

    assert list(record) == list(FIELDS)
    assert line.isascii()
    assert line.isprintable()


def test_a_block_device_is_named_by_its_number_too(audited, log):
    loop = "/dev/loop0"
    try:
        fd = os.open(loop, os.O_RDWR)
    except OSError:
        pytest.skip(f"{loop} cannot be opened")
    send(audited, fd, REGISTER, ParameterList(0, 0xA))
    os.close(fd)

    (record,) = records(log)
    assert (record["disk"], record["device"]) == (loop, "7:0")


def test_a_log_that_grows_is_kept_and_private(path, regular, simulation, log):
    for _ in range(2):
        with started(PYTHON_HELPER, path, *simulation, "--audit", str(log)), Client(path) as client:
            send(client, regular, REGISTER, ParameterList(0, 0xA))

        Path(path).unlink()
    assert log.read_text().count(" REGISTER: ") == 2
    assert log.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_log_is_opened_before_privileges_are_dropped(path, regular, log):
    # In a directory of root's, where nobody cannot make a file.
    options = ("-u", "nobody", "--audit", str(log))
    with started(PYTHON_HELPER, path, *options), Client(path) as client:
        send(client, regular, REGISTER, ParameterList(0, 0xA))
        log.rename(f"{log}.1")
        send(client, regular, REGISTER, ParameterList(0, 0xB))

    assert Path(f"{log}.1").read_text().count("\n") == 2


def test_a_full_disk_costs_lines_and_nothing_else(path, regular, simulation):
    with started(PYTHON_HELPER, path, *simulation, "--audit", "/dev/full") as process:
        with Client(path) as client:
            statuses = [
                send(client, regular, REGISTER, ParameterList(key, key + 1)) for key in range(3)
            ]

        assert statuses == [GOOD] * 3
        assert terminated(process) == (
            "qemu-pr-helper: cannot write to /dev/full: No space left on device;"
            " commands are carried out unaudited\n"
        )


@pytest.mark.parametrize(
    ("name", "why"),
    [("missing/audit.log", "No such file or directory"), ("", "Is a directory")],
)
def test_a_log_that_cannot_be_opened_is_an_error_at_the_start(path, folder, name, why):
    log = os.path.join(folder, name)

    result = run(PYTHON_HELPER, "-k", path, "--audit", log)

    assert result.returncode == 1
    named = os.path.abspath(log)
    assert result.stderr == f"qemu-pr-helper: cannot write the audit log '{named}': {why}\n"
    assert not os.path.exists(path)


def test_lines_go_to_standard_error_on_demand(path, regular, simulation):
    with started(PYTHON_HELPER, path, *simulation, "--audit", "-") as process:
        with Client(path) as client:
            send(client, regular, REGISTER, ParameterList(0, 0xA))

        assert " REGISTER: GOOD; " in terminated(process)


def test_a_daemon_has_no_standard_error_to_audit_on(path):
    result = run(PYTHON_HELPER, "-d", "-k", path, "--audit", "-")

    assert result.returncode == 1
    assert result.stderr == (
        "qemu-pr-helper: --audit -: with --daemon there is no standard error; name a file\n"
    )


def test_an_unknown_format_is_an_error(path):
    result = run(PYTHON_HELPER, "-k", path, "--audit", "-", "--audit-format", "xml")

    assert result.returncode == 1
    assert "argument --audit-format: invalid choice: 'xml'" in result.stderr


def test_a_device_that_fails_is_audited(path, log):
    reader, writer = os.pipe()
    os.close(reader)
    options = ("--audit", str(log), "--audit-format", "json")
    with started(PIPE_DEVICE_HELPER, path, *options), Client(path) as client:
        send(client, writer, REGISTER, ParameterList(0, 0xA))
    os.close(writer)

    (record,) = records(log)
    assert record["sense"] == "aborted command: logical unit communication failure (0B/08/00)"
