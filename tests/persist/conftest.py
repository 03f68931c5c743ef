"""The real sg_persist, and a helper for it and for ours."""

import ctypes
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from both_programs import Bench, SgPersist
from requirements import require
from scripted_helper import ScriptedHelper

CAPABILITY_VERSION_3 = 0x20080522
DAC_CAPABILITIES = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH


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


@pytest.fixture
def ordinary_user() -> Iterator[None]:
    """Let file permissions count in this thread for root, too (capabilities(7))."""
    libc = ctypes.CDLL(None)
    this_thread = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(this_thread, before) == 0
    effective, *others = before
    without = (ctypes.c_uint32 * 6)(effective & ~DAC_CAPABILITIES, *others)
    assert libc.capset(this_thread, without) == 0
    yield
    assert libc.capset(this_thread, before) == 0
