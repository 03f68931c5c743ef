"""libvirt and the installed package in the lab's virtual machine, with AppArmor in its kernel."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import PROJECT

LAB = PROJECT / "tests/lab"
TESTS = ("test_installed_package.py", "test_apparmor.py")
# One of them has libvirt's profiles, depending on the release.
PROFILES_OF = ("libvirt-daemon-system", "libvirt-daemon", "libvirt-daemon-driver-qemu")


@pytest.fixture(scope="session")
def profiles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The AppArmor profiles of this computer's libvirt, which the lab runs."""
    folder = tmp_path_factory.mktemp("profiles")
    subprocess.run(["apt-get", "download", "-q", *PROFILES_OF], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder / "etc/apparmor.d"


def test_libvirt_s_guests_reserve_through_it(release: str, package: Path, profiles: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, LAB / "run.py", "--output", PROJECT / "build/lab-package" / release),
            *("--deb", package, "--apparmor", profiles, *(LAB / test for test in TESTS)),
        ],
        env=os.environ | {"QEMU_PR_REQUIRE_ALL": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    assert done.returncode == 0, done.stdout
