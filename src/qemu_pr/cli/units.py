"""``qemu-pr units``: the systemd units that start the helper when a guest connects."""

import argparse
import errno
import grp
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path

import qemu_pr
from qemu_pr.cli.parser import USAGE_ERROR
from qemu_pr.command_line.model import SOCKET_PATH_MAX
from qemu_pr.doctor.multipath import installed_release
from qemu_pr.systemd_units import SOCKET_UNIT, Units, hidden_by_units, render

DEFAULT_SOCKET = "/run/qemu-pr-helper.sock"
_PROGRAM = "qemu-pr-helper"
_HAS_SOCKET_FILE = (0, 12, 0)  # the release of multipath-tools
_GROUP = re.compile(r"[\w.-]+\$?")

_DESCRIPTION = """\
Print the systemd units of qemu-pr-helper, or write them. The socket unit listens; when the first
guest connects, systemd starts the service, which may do what the helper needs and nothing more.
"""

_EPILOG = """\
To install them, run as root: qemu-pr units --output /etc/systemd/system, then systemctl
daemon-reload, then systemctl enable --now qemu-pr-helper.socket.

The socket is for root alone, unless --group names the group that QEMU runs in: for libvirt's guests
that is kvm on Debian, and qemu on Fedora.

multipathd has a socket that is a file from multipath-tools 0.12.0 on. Before, it has an abstract
one, which belongs to the network namespace of the host. So the service gets a namespace of its own
only if this host has such a release, or none; --private-network says otherwise, for another host.

With --json the output is an object with the text of each unit, by its name.

Exit status: 0, or 1 if the options are wrong or a file cannot be written.
"""

_SWITCH = {"yes": True, "no": False}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "--output", metavar="DIR", help="write the units into this directory (default: print them)"
    )
    parser.add_argument(
        "--socket",
        metavar="PATH",
        default=DEFAULT_SOCKET,
        help="the socket to listen on (default: %(default)s)",
    )
    parser.add_argument(
        "--group", metavar="NAME", help="the group that may connect (default: root alone)"
    )
    parser.add_argument(
        "--helper",
        metavar="PATH",
        help="the program to start (default: the qemu-pr-helper beside this program)",
    )
    parser.add_argument(
        "--private-network",
        choices=_SWITCH,
        help="whether the service has a network namespace of its own (default: see below)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=lambda args: run(args, parser.error))


def run(args: argparse.Namespace, usage_error: Callable[[str], object]) -> int:
    """Print or write the units.

    Args:
        args: The options.
        usage_error: What ends the program for options that do not make units.

    Returns:
        The exit status.
    """
    if objection := _objection(args):
        usage_error(objection)
    program = args.helper or str(Path(sys.argv[0]).absolute().parent / _PROGRAM)
    if not (os.path.isfile(program) and os.access(program, os.X_OK)):
        _complain(f"{program}: there is no such program; name it with --helper")
        return USAGE_ERROR
    for path in _unseen(args.helper, program):
        _complain(
            f"warning: {path}: the service does not see it; install qemu-pr under /opt or /usr"
        )
    if args.group and not _is_group(args.group):
        _complain(f"warning: --group {args.group}: this host has no such group")
    units = render(Units(program, args.socket, args.group, _private_network(args)))
    if args.output is not None:
        try:
            for name, text in units.items():
                Path(args.output, name).write_text(text)
        except OSError as error:
            advice = "; make the directory first" if error.errno == errno.ENOENT else ""
            _complain(f"{error.filename}: cannot write it: {error.strerror}{advice}")
            return USAGE_ERROR
    if args.json:
        print(json.dumps(units, indent=2))
    elif args.output is None:
        print("\n".join(f"# {name}\n{text}" for name, text in units.items()), end="")
    else:
        print(f"next: systemctl daemon-reload && systemctl enable --now {SOCKET_UNIT}")
    return 0


def _objection(args: argparse.Namespace) -> str:
    for option, path in (("--socket", args.socket), ("--helper", args.helper or "/")):
        if not path.startswith("/"):
            return f"{option} {path}: write the path from the root /"
        if not path.isprintable() or path != path.strip():
            return f"{option} {path!r}: systemd cannot take it; choose another path"
    if len(os.fsencode(args.socket)) > SOCKET_PATH_MAX:
        return f"--socket {args.socket}: a socket's path has at most {SOCKET_PATH_MAX} bytes"
    if args.group is not None and not _GROUP.fullmatch(args.group):
        return f"--group {args.group!r}: it is no name of a group"
    return ""


def _unseen(named: str | None, program: str) -> list[str]:
    """Give what the service needs and does not see: the program, its Python, this package."""
    own = [] if named else [sys.prefix, sys.base_prefix, os.path.dirname(qemu_pr.__file__)]
    return hidden_by_units(dict.fromkeys([program, os.path.realpath(program), *own]))


def _is_group(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _private_network(args: argparse.Namespace) -> bool:
    if args.private_network is not None:
        return _SWITCH[args.private_network]
    release = installed_release()
    return release is None or release >= _HAS_SOCKET_FILE


def _complain(text: str) -> None:
    print(f"qemu-pr: units: {text}", file=sys.stderr)
