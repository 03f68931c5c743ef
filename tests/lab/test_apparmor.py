"""libvirt's daemon in its AppArmor profile, which a kernel enforces, without and with our rule.

The profiles are those of Debian's libvirt-daemon-system. `make deb-test` hands them in; by hand,
make lab LAB='--apparmor DIR tests/lab/test_apparmor.py', with the package's etc/apparmor.d as DIR.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import libvirt
from guest import serial_listener
from layer import writable
from manual import libvirt_disks
from qemu_pr.host.process import processes
from qemu_pr.lint.parse import parse
from requirements import unavailable

PROFILES = Path("/etc/apparmor.d")
RULES = Path(__file__).resolve().parents[2] / "packaging/apparmor/libvirtd"
LOCAL = PROFILES / "local/usr.sbin.libvirtd"
DAEMON = PROFILES / "usr.sbin.libvirtd"
VENV = Path(sys.executable).parent.parent
INSTALLED_BY_PIP = Path("/opt/qemu-pr")
PR_HELPER = f'pr_helper = "{INSTALLED_BY_PIP}/bin/qemu-pr-helper"\nsecurity_driver = "none"'
(MANAGED,) = [xml for xml in libvirt_disks() if "'/dev/sdb'" in xml and parse(xml).managed]


@pytest.fixture(scope="module", autouse=True)
def profiles(request: pytest.FixtureRequest) -> None:
    """Have libvirt's profiles, as its package has them."""
    if (given := request.config.getoption("--apparmor")) is None:
        unavailable("libvirt's AppArmor profiles were not handed in: make deb-test")
    shutil.copytree(given, PROFILES, dirs_exist_ok=True)
    # Tests run in a chroot; without this, AppArmor sees paths of the whole machine.
    text, changed = re.subn(r"flags=\((.*)\)", r"flags=(\1, chroot_relative)", DAEMON.read_text())
    assert changed == 1
    DAEMON.write_text(text)


@pytest.fixture
def installed_by_pip() -> Iterator[None]:
    """Have the helper in /opt/qemu-pr, as the page about installation has it with pip."""
    with writable(INSTALLED_BY_PIP.parent):
        INSTALLED_BY_PIP.mkdir()
        subprocess.run(["mount", "--bind", VENV, INSTALLED_BY_PIP], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", INSTALLED_BY_PIP], check=True)


def load(*, with_rule: bool) -> None:
    """Have the kernel enforce the daemon's profile."""
    LOCAL.parent.mkdir(exist_ok=True)
    LOCAL.write_text(RULES.read_text() if with_rule else "")
    subprocess.run(["apparmor_parser", "--replace", "--skip-cache", DAEMON], check=True)


@contextmanager
def confined_daemon(log: Path) -> Iterator[None]:
    with libvirt.daemon(PR_HELPER, log, ("aa-exec", "--profile=libvirtd", "--", "libvirtd")):
        yield


def start_without_running(initramfs: Path, output: Path) -> list[str]:
    """Have libvirt start a guest that waits, and give the programs of its helper."""
    with libvirt.defined(MANAGED, initramfs, output), serial_listener(libvirt.SERIAL):
        with libvirt.standing_clock():
            libvirt.virsh("start", libvirt.GUEST, "--paused")
        found = [
            process.arguments[2]
            for process in processes(Path("/proc"))
            if process.is_helper and "/var/lib/libvirt/" in process.command_line
        ]
        libvirt.virsh("destroy", libvirt.GUEST)
        return found


@pytest.mark.usefixtures("installed_by_pip")
def test_libvirt_may_start_a_helper_in_opt_with_the_rule_only(
    initramfs: Path, output: Path
) -> None:
    load(with_rule=False)
    with confined_daemon(output / "libvirtd-confined.log"):
        with pytest.raises(RuntimeError, match="Permission denied"):
            start_without_running(initramfs, output)

        load(with_rule=True)

        helpers = start_without_running(initramfs, output)
        assert set(helpers) == {f"{INSTALLED_BY_PIP}/bin/qemu-pr-helper"}
