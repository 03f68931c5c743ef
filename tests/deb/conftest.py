"""The packages under test: each release builds its own, of the sdist that `make dist` left."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine import Machine, machine

PROJECT = Path(__file__).resolve().parents[2]
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends"
BUILD_DEPENDS = (
    "build-essential debhelper dh-python lintian pybuild-plugin-pyproject python3-all"
    " python3-setuptools"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--releases", default="bookworm,trixie", help="of Debian, with commas")
    parser.addoption("--package", type=Path, help="test this one, and build none")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "release" in metafunc.fixturenames:
        releases = metafunc.config.getoption("--releases").split(",")
        metafunc.parametrize("release", releases, scope="session")


@pytest.fixture(scope="session")
def builder(release: str) -> Iterator[Machine]:
    """A machine that has built the package, in /srv/qemu-pr/out."""
    (sdist,) = (PROJECT / "dist").glob("*.tar.gz")
    epoch = subprocess.run(
        ["tar", "-tvf", sdist, "--full-time"], capture_output=True, text=True, check=True
    ).stdout.split()[3:5]
    with machine(release) as builder:
        shutil.copy(sdist, builder.root / "srv/qemu-pr")
        shutil.copy(PROJECT / "packaging/build-deb", builder.root / "srv/qemu-pr")
        builder.run(f"apt-get update -q && {INSTALL} {BUILD_DEPENDS}")
        builder.run(
            f"SOURCE_DATE_EPOCH=$(date -d '{' '.join(epoch)}' +%s)"
            f" ./build-deb {sdist.name} out >build.log 2>&1 || {{ cat build.log; exit 1; }}"
        )
        yield builder


@pytest.fixture(scope="session")
def package(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package that the release built."""
    if given := request.config.getoption("--package"):
        return Path(given).resolve()
    builder = request.getfixturevalue("builder")
    (built,) = (builder.root / "srv/qemu-pr/out").glob("*.deb")
    return Path(shutil.copy(built, tmp_path_factory.mktemp("package")))


@pytest.fixture
def clean(release: str, package: Path) -> Iterator[Machine]:
    """A machine that has nothing but Debian, and the package in /srv/qemu-pr."""
    with machine(release) as clean:
        shutil.copy(package, clean.root / "srv/qemu-pr/qemu-pr.deb")
        clean.run("apt-get update -q")
        yield clean


if os.geteuid() != 0:
    sys.exit("deb-test: chroots need root: sudo make deb-test")
