"""Where a block names the manual's disk or socket, and how another is written there."""

import pytest
from docutils import nodes

from qemu_pr.manual.your_disk import Place, _places_of_block, places

SOCKET = "/var/run/qemu-pr-helper.sock"


def told(place: Place) -> str:
    """A place in short: its parts, each path as <whose:how>, and how all is quoted."""
    _, _, parts, quote = place
    written = [part if isinstance(part, str) else f"<{part[0]}:{part[1]}>" for part in parts]
    return "".join(written) + (f" {quote}" if quote else "")


@pytest.mark.parametrize(
    ("language", "text", "found"),
    [
        ("sh", f"chmod g+w {SOCKET}", ["<socket:plain> shell"]),
        ("sh", f"qemu-pr-helper --socket={SOCKET}", ["--socket=<socket:plain> shell"]),
        (
            "shell",
            "qemu \\\n    -drive if=none,file.filename=/dev/sdb,id=a",
            ["if=none,file.filename=<disk:qemu>,id=a shell"],
        ),
        (
            "shell",
            """qemu -blockdev '{"filename":"/dev/sdb","node-name":"hd"}'""",
            ['{"filename":"<disk:json>","node-name":"hd"} shell'],
        ),
        ("json", '{"filename":"/dev/sdb"}', ["<disk:json>"]),
        ("xml", "<source dev='/dev/sdb'/>", ["<disk:xml>"]),
        (
            "none",
            "args: -drive file=/dev/disk/by-id/wwn-0x6001405000000001,if=none -device scsi-block",
            ["file=<disk:qemu>,if=none proxmox"],
        ),
        (
            "console",
            "$ qemu-pr status /dev/sdb\n/dev/sdb: RESERVED by a",
            ["status<socket:option>", "<disk:plain> shell", "<disk:plain>"],
        ),
        (
            "shell",
            "qemu-pr command-line --syntax drive /dev/sdb",
            ["command-line<socket:option>", "<disk:plain> shell"],
        ),
    ],
)
def test_a_place_tells_how_a_path_is_written_there(
    language: str, text: str, found: list[str]
) -> None:
    assert [told(place) for place in places(text, language)] == found


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("sh", "qemu -drive file=/dev/sdb1,if=none"),  # another disk
        ("sh", "qemu -drive file=/dev/sdb,,x,if=none"),  # another one, too
        ("sh", "pcs stonith create f fence_scsi devices=/dev/sdb"),  # a guest's
        ("sh", "qemu -drive file=/dev/sdb,id=$ID"),  # the shell has a say in it
        ("sh", "echo 'an open quote /dev/sdb"),
        ("python", "open('/dev/sdb')"),
        ("none", "Give it /dev/sdb"),
        ("console", "$ ls -l /dev/disk/by-id/x\nx -> /dev/sdb"),  # what a host happens to have
        ("console", "$ cat >a <<EOF\n> /dev/sdb\n> EOF"),
        ("console", "$ qemu-pr lint a.sh\na.sh:1: partition: /dev/sdb : this"),
    ],
)
def test_what_nobody_can_rewrite_is_left_alone(language: str, text: str) -> None:
    assert places(text, language) == []


@pytest.mark.parametrize("place", ["guest", "guest-with-python"])
def test_a_guest_has_names_of_its_own(place: str) -> None:
    text = "$ sg_inq /dev/sdb"

    of_guest = nodes.literal_block(text, text, language="console", classes=[f"in-lab-{place}"])
    of_host = nodes.literal_block(text, text, language="console", classes=["in-lab-paths"])

    assert (_places_of_block(of_guest), len(_places_of_block(of_host))) == ([], 1)


def test_a_command_that_names_its_socket_or_leaves_it_to_libvirt_gets_none() -> None:
    for option in ("--socket /run/pr.sock", "--managed"):
        (place,) = places(f"qemu-pr command-line {option} /dev/sdb", "sh")
        assert told(place) == "<disk:plain> shell"


def test_a_place_begins_where_its_text_does() -> None:
    text = "$ true\n$ qemu-pr doctor /dev/sdb\nok disk: /dev/sdb: a disk\n"

    found = places(text, "console")

    assert len(found) == 3
    assert all(text.startswith(shown, start) for start, shown, _, _ in found)
