"""Command lines read back: ours come back whole, others are understood or refused."""

import json

import pytest
from hypothesis import given

from command_line_strategies import any_path, reserved_disks, text_path
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.formats import argv_json, shell_text
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.command_line.options import Argument, arguments
from qemu_pr.command_line.shell import Word
from qemu_pr.lint.parse import parse

PATHS = {"blockdev": any_path, "drive": any_path, "json": text_path}


@pytest.mark.parametrize("syntax", PATHS)
def test_what_is_rendered_is_parsed_back(syntax: str) -> None:
    @given(disks=reserved_disks(PATHS[syntax]))
    def check(disks: ReservedDisks) -> None:
        assert parse(shell_text(disks, syntax)) == disks
        assert parse(json.loads(argv_json(disks, syntax))) == disks

    check()


CONTROLLER = "-device virtio-scsi"
HELPER = "-object pr-manager-helper,id=helper0,path=/run/h.sock"
NODE = (
    "-blockdev node-name=n,driver=raw,file.driver=host_device,"
    "file.filename=/dev/sdb,file.pr-manager=helper0"
)
DRIVE = "-drive if=none,id=n,file.filename=/dev/sdb,file.pr-manager=helper0"
DEVICE = "-device scsi-block,drive=n"


@pytest.mark.parametrize(
    "options",
    [
        [CONTROLLER, HELPER, NODE, DEVICE],
        [DEVICE, NODE, HELPER, CONTROLLER],
        ["-device virtio-scsi-pci,id=scsi0", HELPER, NODE, DEVICE + ",bus=scsi0.0,lun=3"],
        [CONTROLLER.replace("-", "--", 1), "-" + HELPER, "-" + NODE, "-" + DEVICE],
        ["-device driver=megasas", HELPER, NODE, "-device drive=n,driver=scsi-block"],
        [CONTROLLER, HELPER.replace("pr-", "qom-type=pr-", 1), NODE, DEVICE],
        [CONTROLLER, HELPER, DRIVE, DEVICE],
        [CONTROLLER, HELPER, DRIVE + ",file.driver=host_device,format=raw", DEVICE],
        [CONTROLLER, HELPER, DRIVE.replace("file.filename", "file"), DEVICE],
        [CONTROLLER, HELPER, DRIVE + ",node-name=m", DEVICE.replace("=n", "=m")],
        # libvirt's way: the protocol node by itself, with a format node on it or without
        [
            CONTROLLER,
            HELPER,
            "-blockdev host_device,node-name=p,filename=/dev/sdb,pr-manager=helper0",
            '-blockdev \'{"node-name":"n","driver":"raw","file":"p"}\'',
            DEVICE,
        ],
        [
            CONTROLLER,
            HELPER,
            '-blockdev \'{"node-name":"n","driver":"host_device",'
            '"filename":"/dev/sdb","pr-manager":"helper0"}\'',
            '-device \'{"driver":"scsi-block","drive":"n","lun":1}\'',
        ],
        # what has nothing to do with reservations, expansions included
        [
            "-enable-kvm -m $MEMORY -name a,b -drive file=$ROOT,if=virtio os.img",
            "-object memory-backend-ram,id=m,size=1G -device e1000,netdev=x",
            "-blockdev node-name=o,driver=raw,file.driver=file,file.filename=o.img",
            "-device scsi-hd,drive=o -device scsi-block,drive=o -append -S",
            CONTROLLER,
            HELPER,
            NODE,
            DEVICE,
        ],
    ],
)
def test_the_ways_to_say_the_same_are_understood(options: list[str]) -> None:
    text = " \\\n  ".join(["sudo qemu-system-x86_64", *options])

    assert parse(text) == ReservedDisks(("/dev/sdb",), socket="/run/h.sock")


@pytest.mark.parametrize(("word", "expected"), [("on", True), ("yes", True), ("off", False)])
def test_migrate_pr_is_read_in_all_its_spellings(word: str, expected: bool) -> None:
    text = " ".join(["qemu", CONTROLLER, HELPER, NODE, f"{DEVICE},migrate-pr={word}"])

    assert parse(text).migrate_pr is expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "disks: no scsi-block or scsi-generic device"),
        ([HELPER, NODE, DEVICE], "there is no SCSI bus for the disk"),
        ([CONTROLLER, NODE, DEVICE], "file.pr-manager=helper0: there is no manager"),
        *(
            (
                [CONTROLLER, HELPER, NODE.replace("=helper0", f"={unknown}"), DEVICE],
                f"={unknown}': {unknown} stands for the id of a manager; write the id out",
            )
            for unknown in ("$ID", "{{id}}", "h}elp`r0")
        ),
        ([CONTROLLER, HELPER, DEVICE], "no disk names the manager"),
        ([CONTROLLER, HELPER, NODE], "no -device has the disk"),
        (
            [CONTROLLER, HELPER, NODE, DEVICE.replace("scsi-block", "scsi-hd")],
            "QEMU emulates a disk and answers reservations itself",
        ),
        (
            [CONTROLLER, HELPER, NODE, "-device scsi-block"],
            "-device scsi-block: no drive",
        ),
        (
            [CONTROLLER, HELPER, NODE.replace("file.pr-manager", "pr-manager"), DEVICE],
            "only the node that opens the disk knows pr-manager",
        ),
        (
            [CONTROLLER, HELPER, DRIVE.replace("file.pr-manager", "pr-manager"), DEVICE],
            "only the node that opens the disk knows pr-manager",
        ),
        (
            [CONTROLLER, HELPER, NODE.replace("host_device", "file"), DEVICE],
            "file.driver=file: of QEMU's block drivers only host_device",
        ),
        (
            [CONTROLLER, HELPER, NODE.replace("file.driver=host_device,", ""), DEVICE],
            "no file.driver: of QEMU's block drivers only host_device",
        ),
        (
            [CONTROLLER, HELPER, NODE.replace("file.filename=/dev/sdb,", ""), DEVICE],
            "file.filename is missing",
        ),
        (
            [CONTROLLER, HELPER, DRIVE.replace("if=none,", ""), DEVICE],
            "without if=none QEMU emul",
        ),
        ([CONTROLLER, HELPER, NODE.replace("=n,", "=1n,"), DEVICE], "'1n': not an identifier"),
        ([CONTROLLER, HELPER, NODE.replace("=n,", f"={'n' * 32},")], "QEMU takes 31 at most"),
        (
            [CONTROLLER, "-object pr-manager-helper,id"],
            "line 3: -object: 'id': no key=value",
        ),
        ([CONTROLLER, "-object pr-manager-helper,id=0,path=/x"], "id '0': not an identifier"),
        ([CONTROLLER, "-object pr-manager-helper,path=/x"], "id is missing"),
        (
            [CONTROLLER, HELPER.replace(",path=/run/h.sock", ""), NODE, DEVICE],
            "no path: QEMU needs",
        ),
        ([CONTROLLER, HELPER, HELPER, NODE, DEVICE], "'helper0' again: the name is taken already"),
        ([CONTROLLER, HELPER, NODE, DRIVE, DEVICE], "'n' again: the name is taken already"),
        ([CONTROLLER, HELPER, NODE, DEVICE, DEVICE], "disk '/dev/sdb': given twice"),
        (
            [CONTROLLER, HELPER.replace("=/", "="), NODE, DEVICE],
            "path=run/h.sock: QEMU needs the absolute path",
        ),
        (
            [CONTROLLER, HELPER, NODE.replace("/dev/sdb", "/dev/$DISK"), DEVICE],
            "the shell would expand the $",
        ),
        ([CONTROLLER, HELPER, NODE, DEVICE + ",migrate-pr=maybe"], "migrate-pr='maybe'"),
        ([CONTROLLER, HELPER, NODE, "-device"], "-device: has no value"),
        (
            [
                *(CONTROLLER, HELPER, NODE, DEVICE),
                HELPER.replace("helper0", "helper1"),
                NODE.replace("=n,", "=m,").replace("sdb", "sdc").replace("helper0", "helper1"),
                DEVICE.replace("=n", "=m"),
            ],
            "helper: helper0 for one disk and helper1 for another",
        ),
        (
            [
                *(CONTROLLER, HELPER, NODE, DEVICE),
                NODE.replace("=n,", "=m,").replace("sdb", "sg1"),
                "-device scsi-generic,drive=m",
            ],
            "device: scsi-block for one disk and scsi-generic for another",
        ),
    ],
)
def test_what_qemu_would_refuse_is_named(options: list[str], expected: str) -> None:
    text = " \\\n  ".join(["qemu-system-x86_64", *options])

    with pytest.raises(CommandLineError) as caught:
        parse(text)

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_names_the_line_and_the_option() -> None:
    text = " \\\n".join(["qemu", CONTROLLER, HELPER, NODE, "-device scsi-block,drive=x"])

    with pytest.raises(CommandLineError) as caught:
        parse(text)

    assert str(caught.value).startswith("line 5: -device scsi-block,drive=x: no -blockdev")


def test_an_argument_vector_has_no_lines_to_name() -> None:
    with pytest.raises(CommandLineError) as caught:
        parse(["qemu", "-device", "virtio-scsi", "-object", "pr-manager-helper"])

    assert str(caught.value) == "-object 'pr-manager-helper': id is missing"


def test_the_published_page_is_told_what_it_lacks() -> None:
    text = f"qemu-system-x86_64\n    {CONTROLLER} \\\n    {HELPER}\n    {DRIVE}\n    {DEVICE}"

    with pytest.raises(CommandLineError, match="line 1: no backslash at its end"):
        parse(text)


@pytest.mark.parametrize("nothing", ["", " \n# a comment\n", []])
def test_nothing_is_no_command_line(nothing: str | list[str]) -> None:
    with pytest.raises(CommandLineError, match="command line: empty"):
        parse(nothing)


def test_only_options_that_wire_disks_take_a_value_that_looks_like_an_option() -> None:
    words = [Word(text) for text in ["qemu", "--device", "-x", "-S", "-m", "1", "disk.img", "-S"]]

    assert list(arguments(words)) == [
        Argument("device", Word("-x"), 1),
        Argument("S", None, 1),
        Argument("m", Word("1"), 1),
        Argument("S", None, 1),
    ]
