"""The lab takes a folder for results that is empty or a lab's, and spares all others."""

import os
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

RUN = Path(__file__).parent / "lab" / "run.py"


@pytest.fixture(scope="module")
def lab() -> SimpleNamespace:
    """The lab's program; it is no module that can be imported by its name."""
    return SimpleNamespace(**runpy.run_path(str(RUN)))


def test_what_a_lab_left_that_was_killed_at_once_is_taken_and_emptied(lab, tmp_path):
    os.close(lab._claim(tmp_path))
    (tmp_path / "kernel").touch()

    os.close(lab._claim(tmp_path))

    assert [entry.name for entry in tmp_path.iterdir()] == [lab.START]


def test_the_folder_of_several_machines_is_taken(lab, tmp_path):
    (tmp_path / "maps").mkdir()
    os.close(lab._claim(tmp_path / "maps"))

    os.close(lab._claim(tmp_path))

    assert not (tmp_path / "maps").exists()


def test_somebody_else_s_folder_is_spared(lab, tmp_path):
    theirs = tmp_path / "thesis.txt"
    theirs.touch()

    with pytest.raises(SystemExit, match="not empty and not from a lab"):
        lab._claim(tmp_path)

    assert list(tmp_path.iterdir()) == [theirs]


def test_a_lab_that_runs_keeps_its_folder(lab, tmp_path):
    lock = lab._claim(tmp_path)

    with pytest.raises(SystemExit, match="another lab uses it"):
        lab._claim(tmp_path)

    os.close(lock)
