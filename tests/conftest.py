"""What holds for all tests: with QEMU_PR_REQUIRE_ALL=1 a skip is a failure.

This file also puts its directory on the import path, so that tests in its folders find
`requirements`. The manual's Python examples are run under pytest-sphinx by test_manual.py, and so
need no hooks here.
"""

import fcntl
import os
import re
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from rendered_manual import render
from requirements import REQUIRE_ALL
from temporary_folder import temporary_folder

LEFT_OUT = pytest.StashKey[int]()
TO_INSTALL = re.compile(r"apt-get install (.+)")

# A socket's path has room for 107 bytes, and tests make sockets in their directories.
LONGEST_TMPDIR = 40
if len(tempfile.gettempdir()) > LONGEST_TMPDIR:
    os.environ["TMPDIR"] = tempfile.tempdir = "/tmp"

# How long an example takes says more of what else the machine does than of the code. What judges
# a submission tries the same examples each time: new ones are for whoever can mend what they find.
hypothesis.settings.register_profile("untimed", deadline=None, derandomize=REQUIRE_ALL)
hypothesis.settings.load_profile("untimed")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run two tests on each processor: they wait for half of their time, but for the slow ones."""
    processors = len(os.sched_getaffinity(0))
    return processors * 2 if _leaves_slow_ones_out(config) else processors


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRE_ALL and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"QEMU_PR_REQUIRE_ALL=1, but skipped: {report.longrepr}"
    return report


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Count slow tests that `make test` leaves out."""
    config = items[0].config
    if _leaves_slow_ones_out(config):
        config.stash[LEFT_OUT] = len(items)
        if hasattr(config, "workeroutput"):  # a process of pytest-xdist, each of which collects all
            config.workeroutput["left out"] = len(items)


def _leaves_slow_ones_out(config: pytest.Config) -> bool:
    return bool(config.option.markexpr == "not slow")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take that number from a process of pytest-xdist, unless it crashed."""
    told = getattr(node, "workeroutput", {})
    node.config.stash[LEFT_OUT] = told.get("left out", node.config.stash.get(LEFT_OUT, 0))


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say why tests were skipped: what to install in one line, and each other reason once.

    And how many were left out because they are slow.
    """
    skips = terminalreporter.stats.get("skipped", [])
    reasons = [str(one.longrepr[2]).removeprefix("Skipped: ") for one in skips]
    wanted = [found for reason in reasons if (found := TO_INSTALL.search(reason))]
    others = Counter(reason for reason in reasons if not TO_INSTALL.search(reason))
    for reason, count in others.most_common():
        terminalreporter.write_line(f"{count} skipped: {reason}")
    if wanted:
        packages = sorted({package for found in wanted for package in found[1].split()})
        terminalreporter.write_line(
            f"{len(wanted)} skipped, to run them: apt-get install {' '.join(packages)}"
        )
    if left_out := config.stash.get(LEFT_OUT, 0):
        terminalreporter.write_line(f"{left_out} slow left out, to run them: make test ALL=1")


@pytest.fixture(scope="session")
def html(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the manual's pages."""
    return rendered("html", tmp_path_factory)


@pytest.fixture(scope="session")
def man(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the man pages."""
    return rendered("man", tmp_path_factory)


def rendered(builder: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory of what the first process that needs it renders for all."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    done = shared / f"{builder}-is-rendered"
    with (shared / "manual.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            done.write_text(str(render(builder, shared / "manual")))
    return Path(done.read_text())


@pytest.fixture
def folder() -> Iterator[Path]:
    with temporary_folder() as path:
        yield path
