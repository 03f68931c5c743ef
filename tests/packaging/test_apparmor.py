"""AppArmor's compiler takes what the package says about libvirt, and finds in it what it needs."""

import re
import subprocess
from pathlib import Path

import pytest

from qemu_pr.systemd_units import Units, render
from requirements import require

RULES = Path(__file__).parents[2] / "packaging/apparmor"
LIBVIRT_PAGE = Path(__file__).parents[2] / "docs/howto/libvirt.rst"

# As libvirt's profiles include what an administrator adds.
PROFILE = 'profile like-libvirt {{\n  include "{}"\n}}\n'


def compiled(profile: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    parser = require("apparmor_parser", package="apparmor")
    path = tmp_path / "profile"
    path.write_text(profile)
    # Compiled with no kernel to load it, and no cache.
    return subprocess.run(
        [parser, "--skip-kernel-load", "--skip-cache", "--debug", path],
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("name", ["libvirt-qemu", "libvirtd"])
def test_the_compiler_takes_each_file(name: str, tmp_path: Path) -> None:
    done = compiled(PROFILE.format(RULES / name), tmp_path)

    assert done.returncode == 0, done.stderr


def test_a_rule_that_is_wrong_is_found(tmp_path: Path) -> None:
    (tmp_path / "rules").write_text("/run/qemu-pr-helper.sock rwz,\n")

    assert compiled(PROFILE.format(tmp_path / "rules"), tmp_path).returncode != 0


def test_the_socket_is_that_of_the_units() -> None:
    unit = render(Units("/usr/sbin/qemu-pr-helper", "/run/qemu-pr-helper.sock"))
    (socket,) = re.findall("ListenStream=(.*)", unit["qemu-pr-helper.socket"])

    assert f"\n{socket} rw,\n" in (RULES / "libvirt-qemu").read_text()


def test_the_manual_says_the_same() -> None:
    page = LIBVIRT_PAGE.read_text()

    for name in ("libvirt-qemu", "libvirtd"):
        rules = [
            line for line in (RULES / name).read_text().splitlines() if line and line[0] == "/"
        ]
        assert rules[0] in page
