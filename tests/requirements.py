"""What a test needs beyond Python: a missing program is a skip that says what to install."""

import os
import shutil

import pytest

REQUIRE_ALL = os.environ.get("QEMU_PR_REQUIRE_ALL") == "1"


def unavailable(reason: str) -> None:
    """Skip the running test, or fail it where everything must be there (CI)."""
    if REQUIRE_ALL:
        pytest.fail(f"QEMU_PR_REQUIRE_ALL=1, but {reason}", pytrace=False)
    pytest.skip(reason)


def require(program: str, package: str) -> str:
    """Find a program, or skip and name the Debian package that has it."""
    path = shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if path is None:
        unavailable(f"{program} is not installed: apt-get install {package}")
    return str(path)
