"""What is fuzzed: a module a target, and its name is the target's.

Each has `check`, which takes any bytes and raises an exception where the code under test breaks a
promise, and `SIZE_MAX`, up to how many bytes an input is worth trying. `WORDS`, if there are any,
are what the fuzzer may put into inputs; for a text, that is what leads into its branches.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

FOLDER = Path(__file__).parent
CORPUS = FOLDER.parent / "corpus"

NAMES = sorted(path.stem for path in FOLDER.glob("[a-z]*.py"))


class Target(Protocol):
    """A module of this package."""

    SIZE_MAX: int
    check: Callable[[bytes], None]


def load(name: str) -> Target:
    """Import a target, and what it tests."""
    return cast("Target", import_module(f"{__name__}.{name}"))


def words_of(target: Target) -> list[bytes]:
    """Give the words of a target; none if it names none."""
    return list(getattr(target, "WORDS", ()))


def seeds_of(name: str) -> list[Path]:
    """Give the files of a target's corpus."""
    return sorted((CORPUS / name).iterdir())
