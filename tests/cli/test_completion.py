"""Real shells complete what is typed."""

import argparse
import os
import pty
import re
import select
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from qemu_pr.cli import qemu_pr, qemu_pr_helper
from qemu_pr.cli.completion import SHELLS
from qemu_pr.cli.completion.grammar import Program
from requirements import require

PROGRAMS = [
    Program.of(parser) for parser in (qemu_pr.build_parser(), qemu_pr_helper.build_parser())
]
ESCAPES = re.compile(r"\x1b(\[[0-9;?]*[a-zA-Z]|[=>])|\r|[^\n]\x08")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory to complete names in."""
    (tmp_path / "system").mkdir()
    (tmp_path / "sysfile.img").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bash(line: str) -> list[str]:
    """Give what bash offers at the end of a line, whose words are divided as bash does it."""
    words = re.findall(r"=|[^\s=]+", line) + ([""] if line[-1] in " =" else [])
    if line.endswith("="):
        words.pop()
    script = "\n".join(
        [
            SHELLS["bash"](PROGRAMS),
            "compopt() { :; }  # there is none where nobody pressed a key",
            f"COMP_WORDS=({shlex.join(words)}) COMP_CWORD={len(words) - 1}",
            "$(complete -p " + words[0] + " | sed 's/.*-F \\([^ ]*\\).*/\\1/')",
            'if [ ${#COMPREPLY[@]} -gt 0 ]; then printf "%s\\n" "${COMPREPLY[@]}"; fi',
        ]
    )
    done = subprocess.run(
        [require("bash", package="bash"), "--norc", "-c", script],
        capture_output=True,
        text=True,
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("qemu-pr d", ["doctor"]),
        ("qemu-pr command-line --syn", ["--syntax"]),
        ("qemu-pr command-line --syntax ", ["blockdev", "drive", "json"]),
        ("qemu-pr command-line --syntax=d", ["drive"]),
        ("qemu-pr command-line --format=", ["shell", "argv", "libvirt", "qmp", "proxmox"]),
        ("qemu-pr lint sys", ["system", "sysfile.img"]),
        ("qemu-pr units --output sys", ["system"]),
        ("qemu-pr command-line --bus ", []),
        ("qemu-pr completion z", ["zsh"]),
        ("qemu-pr -", ["-h", "--help", "-V", "--version"]),
        ("qemu-pr-helper --sim", ["--simulate"]),
        ("qemu-pr-helper -k sysf", ["sysfile.img"]),
        ("qemu-pr-helper ", []),
    ],
)
def test_bash_offers_what_fits(line: str, offered: list[str], folder: Path) -> None:
    assert sorted(bash(line)) == sorted(offered)


class Zsh:
    """An interactive zsh, that has a keyboard."""

    def __init__(self, folder: Path) -> None:
        program = require("zsh", package="zsh")
        (folder / "functions").mkdir()
        (folder / "functions/_qemu-pr").write_text(SHELLS["zsh"](PROGRAMS))
        self._keyboard, terminal = pty.openpty()
        self._process = subprocess.Popen(
            [program, "-f", "-i"],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env={"TERM": "dumb", "PATH": os.environ["PATH"], "HOME": str(folder)},
            start_new_session=True,
        )
        os.close(terminal)
        functions = shlex.quote(str(folder / "functions"))
        self.type(f"PS1='> '; fpath=({functions} $fpath); autoload -Uz compinit; compinit -u -D\n")
        self.type("print rea''dy\n")
        self.read_until("ready\n")

    def type(self, keys: str) -> None:
        os.write(self._keyboard, keys.encode())

    def read_until(self, text: str) -> str:
        seen = ""
        deadline = time.monotonic() + 60
        while text not in (shown := ESCAPES.sub("", seen)):
            assert time.monotonic() < deadline, shown
            if select.select([self._keyboard], [], [], 0.1)[0]:
                seen += os.read(self._keyboard, 4096).decode(errors="replace")
        return shown

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._keyboard)


@pytest.fixture
def zsh(folder: Path) -> Iterator[Zsh]:
    shell = Zsh(folder)
    yield shell
    shell.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("qemu-pr doc", "qemu-pr doctor"),
        ("qemu-pr command-line --syn", "--syntax="),
        ("qemu-pr command-line --syntax=bl", "--syntax=blockdev"),
        ("qemu-pr units --output=sys", "--output=system/"),
        ("qemu-pr-helper --sim", "--simulate="),
    ],
)
def test_zsh_completes(zsh: Zsh, typed: str, completed: str) -> None:
    zsh.type(f"{typed}\t")

    assert completed in zsh.read_until(completed)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_option_and_command_is_there(shell: str) -> None:
    text = SHELLS[shell](PROGRAMS)

    for program in PROGRAMS:
        for part in (program, *program.commands):
            assert all(name in text for option in part.options for name in option.names)
            assert part.name in text


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        qemu_pr.main(["completion", "fish"])

    assert exit_.value.code == 1
    assert "choose from" in capsys.readouterr().err


def test_hostile_help_does_no_harm_in_zsh() -> None:
    parser = argparse.ArgumentParser("prog")
    parser.add_argument("--it's", metavar="A:B", help="it's [a] \\ $(touch x) `y` : z")

    text = SHELLS["zsh"]([Program.of(parser)])

    zsh = require("zsh", package="zsh")
    done = subprocess.run([zsh, "-n"], input=text, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
