"""Is a helper there, where QEMU looks for it, and may it do what it must?"""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress

from qemu_pr.doctor.check import Result, failure, ok, unknown, warning
from qemu_pr.doctor.host import Guest, Host, Socket
from qemu_pr.host.paths import plain
from qemu_pr.host.process import CAP_DAC_OVERRIDE, CAP_SYS_ADMIN, CAP_SYS_RAWIO, Process
from qemu_pr.systemd_units import SOCKET_UNIT

_LIBRARY = "libmpathpersist"
_SHOWN = 3  # of the sockets of other helpers
_LISTENS = re.compile(r"^ListenStream=[ \t]*(\S+)", re.MULTILINE)
_KEEP_RAWIO = (
    "what starts it takes it away: add CAP_SYS_RAWIO to CapabilityBoundingSet= of its unit, or to "
    "the capabilities of its container"
)
_RESTART_AS_ROOT = "stop it, and start qemu-pr-helper as root"


def answers(host: Host) -> Iterator[Result]:
    """Look for a helper on each socket."""
    if not host.runs:
        what = "there are no processes: the host does not run, or its /proc is not there"
        advice = "run qemu-pr doctor on the host, or mount its /proc, to have helpers examined"
        yield unknown(str(host.proc), what, advice)
    for one in host.sockets:
        found = one.contact
        if not found.error:
            yield ok(one.path, "a helper answers")
        elif found.number in (errno.EACCES, errno.EPERM):
            yield unknown(one.path, f"cannot connect: {found.error}", "run as root")
        elif _takes_others(one):
            what = f"process {found.pid}, qemu-pr-helper, takes connections of other users only"
            yield unknown(one.path, what, "run as a user whom its --allow-user names")
        else:
            yield failure(one.path, found.error + _used_by(one), _remedy(host, one))


def _takes_others(one: Socket) -> bool:
    """Whether a helper closes the connection because of its --allow-user."""
    listener = Process(one.proc, one.contact.pid)
    named = any(argument.startswith("--allow") for argument in listener.arguments)
    return not one.contact.number and listener.is_helper and named


def _used_by(one: Socket) -> str:
    names = ", ".join(guest.process.name for guest in one.guests)
    return f", and this guest uses it: {names}" if names else ""


def _start(path: str) -> str:
    return f"qemu-pr-helper -d -k {os.path.abspath(path)}"  # it takes no relative path


def _unit_serves(host: Host, path: str) -> bool:
    """Tell whether systemd listens on a socket for the helper, or would if it were told to."""
    listens = {plain(one.replace("%t/", "/run/")) for one in _LISTENS.findall(_socket_unit(host))}
    return plain(os.path.abspath(path)) in listens


def _socket_unit(host: Host) -> str:
    """Give the text of the unit that counts; empty if there is none that this user may read."""
    for directory in (host.etc / "systemd/system", host.etc.parent / "usr/lib/systemd/system"):
        with suppress(OSError):
            return (directory / SOCKET_UNIT).read_text(errors="surrogateescape")
    return ""


def _remedy(host: Host, one: Socket) -> str:
    served = _unit_serves(host, one.path)
    start = f"start it: {f'systemctl enable --now {SOCKET_UNIT}' if served else _start(one.path)}"
    if one.contact.number == errno.ENOENT and (others := host.helper_sockets_elsewhere()):
        shown = ", ".join(others[:_SHOWN]) + (" and elsewhere" if others[_SHOWN:] else "")
        return f"a helper listens on {shown}: use that path in QEMU, or {start}"
    if one.contact.number == errno.ECONNREFUSED:
        return f"the helper that made it is gone: {start}"
    if one.contact.number:
        return start
    if one.contact.pid:
        return f"look at process {one.contact.pid}, and at the helper's log; then {start}"
    return f"remove it, or choose another path; then {start}"


def permissions(host: Host) -> Iterator[Result]:
    """Compare who may connect with who has to."""
    for one in filter(_exists, host.sockets):
        refused = [(guest, where) for guest in one.guests if (where := _refuses(guest, one))]
        found = os.stat(one.file)
        who = f"user {found.st_uid}, group {found.st_gid}, mode {stat.S_IMODE(found.st_mode):04o}"
        for guest, where in refused:
            yield failure(
                one.path,
                f"{guest.process.name}, runs as user {guest.process.user}, which may not connect:"
                f" {where} does not let it ({who})",
                "give the socket the group of the guests, with mode 0660: SocketGroup= and"
                " SocketMode= under systemd, else chgrp and chmod",
            )
        if refused:
            continue
        if found.st_mode & stat.S_IWOTH and _is_open_to_all(one.file):
            what = f"every user may connect, and reserve each disk that they can open ({who})"
            yield warning(one.path, what, f"chmod o-w {one.path}, or SocketMode=0660 in its unit")
        else:
            yield ok(one.path, who)


def _exists(one: Socket) -> bool:
    return os.access(one.file, os.F_OK) and one.answers


def _refuses(guest: Guest, one: Socket) -> str:
    """Give the directory or socket that keeps a guest from connecting; empty if none does."""
    process = guest.process
    if not process.status or process.may(CAP_DAC_OVERRIDE):
        return ""
    parts = one.path.split("/")
    for length in range(1, len(parts)):
        directory = "/".join(parts[:length]) or "/"
        if not _lets(process, process.file(directory), stat.S_IXOTH):
            return directory
    return "" if _lets(process, one.file, stat.S_IWOTH) else one.path


def _lets(process: Process, path: str, right: int) -> bool:
    found = os.stat(path)
    if "system.posix_acl_access" in os.listxattr(path):
        return True  # it says more than the mode does, and nobody is accused on a guess
    if process.user == found.st_uid:
        right <<= 6
    elif found.st_gid in process.groups:
        right <<= 3
    return bool(found.st_mode & right)


def _is_open_to_all(path: str) -> bool:
    directory = os.path.dirname(path)
    while directory != "/":
        if not os.stat(directory).st_mode & stat.S_IXOTH:
            return False
        directory = os.path.dirname(directory)
    return True


def peer(host: Host) -> Iterator[Result]:
    """Say which process answers."""
    for one in host.sockets:
        if not one.answers:
            continue
        if one.peer is None or not one.peer.arguments:
            what = (
                "who answers cannot be told: only root may know, or it is in a container, or gone"
            )
            yield unknown(one.path, what, "run as root, and where the helper runs")
        elif not one.peer.is_helper:
            what = f"{one.peer.name}, answers, and is no qemu-pr-helper"
            advice = "if you do not know it, stop it, and start qemu-pr-helper"
            yield warning(one.path, what, advice)
        else:
            kind = "this package's" if one.peer.is_of_this_package else "QEMU's"
            yield ok(one.path, f"{one.peer.name}, {kind}, as user {one.peer.user}")


def capabilities(host: Host) -> Iterator[Result]:
    """Look for the capability that the kernel wants for SCSI commands."""
    for _, helper in host.helpers:
        if not helper.status:
            yield unknown(helper.name, "it is gone", "run qemu-pr doctor again")
        elif "--simulate" in helper.arguments and not helper.may(CAP_SYS_RAWIO):
            yield ok(helper.name, "it may simulate disks, and not reach real ones")
        elif not helper.may(CAP_SYS_RAWIO):
            advice = _KEEP_RAWIO if helper.user == 0 else _RESTART_AS_ROOT
            yield failure(helper.name, "it has no CAP_SYS_RAWIO", advice)
        elif helper.is_in_user_namespace:
            what = "its CAP_SYS_RAWIO does not count: it is in a user namespace"
            yield failure(helper.name, what, "run it outside of the rootless container")
        else:
            yield ok(helper.name, "CAP_SYS_RAWIO")


def may_send(helper: Process) -> bool:
    """Tell whether a helper may send commands to SCSI disks."""
    return helper.may(CAP_SYS_RAWIO) and not helper.is_in_user_namespace


def reaches_all_paths(host: Host) -> Iterator[Result]:
    """Look whether helpers register all paths of multipath maps."""
    for _, helper in host.helpers:
        if not may_send(helper):
            continue
        if not helper.is_of_this_package:
            yield _reaches_by_linking(helper)
        elif "--no-multipath" in helper.arguments:
            what = "with --no-multipath it registers one path of a map"
            yield failure(helper.name, what, "start it without that option")
        elif not _children_with(helper, CAP_SYS_ADMIN):
            what = "its process for multipath maps is gone, or lacks CAP_SYS_ADMIN"
            yield failure(helper.name, what, _RESTART_AS_ROOT)
        else:
            yield ok(helper.name, "it registers all paths of a map")


def _reaches_by_linking(helper: Process) -> Result:
    linked = helper.maps_library(_LIBRARY)
    if linked is None:
        return unknown(helper.name, f"whether it has {_LIBRARY} cannot be told", "run as root")
    if linked:
        return ok(helper.name, "it registers all paths of a map")
    what = "it was built without multipath, and registers one path of a map"
    return failure(helper.name, what, "start this package's qemu-pr-helper in its place")


def _children_with(helper: Process, capability: int) -> bool:
    numbers = (int(entry.name) for entry in helper.proc.iterdir() if entry.name.isdigit())
    children = (Process(helper.proc, number) for number in numbers)
    return any(one.parent == helper.pid and one.may(capability) for one in children)
