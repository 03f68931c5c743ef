"""A guest with a reservation migrates between two maps, as two hosts have them of one disk."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from guest import PERSIST, BootGuest, Guest, await_migration, reserve
from lab_helper import Helper, StartHelper
from migration import WAYS, WRITE, command_line, migrate, move_by_hand
from multipathd import Map, multipath_map
from target import Host, create_disk
from waiting import wait_for


@pytest.fixture(scope="module")
def disk_hosts() -> list[Host]:
    """Two paths of the source, two of the destination, and a third host."""
    return create_disk("migrated", hosts=5, first=71).hosts


@pytest.fixture(scope="module")
def source(disk_hosts: list[Host], output: Path) -> Iterator[Map]:
    log = output / "multipathd-migration.log"
    with multipath_map(disk_hosts[:2], log, elsewhere=disk_hosts[2:4]) as found:
        yield found


@pytest.fixture(scope="module")
def destination_helper(start_helper: StartHelper) -> Helper:
    return start_helper("ours", "/run/lab/destination-of-maps.sock")


def registered(third: Host, log: Path) -> set[str]:
    """Have a third host see which initiator ports are registered, all with one key.

    One of them holds the reservation.
    """
    command = [*PERSIST.split(), "--in", "--read-full-status", third.disk]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with log.open("a") as file:
        file.write(shown)
    assert set(re.findall("Key=(.*)", shown)) == {"0xa1"}
    assert shown.count("<< Reservation holder >>") == 1
    return {f"naa.{address}" for address in re.findall("SAS address: 0x(.*)", shown)}


def names(paths: list[Host]) -> set[str]:
    return {path.initiator for path in paths}


def assert_guest_writes_on_every_path(guest: Guest, its_map: Map) -> None:
    """Have a guest write on each path; as long as all are up, QEMU's commands take one of them."""
    assert all(path.can_write() for path in its_map.paths)
    for down in range(len(its_map.paths)):
        with its_map.path_down(down):
            written = guest.run(WRITE)
        assert written.status == 0, written.output


@pytest.mark.parametrize("by_itself", WAYS)
def test_a_guest_migrates_from_one_map_to_another_with_its_reservation(
    boot_guest: BootGuest,
    initramfs: Path,
    helper: Helper,
    destination_helper: Helper,
    source: Map,
    disk_hosts: list[Host],
    tmp_path: Path,
    output: Path,
    by_itself: bool,
) -> None:
    destination, third = source.of_another_host, disk_hosts[4]
    log = output / f"migration-of-maps-{'by-itself' if by_itself else 'by-hand'}.log"
    socket = tmp_path / "migration"
    arrives = command_line(destination.node, destination_helper, by_itself=by_itself)
    waiting = f"{arrives} -incoming unix:{socket} -S"
    with await_migration(waiting, initramfs, tmp_path) as arrived:
        with boot_guest(command_line(source.node, helper, by_itself=by_itself)) as guest:
            reserve(guest)
            assert registered(third, log) == names(source.paths)
            migrate(guest, socket)
            if not by_itself:
                assert registered(third, log) == names(source.paths)
                move_by_hand(destination_helper.socket, destination.node)
            arrived.monitor.execute("cont")

            # QEMU moves the registrations by itself once the guest goes on.
            wait_for(
                lambda: registered(third, log) == names(destination.paths),
                lambda: f"{names(destination.paths)} to be registered: {registered(third, log)}",
            )
            assert_guest_writes_on_every_path(arrived, destination)
            assert not any(path.can_write() for path in source.paths)

        wait_for(lambda: source.key() == "none", lambda: f"multipathd to forget: {source.key()}")
        with source.path_deleted(1):
            pass

        assert registered(third, log) == names(destination.paths)
        assert not any(path.can_write() for path in source.paths)
        assert_guest_writes_on_every_path(arrived, destination)
        for action in ("--release --prout-type=5", "--register --param-sark=0"):
            done = arrived.run(f"{PERSIST} --out --param-rk=0xa1 {action} /dev/sda")
            assert done.status == 0, done.output
        assert source.paths[0].can_write()
