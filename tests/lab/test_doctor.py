"""Hosts that are broken on purpose: the doctor names the cause in each, and nothing else.

Those with a multipath map are in test_doctor_maps.py.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from doctor import FAILURE, HEALTHY, SOCKET, WARNING, examine, the_only
from lab_helper import OURS, Helper, StartHelper, listens
from qemu_user import options_to_become
from target import CONFIGFS, Host, create_disk
from waiting import wait_for


@pytest.fixture(scope="module")
def ours(start_helper: StartHelper) -> Iterator[Helper]:
    """Our helper, on a socket of its own."""
    helper = start_helper("ours", SOCKET)
    yield helper
    helper.stop()


@contextmanager
def guest(
    disk: str, device: str = "scsi-block", *options: str, socket: str = SOCKET
) -> Iterator[None]:
    """Run a QEMU that has the disk, and does not start its processor."""
    command = [
        *("qemu-system-x86_64", "-S", "-display", "none", "-nodefaults", "-qmp", "stdio"),
        *("-device", "virtio-scsi", "-object", f"pr-manager-helper,id=helper0,path={socket}"),
        "-blockdev",
        f"node-name=hd,driver=raw,file.driver=host_device,file.filename={disk},"
        "file.pr-manager=helper0",
        *("-device", f"{device},drive=hd", "-name", "alice", *options),
    ]
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert qemu.stdin is not None
        assert qemu.stdout is not None
        assert b"QMP" in qemu.stdout.readline()
        # It greets before it is another user, and answers after that.
        qemu.stdin.write(b'{"execute": "qmp_capabilities"}\n')
        qemu.stdin.flush()
        assert b"return" in qemu.stdout.readline()
        yield
    finally:
        qemu.kill()
        qemu.wait()


def test_a_healthy_host_with_a_guest(hosts: list[Host], ours: Helper) -> None:
    with guest(hosts[0].disk):
        assert examine(hosts[0].disk) == HEALTHY


def test_1_no_helper_runs(hosts: list[Host]) -> None:
    found = examine(hosts[0].disk, socket="/run/no-helper.sock")

    said = the_only(found, FAILURE, "socket")
    assert said == "No such file or directory"


def test_2_a_helper_was_killed_and_left_its_socket(
    hosts: list[Host], start_helper: StartHelper
) -> None:
    helper = start_helper("c", "/run/killed.sock")
    with guest(hosts[0].disk, socket=helper.socket):
        helper.kill()
        wait_for(lambda: not helper.listens(), "the helper to end")

        found = examine(hosts[0].disk, socket=helper.socket)

    said = the_only(found, FAILURE, "socket")
    assert said.startswith("Connection refused, and this guest uses it: qemu-system-x86_64 alice")


def test_3_a_helper_without_cap_sys_rawio(hosts: list[Host]) -> None:
    socket = "/run/weak.sock"
    setpriv = ["setpriv", "--inh-caps=-sys_rawio", "--bounding-set=-sys_rawio"]
    helper = subprocess.Popen([*setpriv, OURS, "-k", socket])
    wait_for(lambda: listens(socket), socket)

    found = examine(hosts[0].disk, socket=socket)

    helper.terminate()
    helper.wait()
    said = the_only(found, FAILURE, "capabilities")
    assert said == "it has no CAP_SYS_RAWIO"


def test_4_a_guest_may_not_connect_to_the_socket(hosts: list[Host], ours: Helper) -> None:
    with guest(hosts[0].disk, "scsi-block", *options_to_become("nobody")):
        said = the_only(examine(hosts[0].disk), FAILURE, "permissions")

    assert f"which may not connect: {SOCKET} does not let it" in said


def test_5_a_guest_has_an_emulated_disk(hosts: list[Host], ours: Helper) -> None:
    with guest(hosts[0].disk, "scsi-hd"):
        said = the_only(examine(hosts[0].disk), FAILURE, "guest")

    assert said.startswith("emulated-disk: ")


def test_6_a_disk_is_write_protected(hosts: list[Host], ours: Helper) -> None:
    subprocess.run(["blockdev", "--setro", hosts[0].disk], check=True)

    said = the_only(examine(hosts[0].disk), FAILURE, "writable")

    subprocess.run(["blockdev", "--setrw", hosts[0].disk], check=True)
    assert said.startswith("it is write-protected")


def test_7_a_disk_has_no_persistent_reservations(ours: Helper) -> None:
    disk = create_disk("plain", hosts=1, first=51).hosts[0].disk
    (CONFIGFS / "core/fileio_0/plain/attrib/emulate_pr").write_text("0\n")

    said = the_only(examine(disk), FAILURE, "reservations")

    assert said.startswith("it has no persistent reservations")


def test_8_libvirt_s_helper_is_not_there(hosts: list[Host], ours: Helper) -> None:
    directory = Path("/etc/libvirt")
    was_there = directory.exists()
    directory.mkdir(exist_ok=True)
    conf = directory / "qemu.conf"
    before = conf.read_text() if conf.exists() else None
    conf.write_text('pr_helper = "/usr/libexec/qemu-pr-helper"\n')

    said = the_only(examine(hosts[0].disk), WARNING, "pr_helper")

    if not was_there:
        shutil.rmtree(directory)
    elif before is not None:
        conf.write_text(before)
    else:
        conf.unlink()
    assert said.startswith("it is not there, so libvirt starts no guest")
