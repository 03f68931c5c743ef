"""Both programs in one file: what `make zipapp` builds."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from running_helper import running_helper

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive, built in a copy of the checkout."""
    checkout = tmp_path_factory.mktemp("checkout")
    shutil.copy(PROJECT / "Makefile", checkout)
    shutil.copytree(PROJECT / "src", checkout / "src")
    shutil.copytree(PROJECT / "packaging/zipapp", checkout / "packaging/zipapp")
    command = ["make", "-C", checkout, "zipapp", f"PYTHON={sys.executable}"]
    subprocess.run(command, check=True, capture_output=True)
    return checkout / "build/qemu-pr.pyz"


def test_it_certifies_a_disk_with_nothing_of_the_package_around_it(archive, disk, state):
    command = [sys.executable, "-I", "-S", archive, "validate", disk, "--simulate", state, "--yes"]

    done = subprocess.run(
        [*command, "--profile=live-migration"], capture_output=True, text=True, cwd="/"
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("live-migration: works\n")


@pytest.mark.parametrize("name", ["qemu-pr-helper", None])
def test_it_is_the_helper_by_name_or_by_its_first_word(archive, disk, state, tmp_path, name):
    command = [sys.executable, str(archive), "helper"]
    if name:
        (tmp_path / name).symlink_to(archive)
        command = [sys.executable, str(tmp_path / name)]
    socket = f"{tmp_path}/pr.sock"

    with running_helper(command, socket, "--simulate", str(state)):
        persist = [sys.executable, archive, "persist", "-n", "--socket", socket]
        done = subprocess.run([*persist, disk], capture_output=True, text=True)

    assert done.stdout == "  PR generation=0x0, there are NO registered reservation keys\n"


# A real one is on few hosts: what no newer Python may have in it is seen from the grammar of 3.4.
AN_OLDER_PYTHON = """\
import ast, runpy, sys, zipfile
archive = sys.argv[0] = sys.argv[1]
ast.parse(zipfile.ZipFile(archive).read("__main__.py"), feature_version=(3, 4))
sys.version_info = (3, 9, 2)
runpy.run_path(archive, run_name="__main__")
"""


def test_an_older_python_says_what_it_needs(archive):
    done = subprocess.run(
        [sys.executable, "-c", AN_OLDER_PYTHON, archive], capture_output=True, text=True
    )

    assert done.stderr == (
        "qemu-pr: this is Python 3.9, and it needs 3.11 or newer: install one, and name it:"
        f" python3.11 {archive}\n"
    )
    assert done.returncode == 2  # and not 1, which is a disk that deviates


def test_it_is_executable_and_has_no_file_of_the_manual(archive):
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", archive], capture_output=True, text=True
    ).stdout

    assert archive.stat().st_mode & 0o777 == 0o755
    assert "qemu_pr/validate/checks.py" in listed
    assert "qemu_pr/manual" not in listed
    assert "verified_examples" not in listed
    assert "__pycache__" not in listed
