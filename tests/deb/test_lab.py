"""libvirt and the installed package in the lab's virtual machine."""

import os
import subprocess
import sys
from pathlib import Path

from conftest import PROJECT

LAB = PROJECT / "tests/lab"
TEST = LAB / "test_installed_package.py"


def test_libvirt_s_guests_reserve_through_it(release: str, package: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, LAB / "run.py", "--output", PROJECT / "build/lab-package" / release),
            *("--deb", package, TEST),
        ],
        env=os.environ | {"QEMU_PR_REQUIRE_ALL": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert done.returncode == 0, done.stdout
