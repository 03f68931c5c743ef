"""A POSIX shell that is given one command at a time, and tells what each printed and returned."""

import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# The shell reads names of scripts and answers each with its exit status. Every command has its own
# files, so a daemon that it left in the background keeps printing into its own output, and can
# neither eat the next command nor hold up its answer. `$?` is carried over from command to command.
_LOOP = r"""
while IFS= read -r _script; do
    (exit "${_status:-0}")
    . "$_script" <"$_script.stdin" >>"$_script.output" 2>&1
    _status=$?
    echo "$_status"
done
"""

_FOR_ROOT = ("/usr/local/sbin", "/usr/sbin", "/sbin")

_REAPER = Path(__file__).with_name("reaper.py")


@dataclass(frozen=True, slots=True)
class Completed:
    """How a command ended.

    Attributes:
        status: Its exit status; None if the shell ended with it, or had ended before.
        output: What it printed, standard output and standard error as they came.
        ended: Why there is no shell any more: the command did not end in time, was an ``exit``, or
            is no shell syntax.
    """

    status: int | None
    output: str
    ended: str = ""

    def __str__(self) -> str:
        """Tell how it ended and what it printed."""
        return f"{self.ended or f'exit status {self.status}'}\n{self.output}".rstrip()


class Session:
    """One shell, from its first command to the end of everything that its commands started."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        """Start the shell.

        Args:
            directory: Where it starts.
            environment: All of its environment; nothing is inherited.
        """
        self._control = tempfile.TemporaryDirectory(prefix="session-")
        self._count = 0
        self._ended = ""
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_REAPER), "sh", "-c", _LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=directory,
            env=dict(environment),
            start_new_session=True,  # an interrupt from the keyboard is the builder's
        )
        assert self._process.stdin and self._process.stdout  # noqa: PT018 - pipes, for mypy
        self._commands, self._answers = self._process.stdin, self._process.stdout

    def run(self, command: str, *, stdin: str = "", timeout: float) -> Completed:
        """Run a command in the shell: a line, or several (here-documents, loops).

        Args:
            command: What is typed.
            stdin: What the command reads.
            timeout: Seconds until the command, and the shell with it, is ended.
        """
        if self._ended:
            return Completed(None, "", f"not run, since the shell has ended: {self._ended}")
        self._count += 1
        script = Path(self._control.name, str(self._count))
        script.write_text(command + "\n")
        Path(f"{script}.stdin").write_text(stdin)
        Path(f"{script}.output").touch()
        try:
            answer = self._ask(script, timeout)
        except TimeoutError:
            self._end(f"no answer from `{command}` after {timeout:g} s")
        else:
            if answer:
                return Completed(int(answer), _printed(script))
            self._end(f"`{command}` ended the shell")
        return Completed(None, _printed(script), self._ended)

    def close(self) -> None:
        """End the shell and everything that was started in it."""
        self._end("closed")
        self._control.cleanup()

    def _ask(self, script: Path, timeout: float) -> bytes:
        """Return the shell's answer, or nothing if it ended instead."""
        try:
            os.write(self._commands.fileno(), f"{script}\n".encode())
        except BrokenPipeError:
            return b""
        deadline = time.monotonic() + timeout
        answer = b""
        while not answer.endswith(b"\n"):
            remaining = max(deadline - time.monotonic(), 0)
            if not select.select([self._answers], [], [], remaining)[0]:
                raise TimeoutError
            piece = os.read(self._answers.fileno(), 64)
            if not piece:
                return b""
            answer += piece
        return answer

    def _end(self, reason: str) -> None:
        self._ended = self._ended or reason
        self._commands.close()
        self._answers.close()
        self._process.terminate()
        self._process.wait()


def environment(home: Path, programs: Sequence[Path] = ()) -> dict[str, str]:
    """Make the environment that examples run in: the same on every machine, save for ``PATH``.

    Args:
        home: The home directory of the examples.
        programs: Where to look for programs first; where Python is, if nothing is given.
    """
    first = map(str, programs or [Path(sys.executable).parent])
    path = [*first, *os.get_exec_path(), *_FOR_ROOT]
    # In a directory that they may not search, shells find "Permission denied", and not nothing.
    return {
        "PATH": ":".join(one for one in path if os.access(one, os.X_OK)),
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "TERM": "dumb",
        "COLUMNS": "80",  # argparse wraps its help to it
    }


def _printed(script: Path) -> str:
    text = Path(f"{script}.output").read_text(encoding="utf-8", errors="backslashreplace")
    return text.replace(f"{script}: ", "")  # the shell's own messages name the file they came from
