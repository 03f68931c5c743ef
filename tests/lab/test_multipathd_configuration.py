"""The daemon that keeps registrations reads from real configurations what we read."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from multipath_keys import Keys, keys
from multipathd import CONFIGURATION, prepare
from qemu_pr.multipath_conf.configuration import Configuration, File
from waiting import wait_for

REAL = Path(__file__).parents[1] / "multipath_conf/real"
NO_DISK = '\nblacklist {\n    devnode ".*"\n}\n'  # the disks here belong to other tests


@contextmanager
def multipathd(text: str, log: Path) -> Iterator[None]:
    """Run multipathd on a configuration for the length of a `with`."""
    prepare()
    CONFIGURATION.write_text(text)
    with log.open("ab") as file:
        daemon = subprocess.Popen(["multipathd", "-d", "-v2"], stdout=file, stderr=file)
    try:
        yield
    finally:
        daemon.kill()
        daemon.wait()
        CONFIGURATION.unlink()


def answer() -> str:
    """What the daemon says when it is asked what it has read."""
    shown = subprocess.run(["multipathd", "show", "config"], capture_output=True, text=True)
    return shown.stdout + shown.stderr


def show_config() -> str:
    """The same; empty while it is too busy to say it."""
    said = answer()
    return said if said.startswith("defaults {") else ""


def read(name: str, text: str) -> Keys:
    """The keys of a configuration as we read it."""
    return keys(Configuration.of([File.parse(name, text)]))


@pytest.mark.parametrize("name", sorted(path.name for path in REAL.iterdir()))
def test_multipathd_shows_the_keys_that_we_read(name: str, output: Path) -> None:
    text = (REAL / name).read_text() + NO_DISK

    with multipathd(text, output / "multipathd-configurations.log"):
        shown = wait_for(show_config, lambda: f"multipathd to show {name}: {answer()}")

    assert read("multipathd show config", shown) == read(name, text)
