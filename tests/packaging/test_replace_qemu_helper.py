"""The command that puts our helper in the place of QEMU's, where it has to refuse.

What it does as root is seen on installed packages: tests/deb.
"""

import os
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "packaging/debian/replace-qemu-helper"
NOBODY = 65534


@pytest.mark.parametrize("arguments", [[], ["--undo"]])
def test_who_is_not_root_is_told_to_be_and_nothing_is_diverted(arguments: list[str]) -> None:
    done = subprocess.run(
        # Whoever that is may not be able to read the checkout.
        ["sh", "-c", PROGRAM.read_text(), PROGRAM.name, *arguments],
        cwd="/",
        capture_output=True,
        text=True,
        user=NOBODY if os.geteuid() == 0 else None,
    )

    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "replace-qemu-helper: cannot divert files: you are not root; put sudo in front\n"
    )


def test_an_option_that_it_does_not_know_is_told_with_the_one_that_it_knows() -> None:
    done = subprocess.run(["sh", PROGRAM, "--udno"], capture_output=True, text=True)

    assert done.returncode == 1
    assert done.stderr == "replace-qemu-helper: usage: replace-qemu-helper [--undo]\n"
