"""The ways to a disk: helpers' sockets, another host's program, no peer at all."""

import sys
import time
from contextlib import ExitStack

import pytest

from qemu_pr.cli.validate import text
from qemu_pr.scsi.commands import InServiceAction, PersistentReserveIn
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import RESERVATION_CONFLICT, Completion
from qemu_pr.validate.commands import read_keys
from qemu_pr.validate.examination import Examination
from qemu_pr.validate.keys import Keys
from qemu_pr.validate.profiles import ALL, checks_of
from qemu_pr.validate.steps import Who
from qemu_pr.validate.ways import CommandWay, LostError, SimulatedWay, Way
from running_helper import running_helper
from validating import validate_disk

MEDIUM = {
    f"reads-writes-{type_}{suffix}" for type_ in (1, 3, 5, 6, 7, 8) for suffix in ("", "-peer")
}
PERSIST = f"{sys.executable} -m qemu_pr persist --socket"


@pytest.fixture
def helpers(start_helper):
    """Two hosts' helpers, by their sockets."""
    return start_helper(1), start_helper(2)


def test_two_helpers_certify_all_but_reads_writes_and_a_reset(disk, helpers):
    one, other = helpers

    done = validate_disk(disk, f"--socket={one}", f"--peer-socket={other}", "--yes", "--json")

    assert done.named("deviates") == set()
    assert done.named("left out") == {"every-path", "reset", *MEDIUM}
    assert {one["verdict"] for one in done.certificate["verdicts"]} == {"not shown"}
    assert done.status == 0


@pytest.mark.timeout(600)  # each command of the peer starts a Python
def test_another_host_s_program_is_a_peer(disk, helpers):
    one, other = helpers
    peer = ["--peer-command", f"env {PERSIST} {other}", "--profile=live-migration"]
    skip = [f"--skip={name}" for name in ("type-5", "migrate-pr-1", "migrate-pr-3")]

    done = validate_disk(disk, f"--socket={one}", *peer, *skip, "--yes", "--json")

    assert done.named("deviates") == set()
    assert done.named("ok") >= {"two-nexuses", "full-status", "preempt-holder", "migrate-pr-5"}


def test_a_program_that_cannot_be_run_is_told_of_in_a_line(disk, helpers):
    one, _ = helpers

    missing = validate_disk(disk, f"--socket={one}", "--peer-command=/no/ssh b", "--yes")
    failing = validate_disk(disk, f"--socket={one}", "--peer-command=sh -c false", "--yes")

    assert missing.stderr == (
        "qemu-pr: validate: /no/ssh: No such file or directory; see --peer-command\n"
    )
    assert failing.stderr.splitlines() == [
        "qemu-pr: validate: sh -c false sg_persist: exit status 1: it says nothing;"
        " see --peer-command"
    ]


def test_a_helper_that_goes_away_ends_the_run_and_says_that_keys_may_be_left(
    disk, state, tmp_path, monkeypatch
):
    socket = f"{tmp_path}/gone.sock"
    command = [sys.executable, "-m", "qemu_pr", "helper"]
    with ExitStack() as stack:
        stack.enter_context(running_helper(command, socket, "--simulate", str(state)))
        monkeypatch.setattr(text, "show", lambda _result: stack.close())
        monkeypatch.setattr("qemu_pr.manager.ATTEMPTS", 1)

        done = validate_disk(disk, f"--socket={socket}", "--yes")

    assert done.status == 2
    assert "Keys of this run may be left: run qemu-pr validate again" in done.stderr


def test_one_nexus_shows_what_it_can_and_says_what_was_left_out(disk, start_helper):
    done = validate_disk(disk, f"--socket={start_helper(1)}", "--yes", "--json")

    assert done.named("ok") == {"register", "aptpl"}
    why = {check["what"] for check in done.certificate["checks"] if check["outcome"] == "left out"}
    assert "there is no PEER" in why
    assert done.status == 0


SG_PERSIST = """\
#!/bin/sh
echo "$@" >>{log}
cat <<EOF
 00     00 00 00 07 00 00 00 10  00 00 00 00 00 00 00 0a
 10     ab cd ef 01 23 45 67 89
EOF
exit {status}
"""


@pytest.fixture
def sg_persist(tmp_path):
    """Make a program of that name, which prints what the real one prints."""

    def make(status: int) -> CommandWay:
        program = tmp_path / "sg_persist"
        program.write_text(SG_PERSIST.format(log=tmp_path / "log", status=status))
        program.chmod(0o755)
        return CommandWay(str(program), "/dev/sdb")

    return make


def test_a_dump_of_sg_persist_is_read_back(sg_persist, tmp_path):
    assert read_keys(sg_persist(0)) == (0xA, 0xABCDEF0123456789)

    sent = (tmp_path / "log").read_text()
    assert sent == "--no-inquiry --in --read-keys -HH /dev/sdb\n"


def test_exit_statuses_of_sg_persist_are_statuses(sg_persist):
    cdb = PersistentReserveIn(InServiceAction.READ_KEYS, 8192).encode()

    assert sg_persist(24).send(cdb) == RESERVATION_CONFLICT
    assert sg_persist(5).send(cdb).sense[2] == SenseKey.ILLEGAL_REQUEST
    assert sg_persist(2).send(cdb).sense[2] == SenseKey.NOT_READY
    with pytest.raises(LostError, match="exit status 127"):
        sg_persist(127).send(cdb)


class Slow(Way):
    """A way to a disk that takes a millisecond for an answer."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self.name = way.name
        self.commands = 0

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        self.commands += 1
        time.sleep(0.001)
        return self._way.send(cdb, data_out, size_in)

    def reset(self) -> None:
        self._way.reset()


def test_a_disk_that_answers_in_a_millisecond_takes_seconds(disk, tmp_path, capsys):
    with ExitStack() as stack:
        ways = {}
        for who, digit in ((Who.DISK, 1), (Who.PEER, 2)):
            file = stack.enter_context(disk.open("r+b"))
            host = f"naa.500000000000000{digit}"
            way = SimulatedWay(str(disk), file.fileno(), f"{tmp_path}/slow.db", host, None)
            ways[who] = Slow(way)
        examination = Examination(ways, Keys.drawn())
        begin = time.monotonic()

        examination.prepare()
        results = list(examination.run(checks_of(ALL)))

        seconds = time.monotonic() - begin
        commands = sum(way.commands for way in ways.values())
    with capsys.disabled():
        print(f" {len(results)} checks, {commands} commands: {seconds:.1f} s", end="")
    assert commands < 5000  # that is 5 s of the 10 s there are; the rest is the machine's business
