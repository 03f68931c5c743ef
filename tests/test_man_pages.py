"""The man pages and the parsers agree, both ways, and man(1) has nothing to complain about."""

import argparse
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from qemu_pr.cli import qemu_pr, qemu_pr_helper
from requirements import require

pytestmark = pytest.mark.timeout(600)

PAGES = {"qemu-pr.1": qemu_pr.build_parser, "qemu-pr-helper.8": qemu_pr_helper.build_parser}
LINTED = [*PAGES, "qemu-pr-protocol.7"]
OPTION = re.compile(r"(?<![\w-])--?[a-zA-Z][\w-]*")

# What the pages mention of other programs.
FOREIGN = {
    "qemu-pr.1": {
        *("-object", "-blockdev", "-drive", "-device"),  # QEMU's
        "--now",  # systemctl enable --now
        *("-k", "-g"),  # qemu-pr-helper -k, lsscsi -g
        "-ll",  # multipath's
        "--args",  # of Proxmox VE's qm set
        *("-HH", "-HHH", "-yy", "-vv"),  # given twice or more
    },
    "qemu-pr-helper.8": {
        # the example's qemu-pr persist and truncate
        *("--size", "--out", "--in", "--register", "--param-sark", "--read-keys", "-n"),
    },
}


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from parsers(subparser)


def options(name: str) -> set[str]:
    return {
        option
        for parser in parsers(PAGES[name]())
        for action in parser._actions
        for option in action.option_strings
    }


def text(page: Path) -> str:
    """Show a page as a reader sees it, without line breaks within words."""
    require("man", package="man-db")
    shown = subprocess.run(
        ["man", "-l", str(page)],
        env=os.environ | {"MANWIDTH": "1000", "MAN_KEEP_FORMATTING": "", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(r".\x08", "", shown.stdout)


@pytest.mark.parametrize("name", PAGES)
def test_page_tells_of_every_option(name: str, man: Path) -> None:
    mentioned = set(OPTION.findall(text(man / name)))

    assert options(name) - mentioned == set()


@pytest.mark.parametrize("name", PAGES)
def test_page_tells_of_no_option_that_is_not_there(name: str, man: Path) -> None:
    mentioned = set(OPTION.findall(text(man / name)))

    assert mentioned - options(name) - FOREIGN[name] == set()


@pytest.mark.parametrize("name", LINTED)
def test_a_reference_to_a_page_of_the_manual_is_its_title(name: str, man: Path) -> None:
    assert "<>" not in text(man / name)


@pytest.mark.parametrize("name", LINTED)
def test_man_has_no_warnings(name: str, man: Path) -> None:
    require("man", package="man-db")

    shown = subprocess.run(
        ["man", "--warnings", "-l", "-E", "UTF-8", "-Z", str(man / name)],
        env=os.environ | {"LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stderr == ""


@pytest.mark.parametrize("name", LINTED)
def test_mandoc_finds_no_errors(name: str, man: Path) -> None:
    mandoc = require("mandoc", package="mandoc")

    found = subprocess.run(
        [mandoc, "-T", "lint", "-W", "error", str(man / name)], capture_output=True, text=True
    )

    assert found.stdout == ""
