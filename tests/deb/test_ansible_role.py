"""The Ansible role: real ansible-playbook installs the package on two hosts, and shows them."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from conftest import INSTALL, PROJECT
from machine import Booted, machine

ANSIBLE = PROJECT / "packaging/ansible"
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
DISK = "naa.60014050000000000000000000000001"
VPD_PAGE = "0083001401030010 60014050000000000000000000000001"  # Device Identification: DISK
SIMULATING = """\
[Service]
ExecStart=
StateDirectory=simulated
ExecStart=/usr/sbin/qemu-pr-helper --simulate /var/lib/simulated/state.db --initiator {port}
"""


def simulate(root: Path, number: int) -> None:
    """Describe a host with a disk that is a file; its processes and sockets are the machine's."""
    host, port = root / "srv/host", f"600140500000000{number}"
    device = host / "sys/devices/host0/0:0:0:0"
    for folder in ("proc", "run", "sys/block/sda"):
        (host / folder).mkdir(parents=True)
    for path, content in {
        host / "dev/sda": bytes(1 << 20),
        host / "etc/hostname": f"node{number}\n".encode(),
        host / "sys/class/sas_phy/phy-0:0/sas_address": f"0x{port}\n".encode(),
        device / "state": b"running\n",
        device / "vpd_pg83": bytes.fromhex(VPD_PAGE),
        root / "etc/systemd/system/qemu-pr-helper.service.d/simulating.conf": SIMULATING.format(
            port=f"naa.{port}"
        ).encode(),
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (host / "sys/block/sda/device").symlink_to("/srv/host/sys/devices/host0/0:0:0:0")


class Target(NamedTuple):
    """A host to install on."""

    root: Path
    booted: Booted
    port: int


@contextmanager
def target(release: str, number: int, key: str) -> Iterator[Target]:
    """Boot a machine that root can log in to, with a simulated disk, and without our package."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with machine(release) as one:
        one.run(f"apt-get update -q && {INSTALL} systemd systemd-sysv openssh-server python3")
        simulate(one.root, number)
        one.run(f"mkdir -p -m 700 /root/.ssh && echo '{key}' >/root/.ssh/authorized_keys")
        (one.root / "etc/ssh/sshd_config.d/test.conf").write_text(
            f"Port {port}\nListenAddress 127.0.0.1\n"
        )
        with one.booted() as booted:
            for name in ("run", "proc"):
                booted.run(f"mount --rbind /{name} /srv/host/{name}")
            yield Target(one.root, booted, port)


class Site(NamedTuple):
    """Two hosts, and the folder of who administers them."""

    targets: list[Target]
    folder: Path

    def play(self, playbook: str, *options: str) -> str:
        """Run a playbook.

        Raises:
            AssertionError: It failed.
        """
        done = subprocess.run(
            [PLAYBOOK, "-i", self.folder / "hosts.ini", playbook, *options],
            cwd=self.folder / "ansible",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def changed(output: str) -> list[int]:
    """Tell how many changes each host had."""
    return [int(count) for count in re.findall(r"^node\d .* changed=(\d+)", output, re.MULTILINE)]


@pytest.fixture
def site(release: str, package: Path, tmp_path: Path) -> Iterator[Site]:
    if not shutil.which("ssh"):
        pytest.fail("ssh is not installed: apt-get install openssh-client")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True
    )
    key = (tmp_path / "key.pub").read_text().strip()
    shutil.copytree(ANSIBLE, tmp_path / "ansible")
    with ExitStack() as stack:
        targets = [stack.enter_context(target(release, number, key)) for number in (1, 2)]
        first, second = (f"ansible_port={one.port}" for one in targets)
        (tmp_path / "hosts.ini").write_text(
            f"node1 {first}\n"
            f"node2 {second} qemu_pr_multipath=true\n"
            "[all:vars]\n"
            "ansible_host=127.0.0.1\n"
            "ansible_user=root\n"
            f"ansible_ssh_private_key_file={tmp_path}/key\n"
            "ansible_ssh_common_args=-F none -o StrictHostKeyChecking=no"
            " -o UserKnownHostsFile=/dev/null\n"
            f"qemu_pr_package={package}\n"
            f"qemu_pr_program={Path(sys.executable).with_name('qemu-pr')}\n"
            'qemu_pr_report_options=["--root", "/srv/host"]\n'
        )
        yield Site(targets, tmp_path)


def test_hosts_get_the_package_once_and_are_shown_together(site: Site) -> None:
    first, second = site.targets

    assert changed(site.play("install.yml", "--check")) == [1, 1]
    assert not (first.root / "usr/sbin/qemu-pr-helper").exists()

    site.play("install.yml")
    helpers = []
    for one in site.targets:
        assert one.booted.run("systemctl is-enabled qemu-pr-helper.socket") == "enabled\n"
        one.booted.run("systemctl start qemu-pr-helper.service")
        helpers.append(one.booted.run("systemctl show -P MainPID qemu-pr-helper.service"))
    assert not (first.root / "etc/multipath").exists()
    assert (first.root / "usr/share/qemu-pr/ansible/fleet.yml").exists()
    assert 'reservation_key "file"' in second.booted.run("multipath -t")

    assert changed(site.play("install.yml")) == [0, 0]
    assert changed(site.play("install.yml", "--check")) == [0, 0]
    assert helpers == [
        one.booted.run("systemctl show -P MainPID qemu-pr-helper.service") for one in site.targets
    ]

    shown = site.play("fleet.yml")
    (row,) = [line for line in shown.splitlines() if DISK in line]
    assert row.split() == [DISK, "none", "sees", "0/1", "sees", "0/1"]
    assert "No findings on 2 hosts" in shown
    assert changed(shown) == [0, 0]
    reports = site.folder / "ansible/reports"
    assert {one.name for one in reports.iterdir()} == {"fleet.html", "node1.json", "node2.json"}
