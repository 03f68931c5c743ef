"""A simulated disk for `qemu-pr validate`."""

from pathlib import Path

import pytest

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
