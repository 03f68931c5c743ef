"""The program `qemu-pr-helper`: a drop-in for the one that comes with QEMU.

What is imported at the top of the modules that it loads is on the way to the first answer, so it is
little: enum, typing, dataclasses and argparse each take as long as a quarter of Python's own start
or more. docs/reference/performance.rst has the figures.
"""

from __future__ import annotations

import os
import sys

from qemu_pr import __version__
from qemu_pr.cli import plain_options
from qemu_pr.helper import StartError, listen
from qemu_pr.helper.devices import Simulation
from qemu_pr.helper.events import DEBUG, ERROR, EVENTS, NORMAL, QUIET, Events, journal_prefix
from qemu_pr.helper.life_cycle import (
    AUDIT_FORMATS,
    DEFAULT_METRICS_INTERVAL,
    DEFAULT_PID_FILE,
    DEFAULT_SOCKET,
    Settings,
    run,
)
from qemu_pr.helper.server import DEFAULT_CONNECTIONS, DEFAULT_REQUEST_TIMEOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    import signal
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn, TextIO
else:
    import _signal as signal  # without enum

PROGRAM = "qemu-pr-helper"

_EPILOG = """\
SIGTERM, SIGINT or SIGHUP stops the helper: it takes no further connections,
finishes the commands in flight and exits with status 0. A second signal makes
it exit at once, with status 1.
"""


def number(text: str) -> int:
    """Read a whole number from 1 on."""
    if (value := int(text)) < 1:
        raise ValueError
    return value


def duration(text: str) -> float:
    """Read a number of seconds."""
    if not 0 < (value := float(text)) < 1e6:
        raise ValueError
    return value


# What argparse's add_argument is given for each option.
OPTIONS: dict[tuple[str, ...], dict[str, Any]] = {
    ("-h", "--help"): {"action": "help", "help": "display this help and exit"},
    ("-V", "--version"): {
        "action": "version",
        "version": f"{PROGRAM} {__version__}",
        "help": "display the version and exit",
    },
    ("-d", "--daemon"): {"action": "store_true", "help": "run in the background"},
    ("-f", "--pidfile"): {
        "metavar": "PATH",
        "help": f"write the process ID to this file (default with -d: {DEFAULT_PID_FILE})",
    },
    ("-k", "--socket"): {
        "metavar": "PATH",
        "help": f"listen on this Unix socket; an absolute path (default: {DEFAULT_SOCKET})",
    },
    ("-T", "--trace"): {
        "metavar": "TRACE",
        "action": "append",
        "default": [],
        "help": "trace events: [[enable=]PATTERN][,events=FILE][,file=FILE]; 'help' lists them",
    },
    ("-u", "--user"): {"metavar": "USER", "help": "become this user, by name or number"},
    ("-g", "--group"): {"metavar": "GROUP", "help": "become this group, by name or number"},
    ("-q", "--quiet"): {
        "action": "store_true",
        "help": "log nothing but why it could not start",
    },
    ("-v", "--verbose"): {
        "action": "count",
        "default": 0,
        "help": "log connections, too; twice: every command",
    },
    ("--allow-user",): {
        "metavar": "USER",
        "action": "append",
        "default": [],
        "help": "take connections of this user only, by name or number; once for each user",
    },
    ("--audit",): {
        "metavar": "FILE",
        "help": "write a line for each PERSISTENT RESERVE OUT to the end of this file;"
        " '-': to standard error",
    },
    ("--audit-format",): {
        "choices": AUDIT_FORMATS,
        "help": f"with --audit: how to write it (default: {AUDIT_FORMATS[0]})",
    },
    ("--metrics",): {
        "metavar": "FILE",
        "help": "keep counters and latencies in this file, in the text format of Prometheus",
    },
    ("--metrics-interval",): {
        "metavar": "SECONDS",
        "type": duration,
        "help": f"with --metrics: write the file so often (default: {DEFAULT_METRICS_INTERVAL})",
    },
    ("--max-connections",): {
        "metavar": "COUNT",
        "type": number,
        "default": DEFAULT_CONNECTIONS,
        "help": f"keep so many connections (default: {DEFAULT_CONNECTIONS});"
        " one more costs the process that has most of them its oldest",
    },
    ("--request-timeout",): {
        "metavar": "SECONDS",
        "type": duration,
        "default": DEFAULT_REQUEST_TIMEOUT,
        "help": "disconnect a client that takes longer to send a request"
        f" (default: {DEFAULT_REQUEST_TIMEOUT})",
    },
    ("--no-multipath",): {
        "action": "store_true",
        "help": "treat multipath maps like other disks: reserve on one path of several",
    },
    ("--simulate",): {
        "metavar": "STATE",
        "help": "answer commands on regular files as a simulated disk;"
        " its reservations are kept in the file STATE",
    },
    ("--initiator",): {
        "metavar": "NAME",
        "help": "with --simulate: this host's name, naa.<16 hex digits> or iqn.<...>",
    },
}

# An option that means nothing without another.
_NEEDS = {"initiator": "simulate", "audit_format": "audit", "metrics_interval": "metrics"}


def build_parser() -> argparse.ArgumentParser:
    """Give the parser, which also makes the man page."""
    from qemu_pr.cli.parser import OperatorParser

    class HelperParser(OperatorParser):
        def error(self, message: str) -> NoReturn:
            """Print the error and where to read on, and exit with 1, as the C helper does."""
            hint = f"{PROGRAM}: Try `{PROGRAM} --help' for more information."
            self.exit(1, f"{PROGRAM}: {message}\n{hint}\n")

    parser = HelperParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTIONS]",
        description="Carry out persistent reservation commands for QEMU,"
        " which has no privilege to send them itself.",
        epilog=_EPILOG,
        add_help=False,
        allow_abbrev=True,  # as getopt_long
    )
    for names, settings in OPTIONS.items():
        parser.add_argument(*names, **settings)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the helper.

    Args:
        arguments: What follows the program's name; those of this process if None.

    Returns:
        The exit status.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_standard_descriptors()
    try:
        options = _parse(sys.argv[1:] if arguments is None else arguments)
        if "help" in options["trace"]:
            print("\n".join(EVENTS))
            return 0
        status = run(_settings(options), _events(options))
        # Not through Python's end, which a thread that comes back from a disk would meet half way.
        os._exit(status)
    except StartError as error:
        print(f"{journal_prefix(ERROR)}{PROGRAM}: {error}", file=sys.stderr)
        return 1


def _open_standard_descriptors() -> None:
    """Fill 0 to 2 if the caller closed them, so that no socket gets one of these numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _parse(arguments: Sequence[str]) -> dict[str, Any]:
    options = plain_options.read(OPTIONS, arguments)
    return _parse_any(arguments) if options is None or _useless(options) else options


def _useless(options: dict[str, Any]) -> str | None:
    """Give the first option that another one is missing for."""
    for name, needed in _NEEDS.items():
        if options[name] is not None and options[needed] is None:
            return name
    return None


def _parse_any(arguments: Sequence[str]) -> dict[str, Any]:
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    if rest and rest != ["--"]:
        kind, culprit = ("operand", rest[1]) if rest[0] == "--" else ("option", rest[0])
        if not culprit.startswith("-"):
            kind = "operand"
        parser.error(f"unrecognized {kind} '{culprit}'")
    if name := _useless(vars(options)):
        parser.error(f"option '--{name.replace('_', '-')}' needs '--{_NEEDS[name]}'")
    return vars(options)


def _settings(options: dict[str, Any]) -> Settings:
    if options["socket"] is not None:
        listen.check_path(options["socket"])
    pid_file = options["pidfile"]
    if options["daemon"] and pid_file is None:
        pid_file = DEFAULT_PID_FILE
    audit = options["audit"]
    if audit == "-" and options["daemon"]:
        raise StartError("--audit -: with --daemon there is no standard error; name a file")
    simulation = None
    if options["simulate"] is not None:
        simulation = Simulation(os.path.abspath(options["simulate"]), options["initiator"])
    return Settings(
        socket=options["socket"],
        pid_file=pid_file,
        daemon=options["daemon"],
        user=None if options["user"] is None else _id(options["user"], "user", _user_id),
        group=None if options["group"] is None else _id(options["group"], "group", _group_id),
        simulation=simulation,
        multipath=not options["no_multipath"],
        max_connections=options["max_connections"],
        request_timeout=options["request_timeout"],
        allowed_users=_allowed_users(options["allow_user"]),
        audit=audit if audit in (None, "-") else os.path.abspath(audit),
        audit_format=options["audit_format"] or AUDIT_FORMATS[0],
        metrics=None if options["metrics"] is None else os.path.abspath(options["metrics"]),
        metrics_interval=options["metrics_interval"] or DEFAULT_METRICS_INTERVAL,
    )


def _user_id(name: str) -> int:
    import pwd  # seldom asked for, as is grp

    return pwd.getpwnam(name).pw_uid


def _group_id(name: str) -> int:
    import grp

    return grp.getgrnam(name).gr_gid


def _allowed_users(names: Sequence[str]) -> frozenset[int] | None:
    return frozenset(_id(name, "user", _user_id) for name in names) or None


def _id(name: str, kind: str, look_up: Callable[[str], int]) -> int:
    """Give a user's or group's number; a name that consists of digits goes before the number."""
    try:
        return look_up(name)
    except KeyError:
        if name.isascii() and name.isdigit() and len(name) <= 10 and int(name) < 2**32 - 1:
            return int(name)
        raise StartError(f"invalid {kind} '{name}'") from None


def _events(options: dict[str, Any]) -> Events:
    verbosity = QUIET if options["quiet"] else min(NORMAL + options["verbose"], DEBUG)
    if not options["trace"]:
        return Events(verbosity)

    from qemu_pr.helper import trace  # rarely asked for

    tracing = trace.parse(options["trace"])
    for name in tracing.unknown:
        print(f"{PROGRAM}: warning: trace event '{name}' does not exist", file=sys.stderr)
    return Events(verbosity, tracing.events, _open_trace_file(tracing.file))


def _open_trace_file(path: str | None) -> TextIO | None:
    if path is None:
        return None
    try:
        return open(path, "a", encoding="utf-8")
    except OSError as error:
        raise StartError(f"cannot write traces to '{path}': {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
