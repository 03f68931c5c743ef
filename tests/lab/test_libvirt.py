"""A guest of libvirt, with the XML that the manual shows, and our helper as libvirt's."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

import libvirt
from guest import booted, reserve
from lab_helper import OURS, Helper
from manual import libvirt_disks, libvirt_helper, transcripts
from qemu_pr.host.process import Process, processes
from qemu_pr.lint.parse import parse
from target import Host
from transcript import assert_true, shell
from waiting import wait_for

DISKS = [xml for xml in libvirt_disks() if "'/dev/sdb'" in xml]
(UNMANAGED,) = [xml for xml in DISKS if not parse(xml).managed]
(MANAGED,) = [xml for xml in DISKS if parse(xml).managed]
# Starting a guest is slow, so the test of what it does begins with the one that shows it.
(STARTING,) = [text for text in transcripts("libvirt") if "virsh start" in text]
OF_A_RUNNING_GUEST = [text for text in transcripts("libvirt") if text != STARTING]

Define = Callable[[str], AbstractContextManager[None]]
"""Defines a guest from the XML of its disk, for the length of a `with`."""


@pytest.fixture(scope="module")
def define(output: Path, initramfs: Path) -> Iterator[Define]:
    """Run libvirt's daemon, whose helper is ours where the manual has it."""
    helper = Path(libvirt_helper().split('"')[1])
    with (
        libvirt.installed(helper, OURS),
        libvirt.daemon(libvirt_helper(), output / "libvirtd.log"),
    ):
        yield lambda disk: libvirt.defined(disk, initramfs, output)


def managed_helpers() -> list[Process]:
    """Find the helpers that libvirt has started."""
    return [
        process
        for process in processes(Path("/proc"))
        if process.is_helper and "/var/lib/libvirt/" in process.command_line
    ]


def test_a_guest_reserves_through_the_host_s_helper(
    define: Define, helper: Helper, hosts: list[Host], tmp_path: Path
) -> None:
    shutil.chown(helper.socket, group=libvirt.QEMU_USER)  # as SocketGroup= and SocketMode= do
    os.chmod(helper.socket, 0o660)
    with (
        define(UNMANAGED),
        shell(tmp_path) as run,
        booted(lambda: libvirt.started(lambda: assert_true(STARTING, run))) as guest,
    ):
        reserve(guest)

        assert not hosts[0].can_write()
        assert hosts[1].can_write()
        assert managed_helpers() == []
        for transcript in OF_A_RUNNING_GUEST:
            assert_true(transcript, run)


def test_a_guest_reserves_through_a_helper_that_libvirt_starts(
    define: Define, hosts: list[Host]
) -> None:
    with define(MANAGED), booted(libvirt.started) as guest:
        reserve(guest)

        assert not hosts[0].can_write()
        assert hosts[1].can_write()
        assert all(process.is_of_this_package for process in managed_helpers())
        assert managed_helpers()

    wait_for(lambda: not managed_helpers(), "libvirt to end its helper")
