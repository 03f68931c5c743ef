"""A program that answers at once loads what the call needs, and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

CALL = """\
import sys
from qemu_pr.cli.qemu_pr import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
"""
# Since Python 3.14 argparse looks for the colours of a terminal, and loads some of what is slow.
ARGPARSE = """\
import argparse, sys
argparse.ArgumentParser().add_argument("path")
"""
TELL = "print(*sys.modules, file=sys.stderr)"

# Each takes as long as a third of all that the quickest call does, or longer.
SLOW = {"dataclasses", "inspect", "json", "pathlib", "shutil", "subprocess", "xml.parsers.expat"}
OTHERS = {"qemu_pr.lint", "qemu_pr.doctor", "qemu_pr.multipath_conf", "qemu_pr.helper"}
COMMANDS = {
    "--version": set(),
    "persist --in --read-keys DISK --socket /nowhere/s": {"persist"},
    "persist --out --register --param-sark=1 DISK --socket /nowhere/s": {"persist"},
    "status DISK --socket /nowhere/s": {"status"},
    "command-line /dev/sdb": {"command_line"},
    "command-line /dev/sdb /dev/sdc --syntax drive": {"command_line"},
}


def loaded(code: str, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", code + TELL, *arguments], capture_output=True, text=True
    )
    return set(done.stderr.split("\n")[-2].split())


def loaded_by_call(words: str, disk: Path) -> set[str]:
    disk.touch()
    return loaded(CALL, *words.replace("DISK", str(disk)).split())


@pytest.mark.parametrize("words", COMMANDS)
def test_a_call_loads_its_own_subcommand_and_nothing_slow(words: str, tmp_path: Path) -> None:
    modules = loaded_by_call(words, tmp_path / "disk")

    cli = {name.split(".")[2] for name in modules if name.startswith("qemu_pr.cli.")}
    helping = {"qemu_pr", "parser", "guessing_parser", "nearest_path", "progress"}
    assert cli - helping == COMMANDS[words]
    assert not modules & (SLOW - loaded(ARGPARSE) | OTHERS)


def test_what_is_said_in_json_loads_json(tmp_path: Path) -> None:
    modules = loaded_by_call("status DISK --json --socket /nowhere/s", tmp_path / "disk")

    assert {"json", "qemu_pr.cli.status"} <= modules
