"""The audit log's file: rotated by others, full, or read by nobody; no line is broken by that."""

import os
import resource
import subprocess
from pathlib import Path

import pytest

from qemu_pr.helper.audit.log_file import LogFile
from qemu_pr.helper.events import EVENTS, QUIET, Events
from requirements import require


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def test_after_a_rename_lines_go_to_a_new_file(path, tmp_path):
    log = LogFile(str(path), Events())
    log.append("one")
    path.rename(tmp_path / "old")
    log.append("two")

    assert ((tmp_path / "old").read_text(), path.read_text()) == ("one\n", "two\n")


def test_after_copy_and_truncate_lines_begin_at_the_beginning(path):
    log = LogFile(str(path), Events())
    log.append("one")
    os.truncate(path, 0)
    log.append("two")

    assert path.read_text() == "two\n"


@pytest.mark.parametrize("how", ["create", "copytruncate"])
def test_logrotate_rotates_it(path, tmp_path, how):
    logrotate = require("logrotate", package="logrotate")
    configuration = tmp_path / "logrotate.conf"
    configuration.write_text(f"{path} {{\n  {how}\n  rotate 2\n}}\n")
    configuration.chmod(0o600)
    log = LogFile(str(path), Events())
    log.append("one")
    state = tmp_path / "state"
    subprocess.run([logrotate, "-f", "-s", str(state), str(configuration)], check=True)
    log.append("two")

    assert (Path(f"{path}.1").read_text(), path.read_text()) == ("one\n", "two\n")


def test_if_no_new_file_can_be_made_lines_go_to_the_old_one(path, tmp_path):
    log = LogFile(str(path), Events())
    tmp_path.rename(f"{tmp_path}-moved")
    log.append("one")

    assert Path(f"{tmp_path}-moved/audit.log").read_text() == "one\n"


def test_a_line_that_was_cut_does_not_spoil_the_next_one_and_lost_ones_are_counted(path):
    reader, writer = os.pipe()  # no limit counts there
    events = Events(QUIET, traced=EVENTS, trace_file=writer)
    log = LogFile(str(path), events)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, limits[1]))
    try:
        for line in ("one", "long line", "nothing"):
            log.append(line)
        lost = log.lost
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    log.append("two")

    assert path.read_text() == "one\nl\ntwo\n"
    assert (lost, log.lost) == (2, 0)
    assert os.read(reader, 4096).decode() == (
        f"pr_helper_audit_fail cannot write to {path}: No space left on device;"
        " commands are carried out unaudited\n"
        f"pr_helper_audit_again {path} is written again; lines lost: 2\n"
    )
    os.close(reader)


def test_a_pipe_that_nobody_empties_holds_nobody_up(tmp_path, capfd):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    log = LogFile(str(fifo), Events())
    while not log.lost:
        log.append("x" * 1000)
    os.close(reader)

    assert "Resource temporarily unavailable" in capfd.readouterr().err
