"""One thing of a module replaced for a moment: what a target must not reach."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType


@contextmanager
def replaced(module: ModuleType, name: str, value: object) -> Iterator[None]:
    """Have another value under a module's name until the block ends."""
    names = vars(module)
    had, before = name in names, names.get(name)
    names[name] = value
    try:
        yield
    finally:
        if had:
            names[name] = before
        else:
            del names[name]
