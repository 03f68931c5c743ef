"""A guest with a reservation migrates between two QEMUs, two of our helpers and two hosts."""

import subprocess
from pathlib import Path

import pytest

from guest import PERSIST, BootGuest, await_migration, reserve
from lab_helper import Helper, StartHelper
from migration import WAYS, WRITE, command_line, migrate, move_by_hand
from target import Host


@pytest.fixture(scope="module")
def destination_helper(start_helper: StartHelper) -> Helper:
    return start_helper("ours", "/run/lab/destination.sock")


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


@pytest.mark.parametrize("by_itself", WAYS)
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
    socket = tmp_path / "migration"
    arrives = command_line(destination.disk, destination_helper, by_itself=by_itself)
    waiting = f"{arrives} -incoming unix:{socket} -S"
    with boot_guest(command_line(source.disk, helper, by_itself=by_itself)) as guest:
        reserve(guest)
        assert_is_reserved_for(source, hosts, log)

        with await_migration(waiting, initramfs, tmp_path) as arrived:
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
