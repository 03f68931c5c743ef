"""``make`` says what it does, and what to do where it cannot."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from checkout import ROOT
from requirements import require

MAKEFILE = (ROOT / "Makefile").read_text()


def make(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [require("make", package="make"), *arguments], cwd=directory, capture_output=True, text=True
    )


def test_help_names_every_target() -> None:
    (targets,) = re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)
    of_others = {"manual", "html", "man"}  # steps of make alone

    told = make(ROOT, "help").stdout

    assert (
        set(re.findall(r"^make ([\w-]+) +", told, re.MULTILINE)) == set(targets.split()) - of_others
    )
    assert "PYTHON=" in told


@pytest.fixture
def moved(tmp_path: Path) -> Path:
    """A checkout that make has installed in another place."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/.installed").write_text("/where/it/was\n")
    return tmp_path


@pytest.mark.parametrize("target", [(), ("doctest",), ("test",), ("clean", "html")])
def test_a_checkout_that_was_moved_is_told_what_to_do(moved: Path, target: tuple[str]) -> None:
    done = make(moved, *target)

    assert done.returncode == 2
    assert "this checkout was moved" in done.stderr
    assert "make clean, then make" in done.stderr


def test_a_checkout_that_was_moved_can_be_cleaned(moved: Path) -> None:
    done = make(moved, "clean")

    assert done.returncode == 0
    assert not (moved / ".venv").exists()


def test_a_python_that_is_too_old_or_missing_is_told(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()

    done = make(tmp_path, "PYTHON=python9")

    assert done.returncode == 2
    assert "make: python9 is missing or older than 3.11: apt-get install python3" in done.stderr
