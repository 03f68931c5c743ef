"""Counts what the helper's process that serves clients has loaded, and prints it as tables.

``privileged-modules``: for each configuration, how many lines of code; and why each module of the
standard library is there. A helper is started for that, and sent both commands, on each build.
"""

import ast
import functools
import io
import os
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.manual.list_tables import list_table

CONFIGURATIONS = {
    "no option": "",
    "``--audit``": "--audit audit.log",
    "``--metrics``": "--metrics metrics.prom",
    "``--audit --metrics``": "--audit audit.log --metrics metrics.prom",
    "``--simulate``, which needs no privilege": "--simulate state.db",
}
"""What the tables have a row for, and the options of the helper."""

_COMMAND = "for each command"
_REASONS = {
    "bisect": "with ``--metrics``: the histogram",
    "ctypes": f"{_COMMAND}: the buffers of SG_IO; and giving up privileges",
    "selectors": "imported by socket",
    "signal": "stop signals, and processes that ignore them",
    "socket": f"{_COMMAND}: the client",
    "struct": f"{_COMMAND}: the reply, and what SG_IO takes",
}

# What these import differs from one Python to the next.
_WITH_THEIR_IMPORTS = {
    "import ctypes": "imported by ctypes",
    'import argparse; argparse.ArgumentParser().add_argument("-x", help="y")': (
        "argparse, which reads the options before there is a client, and what it imports"
    ),
}
_IMPORTED = """
import sys
of_python_itself = set(sys.modules)
exec(sys.argv.pop())
print(*set(sys.modules) - of_python_itself)
"""

# The installed program, but that the serving process tells what it has loaded as a client leaves.
_PROGRAM = """
import os, sys
of_python_itself = set(sys.modules)
from qemu_pr.cli import qemu_pr_helper
from qemu_pr.helper import connection
live, told = connection.Connection.live, sys.argv.pop()
def live_and_tell(self):
    live(self)
    loaded = {name: getattr(sys.modules[name], "__file__", None) or "" for name in sys.modules}
    with open(f"{told}.tmp", "w") as file:
        for name in sorted(set(loaded) - of_python_itself):
            file.write(f"{name}\\t{loaded[name]}\\n")
    os.rename(f"{told}.tmp", told)
connection.Connection.live = live_and_tell
sys.exit(qemu_pr_helper.main())
"""
_IN = bytes((0x5E, 0, 0, 0, 0, 0, 0, 0, 8)).ljust(16, b"\0")
_OUT = bytes((0x5F, 0, 0, 0, 0, 0, 0, 0, 24)).ljust(16, b"\0")


def loaded(options: str) -> dict[str, int]:
    """Start a helper, send it both commands, and stop it.

    Args:
        options: Further options of it, without blanks in a value.

    Returns:
        The modules that its serving process has loaded, beyond those that Python itself starts
        with, and how many lines of code each has: without comments, docstrings and empty lines. Of
        one in C, 0.
    """
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        told, path = f"{folder}/told", f"{folder}/sock"
        command = [sys.executable, "-I", "-c", _PROGRAM, "-q", "-k", path, *options.split(), told]
        with (
            subprocess.Popen(command, cwd=folder) as helper,
            open(f"{folder}/disk", "w+b") as disk,
        ):
            try:
                with _connected(path, helper) as manager:
                    manager.execute(disk.fileno(), _IN, b"")
                    manager.execute(disk.fileno(), _OUT, bytes(24))
                while not os.path.exists(told) and helper.poll() is None:
                    os.sched_yield()
            finally:
                helper.terminate()
        rows = (line.split("\t") for line in Path(told).read_text().splitlines())
        return {name: _code_lines(file) for name, file in rows}


def _connected(path: str, helper: subprocess.Popen[bytes]) -> PRManagerHelper:
    while True:
        try:
            return PRManagerHelper(path)
        except ConnectError:
            if helper.poll() is not None:
                raise
            os.sched_yield()


@functools.cache
def _code_lines(file: str) -> int:
    if not file.endswith(".py"):
        return 0
    with tokenize.open(file) as opened:
        source = opened.read()
    no_code = {
        tokenize.COMMENT,
        tokenize.NL,
        tokenize.NEWLINE,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENDMARKER,
    }
    lines = {
        number
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type not in no_code
        for number in range(token.start[0], token.end[0] + 1)
    }
    return len(lines.difference(*_docstrings(ast.parse(source))))


def _docstrings(tree: ast.AST) -> Iterator[range]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
            and isinstance(node.body[0].value, ast.Constant)
            and isinstance(node.body[0].value.value, str)
        ):
            yield range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)


def own_lines(modules: dict[str, int]) -> int:
    """Give how many lines are this package's."""
    return sum(lines for name, lines in modules.items() if _top(name) == "qemu_pr")


def foreign_lines(modules: dict[str, int]) -> dict[str, int]:
    """Give how many lines each module of the standard library has, with those within it."""
    found: dict[str, int] = {}
    for name, lines in modules.items():
        if _top(name) != "qemu_pr" and lines:
            found[_top(name)] = found.get(_top(name), 0) + lines
    return found


def reasons() -> dict[str, str]:
    """Say why modules of the standard library are there, without ``--simulate``."""
    found: dict[str, str] = {}
    for statements, reason in _WITH_THEIR_IMPORTS.items():
        command = [sys.executable, "-I", "-c", _IMPORTED, statements]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found |= dict.fromkeys(map(_top, printed.split()), reason)
    return found | _REASONS


def _top(module: str) -> str:
    return module.partition(".")[0]


class _PrivilegedModules(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        found = {name: loaded(options) for name, options in CONFIGURATIONS.items()}
        sizes = [
            (name, own_lines(modules), sum(foreign_lines(modules).values()))
            for name, modules in found.items()
        ]
        *privileged, _ = map(foreign_lines, found.values())
        lines = {name: count for modules in privileged for name, count in modules.items()}
        names: dict[str, list[str]] = {}
        known = reasons()
        for name in sorted(lines):
            names.setdefault(known.get(name, "nobody knows"), []).append(name)
        explained = [
            (", ".join(of_it), sum(lines[name] for name in of_it), reason)
            for reason, of_it in names.items()
        ]
        text = [
            list_table(
                [("Configuration", "Lines of this package", "Of the standard library"), *sizes]
            ),
            list_table([("Modules", "Lines", "Why they are there"), *explained]),
        ]
        return self.parse_text_to_nodes("\n".join(text))


def setup(app: Sphinx) -> None:
    """Add the directive to Sphinx."""
    app.add_directive("privileged-modules", _PrivilegedModules)
