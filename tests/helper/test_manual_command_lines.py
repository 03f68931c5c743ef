"""Real QEMU takes the subject page's own command lines, and finds our helper with them.

The scsi-block device needs a real SCSI disk, so it is left out here; the lab runs all of it.
"""

import json
import re
import shlex
import subprocess
import textwrap
from pathlib import Path

import pytest

from helper_process import PYTHON_HELPER, started
from qemu_pr.command_line.formats import shell_text
from qemu_pr.command_line.model import ReservedDisks
from requirements import require

PAGE = Path(__file__).parents[2] / "docs/pr-manager.rst"
BLOCK = re.compile(
    r"^( *)\.\. verified:: shell\n\1   :printed-by: .*\n\n((?:\1   .*\n)+)", re.MULTILINE
)
COMMAND_LINES = [textwrap.dedent(block) for _, block in BLOCK.findall(PAGE.read_text())]

SYNTAXES = ["blockdev", "drive", "json"]

# What stands for the disk: QEMU's host_device takes any device, and anyone may open this one.
DEVICE = "/dev/null"
PAUSED = ("-S", "-nodefaults", "-display", "none", "-qmp", "stdio")


def adapted(command_line: str, socket: str) -> list[str]:
    """Paste the text into a shell's place; put this test's disk and socket for those it names."""
    pasted = command_line.replace("/dev/sdb", DEVICE).replace(
        "/var/run/qemu-pr-helper.sock", socket
    )
    words = shlex.split(pasted.replace("\\\n", " "))
    assert words[-2] == "-device"
    assert "scsi-block" in words[-1]
    return words[:-2]


def test_page_has_the_command_line_in_every_syntax() -> None:
    disks = ReservedDisks(("/dev/sdb",))

    assert [f"{shell_text(disks, syntax)}\n" for syntax in SYNTAXES] == COMMAND_LINES


@pytest.mark.parametrize("command_line", COMMAND_LINES, ids=SYNTAXES)
def test_qemu_takes_the_command_line_and_connects_to_the_helper(
    command_line: str, path: str
) -> None:
    require("qemu-system-x86_64", package="qemu-system-x86")
    commands = ("qmp_capabilities", "query-pr-managers", "query-named-block-nodes", "quit")

    with started(PYTHON_HELPER, path):
        done = subprocess.run(
            [
                *adapted(command_line, path),
                "-S",
                "-display",
                "none",
                "-nodefaults",
                "-qmp",
                "stdio",
            ],
            input="".join(json.dumps({"execute": command}) for command in commands),
            capture_output=True,
            text=True,
            timeout=60,
        )

    answers = [json.loads(line) for line in done.stdout.splitlines()]
    _, managers, nodes, _ = (answer["return"] for answer in answers if "return" in answer)
    assert done.stderr == ""
    assert managers == [{"id": "helper0", "connected": True}]
    assert {node["drv"]: node["file"] for node in nodes} == {"host_device": DEVICE, "raw": DEVICE}
