"""Clients that are refused without end fill no log: what is left out is counted."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from helper_process import PATIENCE, PYTHON_HELPER, Client, cdb, listens, wait_for

FLOOD = 10_000  # connections
MOST_LINES = 1000
STRANGER = 54321
REFUSAL = re.compile(r"client \d+: (connection closed|refused): ")
LEFT_OUT = re.compile(r"(\d+)\D* left out|left out\D*(\d+)")


def bad_handshake(path: str) -> None:
    with Client(path, greet=False) as client:
        client.read(4)
        client.send(b"\xff" * 4)
        assert client.is_closed()


def bad_command(path: str) -> None:
    with Client(path) as client:
        client.send(cdb(0x12))
        assert client.is_closed()


def user_without_permission(path: str) -> None:
    with Client(path, greet=False) as client:
        assert client.is_closed()


def left_out(lines: list[str]) -> int:
    found = filter(None, map(LEFT_OUT.search, lines))
    return sum(int(match[1] or match[2]) for match in found)


@contextmanager
def logged(path: str, folder: Path, *options: str) -> Iterator[list[str]]:
    """Run a helper until the end of the block; after that, give the lines of its log."""
    lines: list[str] = []
    command = (*PYTHON_HELPER, "-k", path, *options)
    with open(folder / "log", "w+") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            wait_for(lambda: listens(path), "it listens")
            yield lines
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
        log.seek(0)
        lines += log.read().splitlines()


@pytest.mark.parametrize(
    ("refused", "options"),
    [
        (bad_handshake, ()),
        (bad_command, ()),
        (user_without_permission, ("--allow-user", str(STRANGER))),
    ],
)
def test_the_log_is_bounded_and_says_how_many_lines_were_left_out(
    path: str, folder: Path, refused: Callable[[str], None], options: tuple[str, ...]
):
    with logged(path, folder, *options) as lines:
        for _ in range(FLOOD):
            refused(path)

    refusals = sum(bool(REFUSAL.search(line)) for line in lines if not LEFT_OUT.search(line))
    assert refusals > 0
    assert len(lines) < MOST_LINES
    assert left_out(lines) + refusals == FLOOD


def test_few_refusals_are_all_in_the_log(path, folder):
    with logged(path, folder) as lines:
        for _ in range(5):
            bad_command(path)

    assert len(lines) == 5
    assert all(f"client {os.getpid()}: connection closed: " in line for line in lines)
