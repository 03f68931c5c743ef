"""libvirt's XML: read back whole, valid for its schema, and what libvirt itself makes of it."""

import os
import pwd
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command_line_strategies import NASTY, reserved_disks, text_path
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.libvirt import disk_xml
from qemu_pr.command_line.model import DEFAULT_SOCKET, ReservedDisks
from qemu_pr.lint.check import check
from qemu_pr.lint.parse import parse
from requirements import require

DOMAIN = """\
<domain type='qemu'>
  <name>guest</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
{}
  </devices>
</domain>
"""
SDB = ReservedDisks(("/dev/sdb",))

xml_path = text_path.filter(lambda path: not any(c < " " and c not in "\t\n\r" for c in path))


@st.composite
def libvirt_disks(draw: st.DrawFn) -> ReservedDisks:
    disks = draw(reserved_disks(xml_path))
    managed = draw(st.booleans())
    return ReservedDisks(
        tuple(path if path.startswith("/") else "/" + path for path in disks.disks),
        socket=DEFAULT_SOCKET if managed else disks.socket,
        migrate_pr=disks.migrate_pr,
        managed=managed,
    )


@given(disks=libvirt_disks())
def test_what_is_rendered_is_read_back(disks: ReservedDisks) -> None:
    assert parse(disk_xml(disks)) == disks
    assert parse(DOMAIN.format(disk_xml(disks))) == disks


@pytest.mark.parametrize(
    ("disks", "expected"),
    [
        (ReservedDisks(("sdb",)), "disk 'sdb': libvirt takes no relative path"),
        (ReservedDisks(("/dev/\udcff",)), r"'/dev/\udcff': not UTF-8, and libvirt's XML"),
        (ReservedDisks(("/dev/\x01",)), r"'/dev/\x01': holds a character that XML has not"),
        (ReservedDisks(("/dev/\uffff",)), r"'/dev/\uffff': holds a character that XML has not"),
    ],
)
def test_what_xml_cannot_carry_is_refused(disks: ReservedDisks, expected: str) -> None:
    with pytest.raises(CommandLineError) as caught:
        disk_xml(disks)

    assert str(caught.value).startswith(expected)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("<disk ", "<disk", "line 2: no XML: "),
        ("</disk>", "", "no XML: "),
        ("device='lun'", "device='disk'", "<disk> sda: QEMU emulates a disk"),
        ("bus='scsi'", "bus='virtio'", "<disk> sda: QEMU emulates a disk"),
        (
            "type='block'",
            "type='file'",
            "of QEMU's block drivers only host_device",
        ),
        ("dev='/dev/sdb'", "", "<disk> sda: file.filename is missing"),
        (f"path='{DEFAULT_SOCKET}'", "", "<disk> sda: no path: QEMU needs"),
        (DEFAULT_SOCKET, "helper.sock", "path=helper.sock: QEMU needs the absolute path"),
        ("reservations", "reserved", "<disk> sda: /dev/sdb: the disk has no manager"),
        (
            "</disk>",
            "</disk>" + disk_xml(SDB.but(managed=True)),
            "managed: no for one disk and yes for another",
        ),
        (
            "</disk>",
            "</disk>" + disk_xml(SDB.but(disks=("/c",), socket="/s")).replace("sda", "sdb"),
            "socket: /var/run/qemu-pr-helper.sock for one disk and /s for another",
        ),
    ],
)
def test_what_libvirt_or_qemu_would_refuse_is_named(old: str, new: str, expected: str) -> None:
    text = disk_xml(SDB).replace(old, new)

    with pytest.raises(CommandLineError) as caught:
        parse(text)

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_go_on_behind_sdz() -> None:
    text = disk_xml(ReservedDisks(tuple(f"/dev/disk{number}" for number in range(703))))

    targets = [line.split("'")[1] for line in text.splitlines() if "<target" in line]
    assert targets[:2] == ["sda", "sdb"]
    assert targets[25:27] == ["sdz", "sdaa"]
    assert targets[701:] == ["sdzz", "sdaaa"]


@pytest.mark.parametrize("managed", [False, True])
def test_libvirts_schema_takes_it(tmp_path: Path, managed: bool) -> None:
    validate = require("virt-xml-validate", package="libvirt-clients")
    require("xmllint", package="libxml2-utils")
    # Its schema, not libvirt, wants paths on one line.
    paths = tuple(path for path in NASTY if "\n" not in path)
    file = tmp_path / "domain.xml"
    file.write_text(DOMAIN.format(disk_xml(ReservedDisks(paths, managed=managed))))

    told = subprocess.run([validate, str(file), "domain"], capture_output=True, text=True)

    assert (told.returncode, told.stderr) == (0, f"{file} validates\n")


@pytest.fixture(scope="module")
def libvirt() -> Iterator[list[str]]:
    """Start a libvirt daemon of our own; give the command that talks to it."""
    virsh = require("virsh", package="libvirt-clients")
    daemon = require("libvirtd", package="libvirt-daemon")
    require("qemu-system-x86_64", package="qemu-system-x86")
    # Root's daemon is the system's, so root has somebody else start it.
    user = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="v", dir="/tmp") as folder:  # sockets want short paths
        home = Path(folder)
        if user:
            os.chown(home, pwd.getpwnam("nobody").pw_uid, -1)
        environment = {
            "HOME": folder,
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            **{f"XDG_{name}": folder for name in ("RUNTIME_DIR", "CACHE_HOME", "CONFIG_HOME")},
        }
        with open(home / "log", "wb") as log:
            started = subprocess.Popen(
                [daemon, "--timeout", "300"], stderr=log, env=environment, cwd="/", **user
            )
        uri = f"qemu:///session?socket={home}/libvirt/libvirt-sock"
        command = ["env", *(f"{name}={value}" for name, value in environment.items())]
        try:
            while not (home / "libvirt/libvirt-sock").is_socket():
                assert started.poll() is None, (home / "log").read_text()
            yield [*command, virsh, "-q", "-c", uri]
        finally:
            started.send_signal(signal.SIGTERM)
            started.wait(60)


def converted(libvirt: list[str], xml: str) -> str:
    done = subprocess.run(
        [*libvirt, "domxml-to-native", "qemu-argv", "--xml", "/dev/stdin"],
        input=DOMAIN.format(xml).encode(),
        capture_output=True,
        timeout=100,
    )
    assert done.stderr == b""
    return os.fsdecode(done.stdout)


def test_libvirt_makes_qemus_arguments_of_it(libvirt: list[str]) -> None:
    for path in NASTY:
        disks = ReservedDisks((path,), socket="/run/a helper's, <é>.sock")

        found = parse(converted(libvirt, disk_xml(disks)))

        assert found.but(helper_id=disks.helper_id) == disks


@pytest.mark.parametrize("managed", [False, True])
def test_lint_has_nothing_to_say_of_what_libvirt_makes(libvirt: list[str], managed: bool) -> None:
    native = converted(libvirt, disk_xml(ReservedDisks(tuple(NASTY), managed=managed)))

    (report,) = check(native)

    assert native.count("scsi-block") == len(NASTY)
    assert report.findings == ()


def test_libvirt_manages_a_helper_if_it_is_told_to(libvirt: list[str]) -> None:
    found = parse(converted(libvirt, disk_xml(SDB.but(managed=True))))

    assert found.disks == SDB.disks
    assert found.socket.endswith("/pr-helper0.sock")


def test_libvirt_refuses_another_device(libvirt: list[str]) -> None:
    xml = DOMAIN.format(disk_xml(SDB).replace("device='lun'", "device='disk'"))

    done = subprocess.run(
        [*libvirt, "domxml-to-native", "qemu-argv", "--xml", "/dev/stdin"],
        input=xml,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert "<reservations/> allowed only for lun devices" in done.stderr
