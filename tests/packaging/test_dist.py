"""What is released is complete, is the same twice, and says what it is."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from qemu_pr import __version__
from requirements import require

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
EPOCH = "1700000000"
PYTHONS = {"3.11", "3.12", "3.13", "3.14"}


def python(*command: str | Path) -> None:
    environment = os.environ | {"SOURCE_DATE_EPOCH": EPOCH}
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def build(folder: Path, rendered: Path) -> Path:
    """Build the sdist and the wheel, as `make dist` does, without the network."""
    python(PACKAGING / "tree.py", ROOT, rendered, folder / "tree")
    python("-m", "build", "--no-isolation", "--outdir", folder / "dist", folder / "tree")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    python(PACKAGING / "settle_sdist.py", sdist)
    return folder / "dist"


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What takes the place of the rendered manual: it is rendered elsewhere, and copied here."""
    folder = tmp_path_factory.mktemp("rendered")
    for name in ("html/index.html", "man/qemu-pr.1", "man/qemu-pr-helper.8", "man/x.7"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    return folder


@pytest.fixture(scope="module")
def dist(rendered: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("first"), rendered)


def wheel(dist: Path) -> zipfile.ZipFile:
    (path,) = dist.glob("*.whl")
    return zipfile.ZipFile(path)


def metadata(dist: Path) -> Message:
    with wheel(dist) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith("/METADATA"))
        return Parser().parsestr(opened.read(name).decode())


def test_the_wheel_has_all_that_an_operator_needs(dist: Path) -> None:
    with wheel(dist) as opened:
        names = {name.partition(".data/")[2] for name in opened.namelist()}
        units = opened.read(
            f"qemu_pr-{__version__}.data/data/share/qemu-pr/units/qemu-pr-helper.service"
        ).decode()

    assert {
        "scripts/qemu-pr-helper",
        "data/share/man/man1/qemu-pr.1",
        "data/share/man/man8/qemu-pr-helper.8",
        "data/share/man/man7/x.7",
        "data/share/bash-completion/completions/qemu-pr",
        "data/share/bash-completion/completions/qemu-pr-helper",
        "data/share/zsh/site-functions/_qemu-pr",
        "data/share/qemu-pr/units/qemu-pr-helper.socket",
    } <= names
    assert "ExecStart=/opt/qemu-pr/bin/qemu-pr-helper\n" in units


def test_the_sdist_has_all_that_is_kept(dist: Path) -> None:
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}

    assert {"Makefile", "conf.py", "docs/index.rst", "tests/conftest.py", ".ci/run"} <= names
    assert {"packaging/debian/control", "packaging/rpm/qemu-pr.spec"} <= names
    assert {"rendered/html/index.html", "rendered/completion/qemu-pr"} <= names
    assert not [name for name in names if re.search(r"(^|/)(\.venv|\.git|__pycache__)(/|$)", name)]


@pytest.mark.slow
def test_a_checkout_that_rendered_nothing_installs_all_the_same(
    rendered: Path, tmp_path: Path
) -> None:
    python(PACKAGING / "tree.py", ROOT, rendered, tmp_path / "tree")
    shutil.rmtree(tmp_path / "tree/rendered")

    python("-m", "build", "--no-isolation", "--wheel", "-o", tmp_path / "dist", tmp_path / "tree")

    with wheel(tmp_path / "dist") as opened:
        assert "qemu_pr/__main__.py" in opened.namelist()
        assert not [name for name in opened.namelist() if "/share/" in name]


@pytest.mark.slow
def test_what_is_built_twice_is_the_same(dist: Path, rendered: Path, tmp_path: Path) -> None:
    again = build(tmp_path, rendered)

    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()} for folder in (dist, again)
    )
    assert first == second


def test_the_version_is_the_package_s(dist: Path) -> None:
    assert metadata(dist)["Version"] == __version__


def test_the_metadata_say_where_the_project_is_and_what_it_runs_on(dist: Path) -> None:
    found = metadata(dist)

    urls = {line.partition(",")[0] for line in found.get_all("Project-URL", [])}
    assert {"Homepage", "Issues", "Security", "Documentation", "Changelog"} <= urls
    assert found["Author"]
    classifiers = "\n".join(found.get_all("Classifier", []))
    assert set(re.findall(r"Python :: (3\.\d+)", classifiers)) == PYTHONS


def test_the_patch_of_the_debian_package_fits(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_bytes((ROOT / "pyproject.toml").read_bytes())
    patch = PACKAGING / "debian/patches/read-by-older-setuptools.patch"
    program = require("patch", package="patch")

    # As dpkg-source has it: no line of the context may differ.
    subprocess.run([program, "--fuzz=0", "-p1", "-i", patch], cwd=tmp_path, check=True)

    assert 'license = { text = "GPL-2.0-or-later" }' in (tmp_path / "pyproject.toml").read_text()


def test_python_m_is_the_operator_s_tool() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "qemu_pr", "--version"], capture_output=True, text=True
    )

    assert done.stdout == f"qemu-pr {__version__}\n"
