"""A manual of somebody else: two pages, and of this package nothing but the extension."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SAMPLE = Path(__file__).parent / "sample"


@pytest.fixture
def manual(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "manual"))


def sphinx(manual: Path, builder: str) -> str:
    out = manual / "build" / builder
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-n", "-W", "-q", "-b", builder, manual, out],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_each_kind_of_example_is_verified(manual: Path) -> None:
    printed = sphinx(manual, "verify")

    assert printed.splitlines()[1:] == [
        "5 blocks verified, 0 skipped, 1 not verified (with reasons), 0 unmarked, 0 failed"
    ]


def test_an_example_that_became_untrue_fails_the_build(manual: Path) -> None:
    page = manual / "index.rst"
    page.write_text(page.read_text().replace("Hello, reader", "Good bye, reader"))

    with pytest.raises(AssertionError, match="1, ''"):
        sphinx(manual, "verify")


def test_its_pages_tell_how_many_examples_were_run(manual: Path) -> None:
    sphinx(manual, "verify")

    sphinx(manual, "html")

    assert (
        "This build ran all 3 examples on this page."
        in (manual / "build/html/index.html").read_text()
    )


def test_the_extension_loads_nothing_else_of_this_package() -> None:
    code = "import sys, qemu_pr.verified_examples as v; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout

    own = {name for name in loaded.split() if name.startswith("qemu_pr.")}
    assert own
    assert {name for name in own if not name.startswith("qemu_pr.verified_examples")} == set()
