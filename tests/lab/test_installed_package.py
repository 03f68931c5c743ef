"""libvirt starts the helper of the installed Debian package: by its path, and in QEMU's place.

`make deb-test` runs it with the package that it built; so does, by hand,
make lab LAB='--deb dist/qemu-pr_*_all.deb tests/lab/test_installed_package.py'
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import debian_package
import libvirt
from guest import booted, reserve
from manual import libvirt_disks, libvirt_helper
from qemu_pr.host.process import Process, processes
from qemu_pr.lint.parse import parse
from requirements import unavailable
from target import Host

(MANAGED,) = [xml for xml in libvirt_disks() if "'/dev/sdb'" in xml and parse(xml).managed]
BY_ITS_PATH = libvirt_helper()
BY_DEFAULT = ""
OF_QEMU = Path("/usr/bin/qemu-pr-helper")


@pytest.fixture(scope="module", autouse=True)
def package(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the package installed."""
    path = request.config.getoption("--deb")
    if path is None:
        unavailable("there is no package to install: make deb-test, or make deb and LAB='--deb …'")
    with debian_package.installed(Path(path)):
        yield


@contextmanager
def helper_of_a_guest(pr_helper: str, initramfs: Path, output: Path) -> Iterator[Process]:
    """Have libvirt start a guest that reserves its disk, and give the helper that it started."""
    with (
        libvirt.daemon(pr_helper, output / "libvirtd.log"),
        libvirt.defined(MANAGED, initramfs, output),
        booted(libvirt.started) as guest,
    ):
        reserve(guest)
        helpers = [
            process
            for process in processes(Path("/proc"))
            if process.is_helper and "/var/lib/libvirt/" in process.command_line
        ]
        yield helpers[0].first


def test_libvirt_starts_it_by_its_path(hosts: list[Host], initramfs: Path, output: Path) -> None:
    with helper_of_a_guest(BY_ITS_PATH, initramfs, output) as helper:
        assert not hosts[0].can_write()
        assert hosts[1].can_write()
        assert helper.arguments[:3] == ["/usr/bin/python3", "-I", "/usr/sbin/qemu-pr-helper"]


def test_libvirt_starts_it_by_default_once_it_has_the_place_of_qemu_s(
    hosts: list[Host], initramfs: Path, output: Path
) -> None:
    with (
        debian_package.replacing_qemu_s_helper(),
        helper_of_a_guest(BY_DEFAULT, initramfs, output) as helper,
    ):
        assert not hosts[0].can_write()
        assert hosts[1].can_write()
        assert helper.arguments[:3] == ["/usr/bin/python3", "-I", str(OF_QEMU)]


def test_libvirt_starts_qemu_s_again_once_that_is_undone(
    hosts: list[Host], initramfs: Path, output: Path
) -> None:
    with debian_package.replacing_qemu_s_helper():
        assert OF_QEMU.is_symlink()

    with helper_of_a_guest(BY_DEFAULT, initramfs, output) as helper:
        assert not hosts[0].can_write()
        assert hosts[1].can_write()
        assert helper.arguments[0] == str(OF_QEMU)
        assert Path("/proc", str(helper.pid), "exe").readlink() == OF_QEMU
