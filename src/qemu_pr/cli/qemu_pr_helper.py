"""The program `qemu-pr-helper`: a drop-in for the one that comes with QEMU."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence

from qemu_pr import __version__
from qemu_pr.cli.parser import OperatorParser
from qemu_pr.forked import call_this_process
from qemu_pr.helper import StartError, listen
from qemu_pr.helper.events import DEBUG, ERROR, EVENTS, NORMAL, QUIET, Events, journal_prefix
from qemu_pr.helper.life_cycle import DEFAULT_PID_FILE, DEFAULT_SOCKET, run
from qemu_pr.helper.serve import STOP_BOUND

PROGRAM = "qemu-pr-helper"

_EPILOG = f"""\
SIGTERM, SIGINT or SIGHUP stops the helper: it takes no further connections,
finishes the commands in flight and exits with status 0. A second signal makes
it exit at once, with status 1, and so do commands that take longer than {STOP_BOUND:g} s.
"""

# Options that mean nothing without another: that one, and their default with it.
_NEEDS: dict[str, tuple[str, object]] = {
    "initiator": ("simulate", None),
    "quirk": ("simulate", None),
    "audit_format": ("audit", "text"),
    "metrics_interval": ("metrics", 15.0),
}


def build_parser() -> argparse.ArgumentParser:
    """Give the parser, which also makes the man page.

    Here an option is spelled once: what it is read into is handed on whole, and looked at where it
    is needed.
    """
    parser = _HelperParser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [OPTIONS]",
        description="Carry out persistent reservation commands for QEMU,"
        " which has no privilege to send them itself.",
        epilog=_EPILOG,
        add_help=False,
        allow_abbrev=True,  # as getopt_long
    )

    def option(spelling: str, text: str, **how: object) -> None:
        *names, last = spelling.split()
        if last.startswith("-"):
            names.append(last)
        else:
            how["metavar"] = last
        parser.add_argument(*names, help=text, **how)  # type: ignore[arg-type]

    option("-h --help", "display this help and exit", action="help")
    version = f"{PROGRAM} {__version__}"
    option("-V --version", "display the version and exit", action="version", version=version)
    option("-d --daemon", "run in the background", action="store_true")
    text = f"write the process ID to this file (default with -d: {DEFAULT_PID_FILE})"
    option("-f --pidfile PATH", text, type=os.path.abspath)
    text = f"listen on this Unix socket; an absolute path (default: {DEFAULT_SOCKET})"
    option("-k --socket PATH", text, type=listen.checked_path)
    text = "trace events: [[enable=]PATTERN][,events=FILE][,file=FILE]; 'help' lists them"
    option("-T --trace TRACE", text, action="append", default=[])
    option("-u --user USER", "become this user, by name or number", type=_user_id)
    option("-g --group GROUP", "become this group, by name or number", type=_group_id)
    option("-q --quiet", "log nothing but why it could not start", action="store_true")
    option("-v --verbose", "log connections, too; twice: every command", action="count", default=0)
    text = "take connections of this user only, by name or number; once for each user"
    option("--allow-user USER", text, action="append", type=_user_id)
    text = "append a line for each PERSISTENT RESERVE OUT to this file; '-': to standard error"
    option("--audit FILE", text, type=_path_or_hyphen)
    text = "with --audit: how to write it (default: text)"
    option("--audit-format", text, choices=("text", "json"))
    text = "keep counters and latencies in this file, in the text format of Prometheus"
    option("--metrics FILE", text, type=os.path.abspath)
    text = "with --metrics: write the file every SECONDS (default: 15)"
    option("--metrics-interval SECONDS", text, type=duration)
    text = (
        "keep at most COUNT connections (default: 4096);"
        " one more costs the process that has most of them its oldest"
    )
    option("--max-connections COUNT", text, type=number, default=4096)
    text = "disconnect a client that takes longer to send a request (default: 30)"
    option("--request-timeout SECONDS", text, type=duration, default=30.0)
    text = "treat multipath maps like other disks: reserve on one path of several"
    option("--no-multipath", text, action="store_true")
    text = "answer commands on regular files as a simulated disk, with its reservations in STATE"
    option("--simulate STATE", text, type=os.path.abspath)
    text = "with --simulate: this host's name, naa.<16 hex digits> or iqn.<...>"
    option("--initiator NAME", text)
    option("--quirk NAME", "with --simulate: disks with this oddity, against SPC-4")
    return parser


class _HelperParser(OperatorParser):
    def report(self, message: str) -> str:
        """Say where to read on in the C helper's words."""
        return f"{PROGRAM}: {message}\n{PROGRAM}: Try `{PROGRAM} --help' for more information."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the helper.

    Args:
        arguments: What follows the program's name; those of this process if None.

    Returns:
        The exit status.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_standard_descriptors()
    call_this_process(PROGRAM)
    try:
        settings = _parse(arguments)
        if "help" in settings.trace:
            print("\n".join(EVENTS))
            return 0
        return run(settings, _events(settings))
    except StartError as error:
        print(f"{journal_prefix(ERROR)}{PROGRAM}: {error}", file=sys.stderr)
        return 1


def _open_standard_descriptors() -> None:
    """Fill 0 to 2 if the caller closed them, so that no socket gets one of these numbers."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(fd)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = build_parser()
    settings, rest = parser.parse_known_args(arguments)
    if rest and rest != ["--"]:
        kind, culprit = ("operand", rest[1]) if rest[0] == "--" else ("option", rest[0])
        if not culprit.startswith("-"):
            kind = "operand"
        from qemu_pr.cli.guessing_parser import meant  # only whoever mistypes pays for it

        guess = meant(parser, rest, sys.argv[1:] if arguments is None else arguments)
        parser.error(f"unrecognized {kind} '{culprit}'{guess}")
    for name, (needed, default) in _NEEDS.items():
        if getattr(settings, name) is None:
            setattr(settings, name, default)
        elif getattr(settings, needed) is None:
            parser.error(f"option '--{name.replace('_', '-')}' needs '--{needed}'")
    if settings.daemon:
        settings.pidfile = settings.pidfile or DEFAULT_PID_FILE
        if settings.audit == "-":
            raise StartError("--audit -: with --daemon there is no standard error; name a file")
    return settings


def number(text: str) -> int:
    """Read a whole number from 1 on; argparse tells of it by this name, as of the next one."""
    if (value := int(text)) < 1:
        raise ValueError
    return value


def duration(text: str) -> float:
    """Read a number of seconds."""
    if not 0 < (value := float(text)) < 1e6:
        raise ValueError
    return value


def _path_or_hyphen(text: str) -> str:
    return text if text == "-" else os.path.abspath(text)


def _user_id(name: str) -> int:
    import pwd  # seldom asked for, as is grp

    return _id(name, "user", lambda name: pwd.getpwnam(name).pw_uid)


def _group_id(name: str) -> int:
    import grp

    return _id(name, "group", lambda name: grp.getgrnam(name).gr_gid)


def _id(name: str, kind: str, look_up: Callable[[str], int]) -> int:
    """Give a user's or group's number; a name that consists of digits goes before the number."""
    try:
        return look_up(name)
    except KeyError:
        if name.isascii() and name.isdigit() and len(name) <= 10 and int(name) < 2**32 - 1:
            return int(name)
        raise StartError(f"invalid {kind} '{name}'") from None


def _events(settings: argparse.Namespace) -> Events:
    verbosity = QUIET if settings.quiet else min(NORMAL + settings.verbose, DEBUG)
    if not settings.trace:
        return Events(verbosity)

    from qemu_pr.helper import trace  # rarely asked for

    tracing = trace.parse(settings.trace)
    for name in tracing.unknown:
        print(f"{PROGRAM}: warning: trace event '{name}' does not exist", file=sys.stderr)
    return Events(verbosity, tracing.events, trace.open_file(tracing.file))


if __name__ == "__main__":
    sys.exit(main())
