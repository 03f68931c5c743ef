"""A guest with a reservation migrates between two QEMUs, two of our helpers and two hosts.

By itself, where QEMU has migrate-pr (11.0 and later), and by hand as the manual says.
"""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from guest import PERSIST, BootGuest, Guest, await_migration, reserve
from in_process import qemu_pr
from lab_helper import Helper, StartHelper
from manual import commands_of_a_migration
from target import Host
from waiting import wait_for

QEMU = "qemu-system-x86_64"
HAS_MIGRATE_PR = (
    "migrate-pr="
    in subprocess.run([QEMU, "-device", "scsi-block,help"], capture_output=True, text=True).stdout
)
BY_HAND = ["--migrate-pr", "off"] if HAS_MIGRATE_PR else []
BY_ITSELF = ["--migrate-pr", "on"]
WRITE = "dd if=/dev/zero bs=512 count=1 oflag=direct of=/dev/sda"


@pytest.fixture(scope="module")
def destination_helper(start_helper: StartHelper) -> Helper:
    return start_helper("ours", "/run/lab/destination.sock")


def command_line(disk: Host, helper: Helper, options: list[str]) -> str:
    done = qemu_pr("command-line", "--socket", helper.socket, *options, disk.disk)
    assert done.status == 0, done.stderr
    return done.stdout.strip()


def migrate(guest: Guest, socket: Path) -> None:
    """Migrate a guest to the QEMU that listens on a socket, and wait until it has left."""
    guest.monitor.send(json.dumps({"execute": "migrate", "arguments": {"uri": f"unix:{socket}"}}))

    def has_left() -> bool:
        status = guest.monitor.execute("query-migrate")
        assert status["status"] not in ("failed", "cancelled"), status
        return bool(status["status"] == "completed")

    wait_for(has_left, "the migration to complete")


def assert_is_reserved_for(host: Host, hosts: list[Host], log: Path) -> None:
    """Have a third host see who is registered and holds the reservation, and all try to write."""
    command = [*PERSIST.split(), "--in", "--read-full-status", hosts[2].disk]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with log.open("a") as file:
        file.write(f"Reserved for {host.disk}, {host.initiator}:\n{shown}")
    assert shown.count("Key=") == 1
    assert "Key=0xa1" in shown
    assert "<< Reservation holder >>" in shown
    assert f"SAS address: 0x{host.initiator.removeprefix('naa.')}" in shown
    assert [one.can_write() for one in hosts] == [one == host for one in hosts]


@pytest.mark.parametrize("by_itself", [False, True] if HAS_MIGRATE_PR else [False])
def test_a_guest_migrates_with_its_reservation(
    boot_guest: BootGuest,
    initramfs: Path,
    helper: Helper,
    destination_helper: Helper,
    hosts: list[Host],
    tmp_path: Path,
    output: Path,
    by_itself: bool,
) -> None:
    source, destination, _ = hosts
    log = output / f"migration-{'by-itself' if by_itself else 'by-hand'}.log"
    options = BY_ITSELF if by_itself else BY_HAND
    socket = tmp_path / "migration"
    waiting = f"{command_line(destination, destination_helper, options)} -incoming unix:{socket}"
    with boot_guest(command_line(source, helper, options)) as guest:
        reserve(guest)
        assert_is_reserved_for(source, hosts, log)

        with await_migration(f"{waiting} -S", initramfs, tmp_path) as arrived:
            migrate(guest, socket)
            if not by_itself:
                assert_is_reserved_for(source, hosts, log)
                move_by_hand(destination_helper.socket, destination.disk)
            arrived.monitor.execute("cont")

            written = arrived.run(WRITE)
            assert written.status == 0, written.output
            assert_is_reserved_for(destination, hosts, log)
            released = arrived.run(
                f"{PERSIST} --out --release --param-rk=0xa1 --prout-type=5 /dev/sda"
            )
            assert released.status == 0, released.output
            assert source.can_write()


def move_by_hand(socket: str, disk: str) -> None:
    commands = commands_of_a_migration()
    assert len(commands) == 2
    for command in commands:
        command = command.replace("$PWD/destination.sock", socket).replace("disk.img", disk)
        done = qemu_pr(*shlex.split(command)[1:])
        assert done.status == 0, done.stderr
