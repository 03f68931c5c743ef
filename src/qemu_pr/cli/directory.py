"""Options that name a directory."""

import argparse
from pathlib import Path


def directory(text: str) -> Path:
    """Read the value of such an option.

    Raises:
        argparse.ArgumentTypeError: It is none.
    """
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no directory")
    return Path(text)
