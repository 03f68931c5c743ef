"""The whole chain: a Linux guest, QEMU, the helper, the kernel, and a second host of the disk."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guest import PERSIST, BootGuest, Guest, reserve
from lab_helper import Helper, StartHelper
from manual import command_lines, transcripts
from qemu_pr.lint.parse import parse
from relay import Relay
from target import Host
from transcript import assert_true, first_line, shell

# Those for a multipath map run with one, in test_multipath.py.
COMMAND_LINES = [line for line in command_lines() if "/dev/mapper/" not in line]
WRITE = "dd if=/dev/zero bs=512 count=1 oflag=direct of="
RESERVATION_CONFLICT = 24  # sg_persist's exit status


def _name(command_line: str) -> str:
    """Name a test by what tells its command line from the others."""
    disks = parse(command_line)
    json = "-blockdev '{" in command_line
    syntax = "json" if json else "drive" if "-drive" in command_line else "blockdev"
    return f"{syntax}:{','.join(disks.disks)}"


@pytest.fixture(scope="module", params=COMMAND_LINES, ids=_name)
def guest(
    request: pytest.FixtureRequest, boot_guest: BootGuest, helper: Helper, hosts: list[Host]
) -> Iterator[Guest]:
    """A guest that runs on the second host, started with a command line of the manual."""
    command_line = parse(request.param)
    made = [link for path in command_line.disks if (link := _link(path, hosts[1].disk))]
    if link := _link(command_line.socket, helper.socket):
        made.append(link)
    with boot_guest(request.param) as guest:
        yield guest
    for link in made:
        link.unlink()


# What has nothing to do with the command line is tried with one, since guests boot slowly. Its disk
# has a name that pages use where they tell of a guest that runs.
ONE_GUEST = pytest.mark.parametrize(
    "guest",
    [line for line in COMMAND_LINES if "/by-id/wwn-0x6001405000000001," in line],
    indirect=True,
    ids=_name,
)


@pytest.fixture
def relay(
    request: pytest.FixtureRequest, helper: Helper, start_helper: StartHelper
) -> Iterator[Relay]:
    """A relay in the helper's place; QEMU connects to it at its next command."""
    behind = start_helper(request.config.getoption("--helper"), "/run/lab/behind.sock")
    helper.stop()
    with Relay(helper.socket, behind.socket) as relay:
        yield relay
    behind.stop()
    helper.start()


def _link(path: str, target: str) -> Path | None:
    """Let a path that the manual names lead to what the lab has, if nothing is there."""
    link = Path(path)
    if link.exists():
        return None
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(os.path.relpath(target, link.parent))  # as udev's are
    return link


def on_host(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, shell=True, capture_output=True, text=True)


def test_a_second_host_fences_a_guest(guest: Guest, hosts: list[Host]) -> None:
    second = hosts[0].disk  # no command line of the manual names /dev/sda

    reserve(guest)
    written = guest.run(f"{WRITE}/dev/sda")
    seen = on_host(f"{PERSIST} --in --read-reservation {second}")
    refused = on_host(f"{WRITE}{second}")
    registered = on_host(f"{PERSIST} --out --register --param-sark=0xb2 {second}")
    preempted = on_host(
        f"{PERSIST} --out --preempt --param-rk=0xb2 --param-sark=0xa1 --prout-type=5 {second}"
    )
    fenced = guest.run(f"{WRITE}/dev/sda")
    excluded = guest.run(f"{PERSIST} --out --release --param-rk=0xa1 --prout-type=5 /dev/sda")

    assert written.status == 0, written.output
    assert "Key=0xa1" in seen.stdout
    assert "Write Exclusive, registrants only" in seen.stdout
    assert refused.returncode != 0
    assert "Invalid exchange" in refused.stderr  # EBADE: RESERVATION CONFLICT
    assert registered.returncode == 0, registered.stderr
    assert preempted.returncode == 0, preempted.stderr
    assert fenced.status != 0
    assert excluded.status == RESERVATION_CONFLICT, excluded.output
    assert on_host(f"{WRITE}{second}").returncode == 0


@ONE_GUEST
def test_a_guest_goes_on_when_the_helper_was_restarted(guest: Guest, helper: Helper) -> None:
    reserve(guest)
    before = guest.monitor.execute("query-pr-managers")

    helper.stop()
    failed = guest.run(f"{PERSIST} --in --read-keys /dev/sda")
    without = guest.monitor.execute("query-pr-managers")
    helper.start()
    released = guest.run(f"{PERSIST} --out --release --param-rk=0xa1 --prout-type=5 /dev/sda")
    after = guest.monitor.execute("query-pr-managers")

    assert failed.status != 0
    assert released.status == 0, released.output
    assert [[manager["connected"] for manager in state] for state in (before, without, after)] == [
        [True],
        [False],
        [True],
    ]


@ONE_GUEST
def test_only_persistent_reservations_reach_the_helper(relay: Relay, guest: Guest) -> None:
    reserve(guest)
    others = [
        guest.run("sg_turs /dev/sda"),
        guest.run("sg_inq /dev/sda"),
        guest.run(f"{WRITE}/dev/sda"),
        guest.run("dd if=/dev/sda of=/dev/null bs=512 count=1 iflag=direct"),
    ]
    keys = guest.run(f"{PERSIST} --in --read-keys /dev/sda")

    assert [result.status for result in others] == [0, 0, 0, 0]
    assert "0xa1" in keys.output
    assert relay.commands == [(0x5F, 6), (0x5F, 1), (0x5E, 0)]


@ONE_GUEST
@pytest.mark.parametrize("transcript", transcripts("host"), ids=first_line)
def test_what_the_manual_shows_of_a_host_is_true(
    guest: Guest, tmp_path: Path, transcript: str
) -> None:
    with shell(tmp_path) as run:
        assert_true(transcript, run)


@ONE_GUEST
@pytest.mark.parametrize("transcript", transcripts("reserved"), ids=first_line)
def test_what_the_manual_shows_of_a_reserved_disk_is_true(
    guest: Guest, hosts: list[Host], tmp_path: Path, transcript: str
) -> None:
    for action in ["--register --param-sark=0xb2", "--reserve --param-rk=0xb2 --prout-type=5"]:
        assert on_host(f"{PERSIST} --out {action} {hosts[0].disk}").returncode == 0

    with shell(tmp_path) as run:
        assert_true(transcript, run)


@ONE_GUEST
@pytest.mark.parametrize("transcript", transcripts("guest"), ids=first_line)
def test_what_the_manual_shows_of_a_guest_is_true(guest: Guest, transcript: str) -> None:
    assert_true(transcript, lambda command: guest.run(command).output)
