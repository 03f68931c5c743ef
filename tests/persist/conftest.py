"""The real sg_persist, and a helper for it and for ours."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from both_programs import Bench, SgPersist
from requirements import require
from scripted_helper import ScriptedHelper


@pytest.fixture(scope="session")
def sg_persist(tmp_path_factory: pytest.TempPathFactory) -> SgPersist:
    program = require("sg_persist", package="sg3-utils")
    compiler = require("gcc", package="gcc libc6-dev")
    shim = tmp_path_factory.mktemp("shim") / "sg_io_shim.so"
    source = Path(__file__).with_name("sg_io_shim.c")
    subprocess.run(
        [compiler, "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", shim, source],
        check=True,
    )
    return SgPersist(program, str(shim))


@pytest.fixture(scope="module")
def bench(sg_persist: SgPersist) -> Iterator[Bench]:
    # pytest's own temporary folders can have paths that are too long for a socket.
    with tempfile.TemporaryDirectory(prefix="pr", dir="/tmp") as folder:
        disk = Path(folder, "disk")
        disk.write_bytes(bytes(512))
        with ScriptedHelper(f"{folder}/helper.sock") as helper:
            yield Bench(sg_persist, helper, str(disk))
