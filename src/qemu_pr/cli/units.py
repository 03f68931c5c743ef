"""``qemu-pr units``: the systemd units that start the helper when a guest connects."""

import argparse
import errno
import grp
import json
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path

import qemu_pr
from qemu_pr.cli.parser import USAGE_ERROR
from qemu_pr.command_line.model import SOCKET_PATH_MAX
from qemu_pr.doctor.multipath import installed_release
from qemu_pr.systemd_units import JOURNAL, SERVICE_UNIT, SOCKET_UNIT, Units, hidden_by_units, render

DEFAULT_SOCKET = "/run/qemu-pr-helper.sock"
_PROGRAM = "qemu-pr-helper"
# Where it may be, seen from the directory of qemu-pr. Distributions have QEMU's in /usr/bin, so
# their packages of this one put it elsewhere: Fedora's, Debian's, and all others.
_PLACES = (f"../libexec/qemu-pr/{_PROGRAM}", f"../sbin/{_PROGRAM}", _PROGRAM)
_HAS_SOCKET_FILE = (0, 12, 0)  # the release of multipath-tools
_NAME = re.compile(r"[\w.-]+\$?")

_DESCRIPTION = """\
Print the systemd units of qemu-pr-helper, or write them. The socket unit listens; when the first
guest connects, systemd starts the service, which may do what the helper needs and nothing more.
"""

_EPILOG = """\
Example, for libvirt's guests, with an audit log in the journal; run as root:

    qemu-pr units --group kvm --audit journal --output /etc/systemd/system
    systemctl daemon-reload
    systemctl enable --now qemu-pr-helper.socket
    systemctl try-restart qemu-pr-helper.service

The service may write nowhere but to the directories of the files that --audit and --metrics name.
They must be there when it starts. Whoever is in the group may connect; with --allow-user only those
of them who are named.

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
        help="the program to start (default: the one that was installed with this program)",
    )
    parser.add_argument(
        "--audit",
        metavar="FILE",
        help=f"have an audit log written to the end of this file, or to systemd's '{JOURNAL}'",
    )
    parser.add_argument(
        "--metrics", metavar="FILE", help="have counters and latencies kept in this file"
    )
    parser.add_argument(
        "--allow-user",
        metavar="USER",
        action="append",
        default=[],
        help="take connections of this user only, by name or number; once for each user",
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
    program = args.helper or _installed_helper()
    if not _is_program(program):
        _complain(f"{program}: there is no such program; name it with --helper")
        return USAGE_ERROR
    for path in _unseen(args.helper, program):
        _complain(
            f"warning: {path}: the service does not see it; install qemu-pr under /opt or /usr"
        )
    if args.group and not _is_group(args.group):
        _complain(
            f"warning: --group {args.group}: this host has no such group; name the one that QEMU"
            " runs in, kvm on Debian and qemu on Fedora, or the socket will not start"
        )
    units = Units(
        program,
        args.socket,
        args.group,
        _private_network(args),
        args.audit,
        args.metrics,
        tuple(args.allow_user),
    )
    for path in _missing_directories(units.files):
        _complain(f"warning: {path}: there is no such directory; make it, or nothing will start")
    return _deliver(args, render(units))


def _deliver(args: argparse.Namespace, units: dict[str, str]) -> int:
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
        print(
            f"next: systemctl daemon-reload && systemctl enable --now {SOCKET_UNIT}"
            f" && systemctl try-restart {SERVICE_UNIT}"
        )
    return 0


def _objection(args: argparse.Namespace) -> str:
    paths = {"--socket": args.socket, "--helper": args.helper, "--metrics": args.metrics}
    if args.audit != JOURNAL:
        paths["--audit"] = args.audit
    for option, path in paths.items():
        if path is None:
            continue
        if not path.startswith("/"):
            return f"{option} {path}: write the path from the root /"
        if not path.isprintable() or path != path.strip():
            return f"{option} {path!r}: systemd cannot take it; choose another path"
    if len(os.fsencode(args.socket)) > SOCKET_PATH_MAX:
        return f"--socket {args.socket}: a socket's path has at most {SOCKET_PATH_MAX} bytes"
    if args.group is not None and not _NAME.fullmatch(args.group):
        return f"--group {args.group!r}: it is no name of a group"
    for user in args.allow_user:
        if not _NAME.fullmatch(user):
            return f"--allow-user {user!r}: it is no name of a user"
    return ""


def _installed_helper() -> str:
    """Give the helper of this package: beside this program, or where Python puts programs."""
    beside = os.path.dirname(os.path.abspath(sys.argv[0]))
    candidates = _candidates(beside, sysconfig.get_path("scripts"))
    return next(filter(_is_program, candidates), os.path.join(beside, _PROGRAM))


def _candidates(*directories: str) -> Iterator[str]:
    for directory in directories:
        # Where /usr/sbin is /usr/bin, what is there is QEMU's, but then ours is in libexec.
        yield from (os.path.normpath(os.path.join(directory, place)) for place in _PLACES)


def _is_program(path: str) -> bool:
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _missing_directories(files: list[str]) -> list[str]:
    directories = dict.fromkeys(map(os.path.dirname, files))
    return [path for path in directories if not os.path.isdir(path)]


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
