"""The subcommand: what it prints, where, and its exit status."""

import argparse
import json
import os

import pytest

from qemu_pr.cli import command_line

DRIVE = rb"""qemu-system-x86_64 \
    -device virtio-scsi \
    -object pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock \
    -drive if=none,id=hd,driver=raw,file.filename=/dev/sdb,file.pr-manager=helper0 \
    -device scsi-block,drive=hd
"""
BLOCKDEV = DRIVE.replace(
    b"-drive if=none,id=hd,driver=raw,file.filename",
    b"-blockdev node-name=hd,driver=raw,file.driver=host_device,file.filename",
)
JSON = rb"""qemu-system-x86_64 \
    -device '{"driver":"virtio-scsi"}' \
    -object '{"qom-type":"pr-manager-helper","id":"pr","path":"/run/pr.sock"}' \
    -blockdev '{"node-name":"hd","driver":"raw","file":"""


def run(*words: str) -> int:
    parser = argparse.ArgumentParser(prog="qemu-pr")
    command_line.add_options(parser)
    args = parser.parse_args(words)
    status: int = args.run(args)
    return status


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["/dev/sdb"], BLOCKDEV), (["--syntax", "drive", "/dev/sdb"], DRIVE)],
)
def test_the_manuals_examples_are_printed(
    capsysbinary: pytest.CaptureFixture[bytes], words: list[str], expected: bytes
) -> None:
    status = run(*words)

    assert (status, *capsysbinary.readouterr()) == (0, expected, b"")


def test_every_option_has_its_effect(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    words = "--syntax json --format argv --socket /run/pr.sock --helper-id pr --program /bin/qemu"

    status = run(*words.split(), "--migrate-pr", "off", "/dev/sdb", "/dev/sdc")

    out, err = capsysbinary.readouterr()
    program, *options = json.loads(out)
    names, values = options[::2], [json.loads(value) for value in options[1::2]]
    host = {"driver": "host_device", "pr-manager": "pr"}
    assert (status, err, program) == (0, b"", "/bin/qemu")
    assert names == ["-device", "-object", "-blockdev", "-device", "-blockdev", "-device"]
    assert values == [
        {"driver": "virtio-scsi"},
        {"qom-type": "pr-manager-helper", "id": "pr", "path": "/run/pr.sock"},
        {"node-name": "hd0", "driver": "raw", "file": host | {"filename": "/dev/sdb"}},
        {"driver": "scsi-block", "drive": "hd0", "migrate-pr": False},
        {"node-name": "hd1", "driver": "raw", "file": host | {"filename": "/dev/sdc"}},
        {"driver": "scsi-block", "drive": "hd1", "migrate-pr": False},
    ]


def test_json_syntax_is_quoted_for_the_shell(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    run("--syntax", "json", "--socket", "/run/pr.sock", "--helper-id", "pr", "/dev/sdb")

    assert capsysbinary.readouterr().out.startswith(JSON)


def test_migrate_pr_goes_to_the_device(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    run("--migrate-pr", "on", "/dev/sdb")

    assert capsysbinary.readouterr().out.endswith(b"-device scsi-block,drive=hd,migrate-pr=on\n")


def test_json_is_the_argument_vector(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    run("--json", "/dev/s,b")
    with_json = capsysbinary.readouterr().out
    run("--format", "argv", "/dev/s,b")
    with_format = capsysbinary.readouterr().out

    assert with_json == with_format
    assert "file.filename=/dev/s,,b" in json.loads(with_json)[6]


def test_bytes_that_are_no_text_are_printed_as_they_came(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    disk = os.fsdecode(b"/dev/\xff")

    run(disk)
    shell = capsysbinary.readouterr().out
    run("--json", disk)
    vector = json.loads(capsysbinary.readouterr().out)

    assert b"file.filename=/dev/\xff,file" in shell
    assert f"file.filename={disk},file" in vector[6]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], "qemu-pr: disk '': an empty path"),
        (["/a", "/a"], "qemu-pr: disk '/a': given twice; name each disk once"),
        (["/a\nb", "/a\nb"], r"qemu-pr: disk '/a\nb': given twice"),
        (["/a", "--socket", "s"], "qemu-pr: socket 's': not an absolute path"),
        (["/a", "--helper-id", "hd"], "qemu-pr: helper id 'hd': also the id of a disk"),
        (["/a", "--program", ""], "qemu-pr: program '': an empty name"),
        (["/a", "--program=-x"], "qemu-pr: program '-x': looks like an option"),
        (["/a", "--program=a\0"], r"qemu-pr: program 'a\x00': a name cannot hold a zero byte"),
        (["/\udcff", "--syntax", "json"], r"qemu-pr: '/\udcff': not UTF-8"),
        (
            ["/a", "--device", "scsi-generic", "--migrate-pr", "on"],
            "qemu-pr: migrate-pr with scsi-generic: QEMU has this property for scsi-block only",
        ),
    ],
)
def test_an_error_is_one_line_and_status_1(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    status = run(*words)

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(expected)


@pytest.mark.parametrize(
    ("device", "disk", "complaint"),
    [
        ("scsi-block", "/dev/sg1", "unwanted /dev/sg*"),
        ("scsi-generic", "/dev/sdb", "SG_GET_SCSI_ID ioctl failed"),
        ("scsi-generic", "/dev/mapper/mpatha", "SG_GET_SCSI_ID ioctl failed"),
    ],
)
def test_a_disk_that_the_device_cannot_take_is_doubted(
    capsys: pytest.CaptureFixture[str], device: str, disk: str, complaint: str
) -> None:
    status = run("--device", device, disk)

    out, err = capsys.readouterr()
    assert status == 0
    assert f"-device {device},drive=hd\n" in out
    assert err.startswith(f"qemu-pr: warning: disk '{disk}': QEMU will refuse it for {device}")
    assert complaint in err


def test_a_relative_disk_is_printed_as_given_and_doubted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    status = run("nbd:disk one,two")

    out, err = capsys.readouterr()
    assert status == 0
    assert "file.filename=nbd:disk one,,two," in out
    assert err.startswith("qemu-pr: warning: disk 'nbd:disk one,two': a relative path")


@pytest.mark.parametrize(
    ("device", "disk"), [("scsi-generic", "/dev/sg1"), ("scsi-block", "/dev/mapper/mpatha")]
)
def test_a_disk_that_the_device_takes_is_not_doubted(
    capsys: pytest.CaptureFixture[str], device: str, disk: str
) -> None:
    run("--device", device, disk)

    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["--format", "libvirt"], b"<controller type='scsi' model='virtio-scsi'/>"),
        (["--format", "qmp"], b'{"execute":"device_add","arguments":{"driver":"virtio-scsi",'),
        (["--format", "qmp", "--undo"], b'{"execute":"device_del","arguments":{"id":"hd"}}'),
        (["--format", "proxmox"], b"args: -device virtio-scsi-pci,id=hd-scsi,bus=pci.0,addr="),
    ],
)
def test_every_format_is_printed(
    capsysbinary: pytest.CaptureFixture[bytes], words: list[str], first: bytes
) -> None:
    status = run(*words, "/dev/sdb")

    out, err = capsysbinary.readouterr()
    assert (status, err) == (0, b"")
    assert out.startswith(first)


def test_the_syntax_is_proxmoxs_choice_too(capsys: pytest.CaptureFixture[str]) -> None:
    run("--format", "proxmox", "--syntax", "drive", "/dev/sdb")

    assert ",file.pr-manager=helper0,file.locking=off -device" in capsys.readouterr().out


def test_disks_go_on_the_bus_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    run("--bus", "scsi0.0", "--name", "quorum", "/dev/sdb")

    out = capsys.readouterr().out
    assert "virtio-scsi" not in out
    assert "node-name=quorum," in out
    assert out.endswith("-device scsi-block,drive=quorum,bus=scsi0.0\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--format", "qmp", "--syntax", "drive"], "--syntax: there is no choice with --format q"),
        (["--format", "proxmox", "--program", "kvm"], "--program: there is no choice with"),
        (["--undo"], "--undo: nothing is done with --format shell; use --format qmp"),
        (["--managed"], "managed: only libvirt starts a helper itself"),
        (["--format", "qmp", "--managed"], "managed: only libvirt starts a helper itself"),
        (["--format", "libvirt", "--helper-id", "x"], "helper id 'x': libvirt chooses it itself"),
        (["--format", "libvirt", "--bus", "b.0"], "bus 'b.0': libvirt chooses it itself"),
        (["--format", "libvirt", "--name", "x"], "name 'x': libvirt chooses it itself"),
        (["--format", "libvirt", "--device", "scsi-generic"], "device 'scsi-generic': libvirt"),
        (["--format", "libvirt", "--managed", "--socket", "/s"], "socket '/s': libvirt chooses"),
        (["--name", "9"], "name '9': not an identifier to QEMU"),
        (["--bus", ""], "bus '': not an identifier to QEMU"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    capsys: pytest.CaptureFixture[str], words: list[str], expected: str
) -> None:
    status = run(*words, "/dev/sdb")

    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (1, "", 1)
    assert err.startswith(f"qemu-pr: {expected}")


@pytest.mark.parametrize("form", ["shell", "argv", "libvirt", "qmp", "proxmox"])
@pytest.mark.parametrize(
    ("disk", "doubt"),
    [
        ("/dev/sdb1", "disk /dev/sdb1, and not /dev/sdb: reservations are made for whole disks"),
        ("/dev/nvme0n1", "disk /dev/nvme0n1: it is no SCSI disk"),
        ("/dev/vdb", "disk /dev/vdb: it is no SCSI disk"),
    ],
)
def test_a_disk_that_lint_would_name_is_doubted(
    capsys: pytest.CaptureFixture[str], form: str, disk: str, doubt: str
) -> None:
    status = run("--format", form, disk)

    out, err = capsys.readouterr()
    assert (status, bool(out), err.count("\n")) == (0, True, 1)
    assert err.startswith(f"qemu-pr: warning: {doubt}")


@pytest.mark.parametrize("disk", ["/dev/sdb", "/dev/mapper/mpatha", "/dev/disk/by-id/wwn-0x6001"])
def test_a_disk_that_lint_would_pass_is_not_doubted(
    capsys: pytest.CaptureFixture[str], disk: str
) -> None:
    run("--format", "libvirt", "--managed", disk)

    assert capsys.readouterr().err == ""
