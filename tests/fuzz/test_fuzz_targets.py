"""The fuzzer's targets hold on their corpus and on inputs made from it, with or without atheris."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import targets
from requirements import unavailable
from scsi_strategies import damaged

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
BROKEN = '''"""Breaks a promise."""

SIZE_MAX = 10


def check(data: bytes) -> None:
    assert b"x" not in data, "no x was promised"
'''


def run(folder: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, folder / "run.py", *options], capture_output=True, text=True, check=False
    )


def require_atheris() -> None:
    if find_spec("atheris") is None:
        unavailable("the package atheris is not installed: make fuzz RUNS=1")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """The fuzzer, with results of its own, and with one target that breaks its promise."""
    folder = tmp_path / "tests" / "fuzz"
    shutil.copytree(HERE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "targets" / "broken.py").write_text(BROKEN)
    (folder / "corpus" / "broken").mkdir()
    (folder / "corpus" / "broken" / "y").write_bytes(b"y")
    return folder


@pytest.mark.parametrize("name", targets.NAMES)
def test_the_corpus_of_a_target_breaks_no_promise(name: str) -> None:
    target = targets.load(name)

    seeds = targets.seeds_of(name)

    assert seeds
    for seed in seeds:
        assert seed.stat().st_size <= target.SIZE_MAX, seed
        target.check(seed.read_bytes())


@pytest.mark.parametrize("name", targets.NAMES)
def test_inputs_made_from_the_corpus_break_no_promise(name: str) -> None:
    target = targets.load(name)
    seeds = st.sampled_from([seed.read_bytes() for seed in targets.seeds_of(name)])
    words = st.sampled_from([b"\0", b"\xff", *targets.words_of(target)])
    joined = st.lists(seeds | words | st.binary(max_size=3), max_size=8).map(b"".join)

    @settings(max_examples=200, database=None)
    @given(damaged(seeds) | joined | st.binary(max_size=target.SIZE_MAX))
    def check(data: bytes) -> None:
        target.check(data[: target.SIZE_MAX])

    check()


def test_fuzzing_ends_with_a_table(elsewhere: Path) -> None:
    require_atheris()

    done = run(elsewhere, "--runs=300", "--target=sense")

    assert (done.returncode, done.stderr) == (0, "")
    head, row = done.stdout.splitlines()
    assert head.split()[:2] == ["target", "inputs"]
    assert row.split()[:2] == ["sense", "300"]
    assert row.split()[-1] == "0"


def test_a_finding_is_kept_and_can_be_tried_again(elsewhere: Path) -> None:
    require_atheris()

    done = run(elsewhere, "--runs=100000", "--target=broken")

    assert done.returncode == 1
    assert "no x was promised" in done.stderr
    found, again = done.stdout.splitlines()[-1].split("; again: make fuzz ")
    _, path = found.split()
    assert again == f"TARGET=broken INPUT={path}"
    assert b"x" in Path(path).read_bytes()
    replayed = run(elsewhere, "--target=broken", f"--input={path}")
    assert replayed.returncode == 1
    assert "AssertionError: no x was promised" in replayed.stderr


def test_an_input_that_breaks_no_promise_says_so() -> None:
    seed = targets.seeds_of("sense")[0]

    done = run(HERE, "--target=sense", f"--input={seed}")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"fuzz: sense: {seed}: keeps all promises\n"


def test_without_atheris_it_says_what_is_missing() -> None:
    no_packages = [sys.executable, "-S", HERE / "run.py"]

    done = subprocess.run(no_packages, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("fuzz: skipped: the package atheris is not installed")
