"""Each fault alone: it is found, nothing else is, and the corrected text is what is right."""

import json
import os
from pathlib import Path

import pytest

from qemu_pr.command_line.formats import shell_text
from qemu_pr.command_line.libvirt import disk_xml
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.host.block_devices import OF_NO_HOST, BlockDevices
from qemu_pr.lint.check import Report, check
from qemu_pr.lint.faults import FAULTS
from qemu_pr.lint.parse import parse
from test_injected_faults import IN_DRIVES, IN_LINES, IN_NODES, IN_OPTIONS

SDA = ReservedDisks(("/dev/sda",))
CONTROLLER = "-device virtio-scsi"
HELPER = "-object pr-manager-helper,id=helper0,path=/run/h.sock"
STORAGE = "-blockdev host_device,node-name=s,filename=/dev/sdb,pr-manager=helper0"
FORMAT = "-blockdev raw,node-name=f,file=s"
NODE = (
    "-blockdev node-name=f,driver=raw,file.driver=host_device,"
    "file.filename=/dev/sdb,file.pr-manager=helper0"
)
DEVICE = "-device scsi-block,drive=f"


def only_report(text: str) -> Report:
    (report,) = check(text)
    return report


def names(report: Report) -> list[str]:
    return [one.fault.name for one in report.findings]


INJECTED = {
    **{name: ("blockdev", inject) for name, inject in (IN_OPTIONS | IN_LINES | IN_NODES).items()},
    **{name: ("drive", inject) for name, inject in IN_DRIVES.items()},
}


@pytest.mark.parametrize("name", INJECTED)
def test_one_fault_is_one_finding(name: str) -> None:
    syntax, inject = INJECTED[name]
    right = shell_text(SDA, syntax)
    wrong = inject(right)

    report = only_report(wrong)

    assert names(report) == [name]
    assert report.corrected.split() == right.split() or names(only_report(report.corrected)) == []


# What is wrong, and what each wrong option becomes.
OTHERS = [
    ([HELPER, STORAGE, FORMAT, DEVICE], ["no-controller"]),
    ([CONTROLLER, STORAGE, FORMAT, DEVICE], ["no-manager"]),
    ([CONTROLLER, HELPER, HELPER, STORAGE, FORMAT, DEVICE], ["duplicate-id"]),
    ([CONTROLLER, HELPER, NODE, NODE, DEVICE], ["duplicate-id"]),
    ([CONTROLLER, HELPER, NODE, "-device scsi-block"], ["unknown-disk"]),
    ([CONTROLLER, HELPER, NODE, "-device scsi-block,drive=x"], ["unknown-disk"]),
    ([CONTROLLER, HELPER.replace(",path=/run/h.sock", ""), NODE, DEVICE], ["socket-path"]),
    ([CONTROLLER, HELPER + "x" * 100, NODE, DEVICE], ["socket-path"]),
    ([CONTROLLER, HELPER, NODE.replace("sdb", "sg1"), DEVICE], ["wrong-device-file"]),
    (
        [CONTROLLER, HELPER, NODE, DEVICE.replace("block", "generic")],
        ["wrong-device-file"],
    ),
    ([CONTROLLER, HELPER.replace("id=", "id,"), NODE, DEVICE], ["unreadable-option", "no-manager"]),
    ([CONTROLLER, HELPER, NODE, DEVICE + " -name 'a"], ["open-quote"]),
    (
        [CONTROLLER, HELPER, STORAGE + ",read-only=on", FORMAT + ",read-only=on", DEVICE],
        ["read-only", "read-only"],
    ),
    (
        [CONTROLLER, HELPER, STORAGE.replace("host_device", "file"), FORMAT, DEVICE],
        ["not-host-device"],
    ),
    (
        [
            CONTROLLER,
            HELPER,
            STORAGE.replace(",pr-manager=helper0", ""),
            FORMAT + ",pr-manager=helper0",
            DEVICE,
        ],
        ["format-node"],
    ),
    (
        [CONTROLLER, HELPER, "-drive if=virtio,file=/dev/sdb,file.pr-manager=helper0"],
        ["drive-interface"],
    ),
    (
        [HELPER, "-drive file=/dev/sdb,file.pr-manager=helper0"],
        ["drive-interface"],
    ),
    (
        [CONTROLLER, HELPER, "-drive if=none,id=f,file=/dev/sdb", DEVICE],
        ["unused-manager"],
    ),
    ([CONTROLLER, HELPER, "-hda disk.img"], ["unused-manager"]),
    ([CONTROLLER, HELPER.replace("path", "connected-socket"), NODE, DEVICE], ["unknown-property"]),
    ([CONTROLLER, HELPER + ",server=on", NODE, DEVICE], ["unknown-property"]),
    (
        [
            CONTROLLER,
            HELPER,
            NODE.replace(",file.pr-manager=helper0", ""),
            DEVICE + ",pr-manager=helper0",
        ],
        ["manager-on-device"],
    ),
    ([CONTROLLER, HELPER, NODE], ["no-device"]),
    (
        [HELPER, "-blockdev driver=host_device,filename=/dev/sdb,pr-manager=helper0"],
        ["no-device"],
    ),
    ([HELPER, "-drive file=/dev/sdb,if=none,id=f,file.pr-manager=helper0"], ["no-device"]),
    (
        [CONTROLLER, "-drive file=/dev/sdb,if=none,id=f", DEVICE],
        ["no-reservations"],
    ),
    ([CONTROLLER, HELPER, NODE.replace("raw", "qcow2"), DEVICE], ["image-format"]),
    ([CONTROLLER, HELPER, NODE.replace("/dev/sdb", "/dev/nvme0n1"), DEVICE], ["not-scsi"]),
    (
        [CONTROLLER, HELPER, NODE.replace("/dev/sdb", "/srv/shared.img"), DEVICE],
        ["not-host-device"],
    ),
]


@pytest.mark.parametrize(("options", "expected"), OTHERS)
def test_other_ways_to_be_wrong(options: list[str], expected: list[str]) -> None:
    report = only_report(" ".join(["qemu-kvm", *options]))

    assert sorted(names(report)) == sorted(expected)


@pytest.mark.parametrize(
    ("options", "corrected"),
    [
        (
            [CONTROLLER, HELPER, STORAGE, FORMAT, "-device scsi-hd,drive=f,bus=b.0,lun=1,serial=x"],
            [CONTROLLER, HELPER, STORAGE, FORMAT, "-device scsi-block,drive=f,bus=b.0,lun=1"],
        ),
        (
            [CONTROLLER, HELPER, STORAGE, FORMAT, "-device scsi-block,drive=x"],
            [CONTROLLER, HELPER, STORAGE, FORMAT, "-device scsi-block,drive=f"],
        ),
        (
            [
                CONTROLLER,
                HELPER,
                STORAGE.replace(",pr-manager=helper0", ""),
                FORMAT + ",pr-manager=helper0",
                DEVICE,
            ],
            [CONTROLLER, HELPER, STORAGE, FORMAT, DEVICE],
        ),
        (
            [CONTROLLER, HELPER, STORAGE.replace(",pr-manager=helper0", ""), FORMAT, DEVICE],
            [CONTROLLER, HELPER, STORAGE, FORMAT, DEVICE],
        ),
        (
            [HELPER, "-drive file=/dev/sdb,file.pr-manager=helper0"],
            [
                CONTROLLER,
                HELPER,
                "-drive file=/dev/sdb,file.pr-manager=helper0,if=none,id=hd",
                DEVICE.replace("=f", "=hd"),
            ],
        ),
        (
            [CONTROLLER, HELPER, NODE.replace("/dev/sdb", "/dev/nvme0n1p3"), DEVICE],
            [CONTROLLER, HELPER, NODE.replace("/dev/sdb", "/dev/nvme0n1"), DEVICE],
        ),
        (
            [
                CONTROLLER,
                HELPER,
                NODE.replace("/dev/sdb", "$DISK").replace("file.pr", "pr"),
                DEVICE,
            ],
            [CONTROLLER, HELPER, f'"{NODE[10:]}"'.replace("/dev/sdb", "$DISK"), DEVICE],
        ),
    ],
)
def test_what_is_right_is_written_in_place(options: list[str], corrected: list[str]) -> None:
    report = only_report(" ".join(["qemu-kvm", *options, "-m 1G"]))

    expected = " ".join(["qemu-kvm", *corrected, "-m 1G"])
    assert report.corrected == expected.replace(' "', ' -blockdev "')


def test_json_is_corrected_in_json() -> None:
    node = {
        "node-name": "f",
        "driver": "raw",
        "read-only": True,
        "pr-manager": "helper0",
        "file": {"driver": "host_device", "filename": "/dev/sdb", "cache": {"direct": True}},
    }
    text = f"qemu-kvm {CONTROLLER} {HELPER} -blockdev '{json.dumps(node)}' {DEVICE}"

    report = only_report(text)

    del node["read-only"], node["pr-manager"]
    node["file"]["pr-manager"] = "helper0"  # type: ignore[index]
    words = report.corrected.split(" -blockdev ")[1].removesuffix(f" {DEVICE}")
    assert sorted(names(report)) == ["format-node", "read-only"]
    assert json.loads(words.strip("'")) == node


def test_a_socket_that_no_helper_of_the_text_has() -> None:
    text = f"qemu-pr-helper -d -k /run/pr.sock\nqemu-kvm {CONTROLLER} {HELPER} {NODE} {DEVICE}\n"

    report = only_report(text)

    assert names(report) == ["other-socket"]
    assert "path=/run/pr.sock" in report.corrected


@pytest.mark.parametrize(
    "helper",
    [
        "qemu-pr-helper -d -k /run/h.sock",
        "# /usr/bin/qemu-pr-helper --socket=/var/run/h.sock",
        "    $ sudo qemu-pr-helper -dk '/run/h.sock'",
        "qemu-pr-helper -k /run/other.sock\nqemu-pr-helper -k /run/h.sock",
        "qemu-pr-helper -k $SOCKET",
        "qemu-pr-helper -k /tmp/x --simulate state.db",
        "ListenStream=/run/h.sock",
        "The qemu-pr-helper must be running.",
    ],
)
def test_a_socket_that_a_helper_has_or_may_have(helper: str) -> None:
    report = only_report(f"{helper}\n\nqemu-kvm {CONTROLLER} {HELPER} {NODE} {DEVICE}\n")

    assert names(report) == []


@pytest.mark.parametrize(
    ("path", "disk"),
    [
        ("/dev/sdb", None),
        ("/dev/sdb1", "/dev/sdb"),
        ("/dev/sdab12", "/dev/sdab"),
        ("/dev/nvme9n9p2", "/dev/nvme9n9"),
        ("/dev/nvme9n9", None),
        ("/dev/disk/by-id/wwn-0x6001-part2", "/dev/disk/by-id/wwn-0x6001"),
        ("/dev/disk/by-id/wwn-0x6001", None),
        ("/dev/mapper/mpathc1", "/dev/mapper/mpathc"),
        ("/dev/mapper/mpathcp1", "/dev/mapper/mpathc"),
        ("/dev/mapper/mpathc-part1", "/dev/mapper/mpathc"),
        ("/dev/mapper/mpathc", None),
        ("/dev/mapper/36001405", None),
        ("/dev/sg1", None),
        ("/dev/dm-1", None),
        ("", None),
        ("/dev/a\0", None),
    ],
)
def test_a_partition_is_known_by_its_name(path: str, disk: str | None) -> None:
    assert OF_NO_HOST.disk_of_partition(path) == disk


class MadeUp(BlockDevices):
    """Another /sys, as there is neither a partition nor a map here."""

    def sysfs(self, path: str) -> Path | None:
        assert self.root is not None
        return self.root / os.path.basename(path)


def test_what_the_kernel_knows_of_partitions_counts(tmp_path: Path) -> None:
    (tmp_path / "disks/sdx/sdx1").mkdir(parents=True)
    (tmp_path / "disks/sdx/sdx1/partition").touch()
    (tmp_path / "data").symlink_to("disks/sdx/sdx1")
    (tmp_path / "mpathc1").mkdir()

    kernel = MadeUp(tmp_path)

    assert kernel.disk_of_partition("/dev/disk/by-label/data") == "/dev/sdx"
    assert kernel.disk_of_partition("/dev/mapper/mpathc1") is None


@pytest.fixture
def one_path(tmp_path: Path) -> BlockDevices:
    """A host whose /dev/sdb is one path of a map."""
    for holder, uuid in (("dm-0", "LVM-abc"), ("dm-1", "mpath-36001405")):
        (tmp_path / f"sdb/holders/{holder}/dm").mkdir(parents=True)
        (tmp_path / f"sdb/holders/{holder}/dm/uuid").write_text(f"{uuid}\n")
        (tmp_path / f"sdb/holders/{holder}/dm/name").write_text(f"yellow-{holder}\n")
    return MadeUp(tmp_path)


ON_SDB = f"qemu-kvm {CONTROLLER} {HELPER} {NODE} {DEVICE}"


def test_one_path_of_a_map_is_not_the_map(one_path: BlockDevices) -> None:
    (report,) = check(ON_SDB, one_path)

    assert names(report) == ["one-path"]
    assert report.corrected == ON_SDB.replace("/dev/sdb", "/dev/mapper/yellow-dm-1")


def test_a_disk_with_a_volume_group_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "sdb/holders/dm-0/dm").mkdir(parents=True)
    (tmp_path / "sdb/holders/dm-0/dm/uuid").write_text("LVM-abc\n")

    assert MadeUp(tmp_path).map_of_path("/dev/sdb") is None


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("device='lun'", "device='disk'", "emulated-disk"),
        ("bus='scsi'", "bus='virtio'", "emulated-disk"),
        ("path='/var/run/qemu-pr-helper.sock' ", "", "socket-path"),
        ("/dev/sda'", "/dev/sda1'", "partition"),
        ("type='block'", "type='file'", "not-host-device"),
        ("type='raw'", "type='qcow2'", "image-format"),
        ("    <reservations managed='no'", "    <reservations", "managed"),
        ("mode='client'", "mode='server'", "managed"),
        ("<target", "<readonly/>\n  <target", "read-only"),
        ("device='lun'", "device=\n 'disk'", "emulated-disk"),
    ],
)
def test_libvirts_xml_is_corrected_in_place(old: str, new: str, fault: str) -> None:
    controller, _, disk = disk_xml(SDA).partition("\n")

    report = only_report(f"<devices>\n  {controller}\n{disk.replace(old, new)}\n</devices>\n")

    assert names(report) == [fault]
    assert parse(f"{controller}\n{report.corrected}") == SDA
    assert report.corrected.count("\n") == disk.count("\n") + new.count("\n 'disk'")


@pytest.mark.parametrize("elsewhere", ["<driver name='qemu' type='raw'/>", "</source>"])
def test_reservations_are_moved_where_libvirt_reads_them(elsewhere: str) -> None:
    controller, _, disk = disk_xml(SDA).partition("\n")
    start, end = disk.index("    <reservations"), disk.index("  </source>")
    without = disk[:start] + disk[end:]
    moved = without.replace(elsewhere, f"{elsewhere}\n{disk[start:end].rstrip()}")

    report = only_report(moved)

    assert names(report) == ["misplaced-reservations"]
    assert parse(f"{controller}\n{report.corrected}") == SDA


def test_a_managers_socket_without_its_source_is_the_usual_one() -> None:
    _, _, disk = disk_xml(SDA).partition("\n")
    start, end = disk.index("managed='no'>") + 12, disk.index("  </source>")

    report = only_report(disk[:start] + "/>\n" + disk[end:])

    assert names(report) == ["managed"]
    assert report.corrected == disk


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        (f"{HELPER} {NODE}", "no-device"),
        (f"{CONTROLLER} -drive file=/dev/sdb,if=none,id=f {DEVICE}", "no-reservations"),
        ('"-object", "pr-manager-helper,id=x,path=" + path', "not-read"),
        ("Somebody of QEMU says pr-manager.", "not-read"),
    ],
)
def test_what_may_be_a_part_is_a_hint(text: str, hint: str) -> None:
    report = only_report(text)

    assert (names(report), report.corrected) == ([], "")
    assert [one.fault.name for one in report.hints] == [hint]


@pytest.mark.parametrize("path", ["other.sock", "run/x.sock", "./y"])
def test_where_a_socket_is_nobody_can_know(path: str) -> None:
    helper = HELPER.replace("/run/h.sock", path)

    report = only_report(f"qemu-kvm {CONTROLLER} {helper} {NODE} {DEVICE}")

    assert (names(report), report.corrected) == (["socket-path"], "")


def test_a_remedy_that_changes_nothing_is_left_out() -> None:
    """A node that one option names twice stays twice, and no text is printed for it."""
    report = only_report(f"qemu-kvm {CONTROLLER} {HELPER} {NODE} {NODE} {DEVICE}")

    assert (report.corrected, report.left) == ("", ("duplicate-id",))


def test_a_disk_without_a_name_is_not_on_the_controller() -> None:
    """It was, because a controller names no disk either: a fault in line 0, where nothing is."""
    unnamed = disk_xml(SDA).replace(" dev='sda'", "")

    (report,) = check(unnamed.replace("lun", "disk"))

    assert [(one.fault.name, one.place.line) for one in report.findings] == [("emulated-disk", 2)]


def test_every_fault_is_tested() -> None:
    tested = {*INJECTED, "other-socket", "one-path", "misplaced-reservations", "managed"}
    tested |= {one for _, many in OTHERS for one in many} | {"not-read"}

    assert {fault.name for fault in FAULTS} == tested
