"""The installed program runs no Python that its caller's environment names: it has privileges."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helper_process import GOOD, PATIENCE, Client, cdb, listens, run, wait_for
from requirements import unavailable

MODULES = (
    "sitecustomize",
    "usercustomize",
    "socket",
    "_socket",
    "struct",
    "select",
    "signal",
    "argparse",
    "qemu_pr",
)


@pytest.fixture
def program() -> str:
    program = Path(sys.executable).with_name("qemu-pr-helper")
    if not program.exists():
        unavailable(f"{program} is not installed: make")
    return str(program)


@pytest.fixture
def traps(folder: Path) -> Path:
    """A folder of modules that leave a mark when they are run."""
    traps = folder / "traps"
    traps.mkdir()
    for name in MODULES:
        mark = f"open({str(folder / 'mark')!r}, 'a').write({name + ' '!r})\n"
        (traps / f"{name}.py").write_text(mark)
    return traps


def marks(folder: Path) -> str:
    mark = folder / "mark"
    return mark.read_text() if mark.exists() else ""


@pytest.mark.parametrize("variable", ["PYTHONPATH", "PYTHONUSERBASE", "PYTHONSTARTUP"])
def test_modules_that_the_environment_names_are_not_run(program, path, folder, traps, variable):
    value = f"{traps}/socket.py" if variable == "PYTHONSTARTUP" else str(traps)
    environment = {**os.environ, variable: value}

    result = run((program,), "--version", env=environment)

    assert marks(folder) == ""
    assert result.returncode == 0


def test_modules_in_the_current_folder_are_not_run(program, folder, traps):
    result = run((program,), "--version", env={**os.environ, "PYTHONPATH": ""}, cwd=traps)

    assert marks(folder) == ""
    assert result.returncode == 0


def test_no_process_of_a_running_helper_runs_them(program, path, folder, traps):
    options = ("--audit", f"{folder}/audit", "--metrics", f"{folder}/metrics")
    command = (program, "-k", path, "--simulate", f"{folder}/state", *options)
    environment = {**os.environ, "PYTHONPATH": str(traps)}
    with subprocess.Popen(command, env=environment, cwd=traps) as process:
        try:
            wait_for(lambda: listens(path) or process.poll() is not None, "it listens")
            assert process.poll() is None
            with Client(path) as client, open(folder / "disk", "w+b") as disk:
                assert client.command(cdb(0x5F, 24), disk.fileno(), bytes(24)).status == GOOD
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
            assert marks(folder) == ""
