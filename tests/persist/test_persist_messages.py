"""What ``qemu-pr persist`` tells an operator when something went wrong: one line, and a way out."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import qemu_pr
from both_programs import Bench, run_ours
from qemu_pr.helper.life_cycle import DEFAULT_SOCKET
from qemu_pr.manager import DEFAULT_PATH
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.sense import (
    COMMAND_IO_PROCESS_TERMINATED,
    INVALID_FIELD_IN_CDB,
    INVALID_OPERATION_CODE,
    RESERVATIONS_RELEASED,
    Sense,
)
from qemu_pr.scsi.sense_keys import SenseKey
from scripted_helper import HangUp, reply

PACKAGES = str(Path(qemu_pr.__file__).parents[1])


def check(sense: Sense) -> bytes:
    return reply(2, sense=sense.encode_fixed())


@pytest.mark.parametrize(
    ("answer", "line", "parts"),
    [
        (reply(0x18), "-o -G", ["REGISTER: reservation conflict; ", "--register-ignore"]),
        (reply(0x18), "-o -R -T5", ["RESERVE: reservation conflict; ", "--preempt"]),
        (reply(0x18), "-o -C", ["CLEAR: reservation conflict; ", "--read-full-status"]),
        (reply(0x18), "-k", ["READ KEYS: reservation conflict; "]),
        (reply(0x08), "-k", ["busy; run the command again"]),
        (
            check(RESERVATIONS_RELEASED),
            "-o -R -T5",
            ["unit attention: reservations released (06/2A/04); ", "run the command again"],
        ),
        (check(COMMAND_IO_PROCESS_TERMINATED), "-k", ["qemu-pr-helper --simulate"]),
        (
            check(INVALID_OPERATION_CODE),
            "-y -o -G",
            ["invalid command operation code", "read-only"],
        ),
        (check(INVALID_FIELD_IN_CDB), "-k", ["invalid field in CDB (05/24/00)", "no SCSI disk"]),
        (check(Sense(SenseKey(5), 0x26, 0x04)), "-o -L -T1", ["--prout-type must be the type"]),
        (check(Sense(SenseKey(9), 0x99, 0x01)), "-k", [": vendor specific (09/99/01)\n"]),
        (
            HangUp(),
            "-o -G",
            ["(0B/08/00); the helper closed the connection; ", "may have been carried out"],
        ),
        (reply(0, b"", size=-1), "-k", ["the helper returns -1 bytes of data"]),
        (reply(2, sense=b"\x01"), "-k", ["check condition, but sense data: response code 0x01"]),
    ],
)
def test_failures_are_one_line_with_what_to_do(
    bench: Bench, answer: bytes, line: str, parts: list[str]
) -> None:
    outcome = bench.ours(answer, *line.split(), bench.disk)

    assert outcome.stderr.startswith(f"qemu-pr: persist: {bench.disk}: ")
    assert outcome.stderr.count("\n") == 1
    assert [part for part in parts if part not in outcome.stderr] == []


def test_a_missing_helper(bench: Bench, tmp_path: Path) -> None:
    outcome = run_ours(f"{tmp_path}/none", bench.disk)

    assert outcome.status == 15
    assert outcome.stderr == (
        f"qemu-pr: persist: Failed to connect to '{tmp_path}/none': No such file or directory; "
        "start qemu-pr-helper, or say with --socket where its socket is\n"
    )


def test_a_socket_that_a_helper_left_behind(bench: Bench) -> None:
    path = bench.helper.path + ".dead"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)

    outcome = run_ours(path, bench.disk)

    assert outcome.status == 15
    assert "Connection refused; no helper listens there: start qemu-pr-helper" in outcome.stderr


def test_a_path_that_is_no_socket(bench: Bench, tmp_path: Path) -> None:
    outcome = run_ours(str(tmp_path), bench.disk)

    assert outcome.status == 15
    assert "no helper listens there: start qemu-pr-helper, or say with --socket" in outcome.stderr


@pytest.mark.usefixtures("ordinary_user")
def test_a_socket_that_is_for_others(bench: Bench) -> None:
    os.chmod(bench.helper.path, 0)
    try:
        outcome = run_ours(bench.helper.path, bench.disk)
    finally:
        os.chmod(bench.helper.path, 0o700)

    assert outcome.status == 15
    assert "Permission denied; the socket's permissions keep you out" in outcome.stderr


@pytest.mark.usefixtures("ordinary_user")
@pytest.mark.parametrize(("line", "hint"), [("-k", True), ("-o -G", False)])
def test_a_disk_that_may_only_be_read(bench: Bench, tmp_path: Path, line: str, hint: bool) -> None:
    disk = tmp_path / "disk"
    disk.touch(mode=0o400)

    outcome = bench.ours(reply(), *line.split(), str(disk))

    assert outcome.status == 15
    assert ("-y opens it read-only" in outcome.stderr) == hint


def test_a_reservation_type_that_is_missing_is_pointed_out(bench: Bench) -> None:
    outcome = bench.ours(reply(), "-o", "-R", bench.disk)

    assert outcome.status == 0
    assert "warning: RESERVE without --prout-type" in outcome.stderr


@pytest.mark.parametrize("line", ["-k", "-r", "-c", "-s", "-o -G", "-o -R -T1", "-o -z -S1"])
def test_success_says_nothing_on_stderr(bench: Bench, line: str) -> None:
    answer = reply(0, b"\0\x08".ljust(8, b"\0") if line == "-c" else ReadKeys(1).encode())
    if line.startswith("-o"):
        answer = reply()

    outcome = bench.ours(answer, *line.split(), bench.disk)

    assert (outcome.status, outcome.stderr) == (0, "")


OUT_LINES = [
    *("-G", "-I", "-R -T 5", "-L -T 5", "-C", "-P -T 5", "-A -T 5", "-z"),
    "-M -X sas,5000c50005b32001",
]
# What sg_persist said before 1.48, and what it says since.
SINCE_1_48 = (
    "PR out: 'register and move' command successful",
    "PR out (register and move): command successful",
)


@pytest.mark.parametrize("line", OUT_LINES)
def test_success_is_told_in_the_words_that_scripts_look_for(bench: Bench, line: str) -> None:
    theirs, ours = bench.both(reply(), ["-v", "-o", *line.split()])

    (told,) = [one for one in theirs.stderr.splitlines() if "successful" in one]
    if bench.sg_persist.is_older_than_1_48:
        told = told.replace(*SINCE_1_48)
    assert ours.stderr.splitlines()[-1] == told


def test_failure_is_not_told_as_success(bench: Bench) -> None:
    ours = bench.ours(reply(0x18), "-v", "-o", "-G", bench.disk)

    assert "successful" not in ours.stderr


def test_verbose_shows_command_and_parameters(bench: Bench) -> None:
    outcome = bench.ours(reply(), "-vv", "-o", "-G", "-S", "123abc", bench.disk)

    assert outcome.stderr == (
        "    REGISTER cdb: [5f 00 00 00 00 00 00 00 18 00]\n"
        "    REGISTER parameters:\n"
        "00 00 00 00 00 00 00 00  00 00 00 00 00 12 3a bc\n"
        "00 00 00 00 00 00 00 00\n"
        "PR out: command (Register) successful\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--bogus"],
        ["-K"],
        ["-l", "9999", "/dev/null"],
        [],
        ["/dev/null", "/dev/null"],
        ["-o", "/dev/null"],
        ["-X", "sas,1", "-o", "-G", "/dev/null"],
        ["-X", "5,0,ff,fc", "-o", "-G", "/dev/null"],
        ["-X", "iqn." + 300 * "x", "-o", "-G", "/dev/null"],
        ["-X", "file=/", "-o", "-G", "/dev/null"],
    ],
)
def test_usage_errors_are_one_line_and_point_to_help(arguments: list[str]) -> None:
    outcome = run_ours("/nonexistent", *arguments)

    assert outcome.status in (1, 31)
    assert outcome.stderr.startswith("qemu-pr: persist: ")
    assert outcome.stderr.endswith("(try 'qemu-pr persist --help')\n")
    assert outcome.stderr.count("\n") == 1


@pytest.mark.parametrize("name", [b"\xff", b"\x1b[31m", "\N{SNOWMAN}".encode()])
def test_paths_of_any_bytes_are_told_without_a_traceback(name: bytes) -> None:
    code = "import sys; from qemu_pr.cli.qemu_pr import main; sys.exit(main())"

    done = subprocess.run(
        # -S: in this locale Python cannot read where a checkout in a directory named ü is.
        [sys.executable, "-S", "-c", code, "persist", b"/nonexistent/" + name],
        capture_output=True,
        env={"LC_ALL": "C", "PYTHONPATH": PACKAGES},
        check=False,
    )

    assert done.returncode == 15
    assert done.stderr.startswith(b"qemu-pr: persist: cannot open /nonexistent/")
    assert done.stderr.count(b"\n") == 1


def test_the_socket_is_where_qemu_pr_helper_makes_it() -> None:
    assert DEFAULT_PATH == DEFAULT_SOCKET == "/var/run/qemu-pr-helper.sock"


@pytest.mark.parametrize(
    ("mode", "advice"), [(0o444, "; -y opens it read-only"), (0o000, "; be root, or in the group")]
)
def test_reading_is_advised_only_to_whoever_may(
    bench: Bench, tmp_path: Path, ordinary_user: None, mode: int, advice: str
) -> None:
    disk = tmp_path / "disk"
    disk.touch()
    disk.chmod(mode)

    outcome = run_ours(bench.helper.path, "-k", str(disk))

    assert outcome.status == 15
    assert advice in outcome.stderr
