"""What the model refuses, before QEMU has to."""

from typing import Any

import pytest

from command_line_strategies import NASTY
from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.identifiers import check_id, check_node_name
from qemu_pr.command_line.model import ReservedDisks

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"disks": ()}, "disks: there are none"),
    ({"disks": ("",)}, "disk '': an empty path"),
    ({"disks": ("/dev/a\0b",)}, r"disk '/dev/a\x00b': a path cannot hold a zero byte"),
    ({"disks": ("/dev/\ud800",)}, r"disk '/dev/\ud800': no file name"),
    ({"disks": ("/" + "a" * 4095,)}, "4096 bytes long, and Linux takes 4095 at most"),
    ({"disks": ("/dev/sdb", "/dev/sdb")}, "disk '/dev/sdb': given twice"),
    (
        {"disks": ("/dev/sdb", "//dev/./x/../sdb")},
        "disk '//dev/./x/../sdb': the same disk as '/dev/sdb'",
    ),
    ({"disks": ("sdb", "./sdb")}, "disk './sdb': the same disk as 'sdb'"),
    ({"socket": ""}, "socket '': an empty path"),
    ({"socket": "run/helper.sock"}, "socket 'run/helper.sock': not an absolute path"),
    ({"socket": "/run/\0"}, "a path cannot hold a zero byte"),
    ({"socket": "/" + "s" * 107}, "108 bytes long, and Linux takes 107 at most"),
    ({"socket": "/" + "é" * 54}, "109 bytes long, and Linux takes 107 at most"),
    ({"helper_id": ""}, "helper id '': not an identifier to QEMU"),
    ({"helper_id": "0helper"}, "helper id '0helper': not an identifier to QEMU"),
    ({"helper_id": "helper,0"}, "not an identifier to QEMU"),
    ({"helper_id": "hélper"}, "not an identifier to QEMU"),
    ({"helper_id": "helper0\n"}, "not an identifier to QEMU"),
    ({"helper_id": "hd"}, "helper id 'hd': also the id of a disk"),
    ({"disks": ("/dev/sdb", "/dev/sdc"), "helper_id": "hd1"}, "helper id 'hd1': also the id"),
    ({"device": "scsi-hd"}, "device 'scsi-hd': passes no reservations to a helper"),
    ({"device": "scsi-generic", "migrate_pr": True}, "migrate-pr with scsi-generic"),
    ({"device": "scsi-generic", "migrate_pr": False}, "migrate-pr with scsi-generic"),
]


@pytest.mark.parametrize(("values", "expected"), REFUSED)
def test_model_refuses_what_qemu_would_refuse_or_misunderstand(
    values: dict[str, Any], expected: str
) -> None:
    with pytest.raises(CommandLineError) as caught:
        ReservedDisks(**({"disks": ("/dev/sdb",)} | values))

    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"disks": tuple(NASTY)},
        {"disks": ("/" + "a" * 4094,)},
        {"socket": "/" + "s" * 106},
        {"helper_id": "A" * 200},
        {"helper_id": "a.-_9"},
        {"helper_id": "hd0"},
        {"disks": ("/dev/sdb", "/dev/sdc"), "helper_id": "hd"},
    ],
)
def test_model_takes_everything_else(values: dict[str, Any]) -> None:
    disks = ReservedDisks(**({"disks": ("/dev/sdb",)} | values))

    assert all(getattr(disks, name) == value for name, value in values.items())


def test_one_disk_is_hd_and_several_are_numbered() -> None:
    one = ReservedDisks(("/dev/sdb",))
    three = ReservedDisks(("/dev/sdb", "/dev/sdc", "/dev/sdd"))

    assert one.names == ("hd",)
    assert three.names == ("hd0", "hd1", "hd2")


def test_a_node_name_has_31_characters_at_most() -> None:
    check_node_name("node", "a" * 31)
    check_id("id", "a" * 32)

    with pytest.raises(CommandLineError, match="32 characters long, and QEMU takes 31"):
        check_node_name("node", "a" * 32)
