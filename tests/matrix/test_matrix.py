"""``make matrix`` says before it begins what it cannot do here, and copies the whole checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chroot import PROJECT_INSIDE, Chroot
from requirements import require

RUN = (sys.executable, str(Path(__file__).with_name("run.py")))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give privileges up")
def test_a_machine_that_refuses_namespaces_is_told_in_one_line(tmp_path: Path) -> None:
    setpriv = require("setpriv", package="util-linux")
    require("debootstrap", package="debootstrap")
    without = (setpriv, "--inh-caps=-sys_admin", "--bounding-set=-sys_admin")
    directories = (f"--cache={tmp_path}/cache", f"--output={tmp_path}/output")

    done = subprocess.run([*without, *RUN, *directories], capture_output=True, text=True)

    (told,) = done.stderr.splitlines()
    assert (done.returncode, done.stdout) == (1, "")
    assert told.startswith(
        "matrix: this machine refuses a namespace or a mount that a chroot takes"
    )
    assert "(unshare: unshare failed: Operation not permitted)" in told
    assert not any(tmp_path.iterdir())


def test_what_was_built_in_the_checkout_stays_there_and_all_else_is_copied(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for name in ("build/html", ".venv/pip", "packaging/image/build", "Makefile"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()

    Chroot("trixie", tmp_path / "trixie").copy_in(checkout)

    inside = tmp_path / "trixie" / PROJECT_INSIDE[1:]
    copied = {str(one.relative_to(inside)) for one in inside.rglob("*") if one.is_file()}
    assert copied == {"packaging/image/build", "Makefile"}
