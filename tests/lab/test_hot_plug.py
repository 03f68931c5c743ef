"""Disks that are plugged into a running guest, with the QMP commands that the manual shows."""

from guest import PERSIST, BootGuest, reserve
from lab_helper import Helper
from manual import qmp_sequences
from monitor import Monitor
from target import Host
from waiting import wait_for

PLUGGED, ON_A_BUS, SECOND, UNPLUGGED = qmp_sequences()


def send(monitor: Monitor, commands: str) -> None:
    for command in commands.splitlines():
        assert monitor.send(command) == {}


def test_a_disk_is_plugged_in_and_out_and_in_again(
    boot_guest: BootGuest, helper: Helper, hosts: list[Host]
) -> None:
    with boot_guest("qemu-system-x86_64") as guest:
        send(guest.monitor, PLUGGED)
        reserve(guest, "/dev/sda")
        assert guest.monitor.execute("query-pr-managers") == [{"id": "helper0", "connected": True}]
        assert not hosts[0].can_write()

        at_once, afterwards = UNPLUGGED.split("\n\n")
        send(guest.monitor, at_once)
        guest.monitor.wait_for_event("DEVICE_DELETED", device="hd")
        send(guest.monitor, afterwards)
        guest.monitor.wait_for_event("DEVICE_DELETED", device="hd-scsi")
        assert guest.monitor.execute("query-pr-managers") == []
        assert guest.run("test -b /dev/sda").status != 0
        assert not hosts[0].can_write()

        send(guest.monitor, PLUGGED)
        send(guest.monitor, SECOND)
        released = "--release --param-rk=0xa1 --prout-type=5 /dev/sda"
        wait_for(lambda: guest.run(f"{PERSIST} --out {released}").status == 0, "a release")
        reserve(guest, "/dev/sdb")
        assert hosts[1].can_write()


def test_a_disk_is_plugged_into_a_bus_that_a_guest_has(
    boot_guest: BootGuest, helper: Helper, hosts: list[Host]
) -> None:
    with boot_guest("qemu-system-x86_64 -machine q35 -device virtio-scsi,id=scsi0") as guest:
        send(guest.monitor, ON_A_BUS)

        reserve(guest, "/dev/sda")

        assert not hosts[0].can_write()
        assert hosts[1].can_write()
