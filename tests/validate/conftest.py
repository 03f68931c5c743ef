"""A simulated disk for `qemu-pr validate`."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from running_helper import running_helper
from validating import Validate, validate_disk


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where runs write down their keys."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "records"))
    return tmp_path / "records/qemu-pr/validate"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(bytes(512))
    return path


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def validate(disk: Path, state: Path) -> Validate:
    """Run it on the simulated disk."""
    return lambda *options: validate_disk(disk, "--simulate", state, "--yes", *options)


@pytest.fixture
def start_helper(tmp_path: Path, state: Path) -> Iterator[Callable[[int], str]]:
    """Start a host's helper, by the last digit of its initiator port; give its socket."""
    with ExitStack() as stack:

        def start(digit: int) -> str:
            socket = f"{tmp_path}/{digit}.sock"
            command = [sys.executable, "-m", "qemu_pr", "helper"]
            options = ["--simulate", str(state), f"--initiator=naa.500000000000000{digit}"]
            stack.enter_context(running_helper(command, socket, *options))
            return socket

        yield start
