"""A copy of this checkout, as ``git archive`` gives it, installed without a network."""

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MADE_HERE = (".venv", ".tox", "build", "__pycache__", "*.egg-info", ".*_cache", ".hypothesis")
PROGRAMS = (
    "qemu-pr = qemu_pr.cli.qemu_pr:main",
    "sphinx-build = sphinx.cmd.build:main",
)


def copy_checkout(to: Path, python: str) -> Path:
    """Copy this checkout, and do what ``make`` does to install it.

    The packages that it needs are those of the environment that runs the tests; the programs start
    as pip lets them start.

    Args:
        to: The directory to make.
        python: The interpreter of the environment to make.
    """
    shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(".git", *MADE_HERE))
    environment = to / ".venv"
    subprocess.run([python, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "checkout.pth").write_text(f"{to}/src\n{sysconfig.get_path('purelib')}\n")
    distlib = pytest.importorskip("pip._vendor.distlib.scripts")
    scripts = distlib.ScriptMaker(None, str(environment / "bin"))
    scripts.executable = distlib.enquote_executable(str(environment / "bin/python"))
    scripts.variants = {""}
    scripts.set_mode = True
    scripts.make_multiple(PROGRAMS)
    shutil.copy(to / "packaging/qemu-pr-helper", environment / "bin")
    (environment / "bin/.installed").write_text(f"{to.resolve()}\n")
    return to
