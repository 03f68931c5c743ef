"""One host's report: who it is, its disks and what they tell, its helpers and its guests.

Nothing is changed, and nothing asked twice. Disks are sent PERSISTENT RESERVE IN, each by a process
of its own; the rest is what `qemu_pr.doctor` reads.
"""

import errno
import os
import socket
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypedDict

from qemu_pr import __version__
from qemu_pr.doctor import libvirt
from qemu_pr.doctor.check import Check, Outcome, Result
from qemu_pr.doctor.checks import examine
from qemu_pr.doctor.helper import may_send
from qemu_pr.doctor.host import Host
from qemu_pr.fleet import model
from qemu_pr.fleet.disks import HostDisk, disks
from qemu_pr.fleet.helper_version import version_of
from qemu_pr.host import initiators
from qemu_pr.host.asking import LIMIT, ask_each
from qemu_pr.host.process import Process
from qemu_pr.multipath_conf import this_host
from qemu_pr.multipath_conf.configuration import Configuration
from qemu_pr.multipath_conf.reservation_key import ReservationKey

_AS_ROOT = "run as root"


class Answer(TypedDict):
    """What asking a disk came to; one of the two is None."""

    status: model.ReportedStatus | None
    error: model.Error | None


class Question(NamedTuple):
    """A disk to ask.

    Attributes:
        file: Where this process can open it.
        socket: The helper to ask through; None for the disk itself.
    """

    file: str
    socket: str | None


Ask = Callable[[Question], Answer]

_HANGS = model.Error(
    exit_status=None,
    reason=f"it hangs: no answer for {LIMIT:g} s",
    advice="see the kernel's log, and the paths of the disk: multipath -ll",
)


def examined(
    host: Host, begins: Callable[[Check], None] = lambda _check: None
) -> list[model.DoctorFinding]:
    """Give what ``qemu-pr doctor`` finds.

    Args:
        host: The host, without disks: they are asked by `collect`, and once is enough.
        begins: Called with each check that is about to be made.
    """
    return [
        _finding(check, result)
        for check, result in examine(host, begins)
        if result.outcome != Outcome.OK
    ]


def collect(
    host: Host,
    named: Sequence[str],
    findings: list[model.DoctorFinding],
    ask: Ask,
    wait: Callable[[int, int], None] = lambda _answered, _of: None,
) -> model.Report:
    """Look at a host. To be called while this process has one thread only.

    Args:
        host: The host, as `examined` had it: what was read is not read again.
        named: The disks that are wanted; all, if none is named.
        findings: What was found there.
        ask: Asks one disk, in a process of its own.
        wait: Called while disks are asked, with how many are done, of how many.

    Raises:
        OSError: A disk that was named is not there.
    """
    not_seen: list[model.NotSeen] = []
    found = list(_wanted(host, named))
    questions = [_question(host, disk, host.socket) for disk in found]
    unasked = [disk.device for disk, one in zip(found, questions, strict=True) if one is None]
    if unasked:
        named = ", ".join(unasked[:3]) + (f" and {len(unasked) - 3} more" if unasked[3:] else "")
        why = "nobody may ask: there is no helper that may, and no CAP_SYS_RAWIO"
        not_seen.append(model.NotSeen(what=f"reservations of {named}", why=why, advice=_AS_ROOT))
    asked = [one for one in questions if one]
    answers = ask_each(asked, ask, lambda answered: wait(answered, len(asked)))
    numbers = {one: number for number, one in enumerate(asked)}
    keys = _keys(host, not_seen)
    return model.Report(
        report=model.FORMAT,
        program=f"qemu-pr {__version__}",
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        host=_name(host.root),
        initiators=sorted(_initiators(host, not_seen)),
        libvirt=libvirt.installed(host),
        disks=[
            _disk(one, keys, answers.get(numbers[question], _no_answer()) if question else None)
            for one, question in zip(found, questions, strict=True)
        ],
        helpers=list(_helpers(host, not_seen)),
        guests=list(_guests(host, found)),
        findings=findings,
        not_seen=not_seen,
    )


def _no_answer() -> Answer:
    return Answer(status=None, error=_HANGS)


def _finding(check: Check, result: Result) -> model.DoctorFinding:
    return model.DoctorFinding(
        check=check.name,
        outcome=result.outcome.value,
        subject=result.subject,
        what=result.what,
        advice=result.advice,
    )


def _name(root: Path) -> str:
    """Give the host's name; that of a root that is not this one is in its files."""
    if root == Path("/"):
        return socket.gethostname()
    for name in ("etc/hostname", "proc/sys/kernel/hostname"):
        if found := initiators.text(root / name):
            return found
    return str(root)


def _initiators(host: Host, not_seen: list[model.NotSeen]) -> set[str]:
    found = initiators.Ports(host.sys).all()
    try:
        configured = initiators.configured(host.root)
    except OSError as error:
        why = f"cannot read it: {error.strerror}"
        not_seen.append(model.NotSeen(what=str(error.filename), why=why, advice=_AS_ROOT))
        configured = None
    return found | ({configured} if configured else set())


def _wanted(host: Host, named: Sequence[str]) -> Iterator[HostDisk]:
    """List the disks that were named, or all.

    Raises:
        OSError: One that was named is not there.
    """
    known = list(disks(host.sys))
    if not named:
        yield from known
        return
    by_node = _by_node(host, known)
    for name in named:
        file = host.file(name)
        os.stat(file)
        disk = by_node.get(os.path.realpath(file))
        yield disk or HostDisk(name, None, None, [])


def _by_node(host: Host, known: Sequence[HostDisk]) -> dict[str, HostDisk]:
    """Find disks by what their names lead to: a path of a map leads to the map."""
    found: dict[str, HostDisk] = {}
    for disk in known:
        for name in (disk.device, *(path["device"] for path in disk.paths)):
            found[os.path.realpath(host.file(name))] = disk
    return found


def _question(host: Host, disk: HostDisk, named: str | None) -> Question | None:
    """Choose who asks; None if nobody may."""
    file = host.file(disk.device)
    try:
        is_regular = stat.S_ISREG(os.stat(file).st_mode)
    except OSError:
        is_regular = False
    if named is not None:
        return Question(file, host.file(named))
    if is_regular:
        simulating = (one for one, helper in host.helpers if "--simulate" in helper.arguments)
        helper = next(simulating, None)
        return Question(file, helper.file) if helper else None
    if may_send(Process(Path("/proc"), os.getpid())):
        return Question(file, None)
    helper = next((one for one, process in host.helpers if may_send(process)), None)
    return Question(file, helper.file) if helper and os.access(file, os.R_OK) else None


class _Keys(NamedTuple):
    configured: Configuration | None
    running: Configuration | None
    remembered: dict[str, ReservationKey]

    def of(self, wwid: str) -> model.Keys:
        remembered = self.remembered.get(wwid)
        return model.Keys(
            configured=_setting(self.configured, wwid),
            running=_setting(self.running, wwid),
            remembered=str(remembered) if remembered else None,
        )


def _setting(configuration: Configuration | None, wwid: str) -> str | None:
    setting = configuration.setting(wwid) if configuration else None
    return str(setting.key) if setting else None


def _keys(host: Host, not_seen: list[model.NotSeen]) -> _Keys:
    if not host.maps:
        return _Keys(None, None, {})
    configured, remembered = None, {}
    try:
        configured = this_host.read(host.root)
        remembered = this_host.remembered(configured, host.root)
    except FileNotFoundError:
        pass  # no such setting, or no key that was remembered
    except OSError as error:
        why = f"cannot read {error.filename}: {error.strerror}"
        not_seen.append(model.NotSeen(what=model.NO_SETTINGS, why=why, advice=_AS_ROOT))
    if host.is_this_one and host.multipathd is None:
        why, advice = "it does not answer, or not in time", "look at: multipathd show config"
        not_seen.append(model.NotSeen(what="what multipathd runs with", why=why, advice=advice))
    return _Keys(configured, host.multipathd, remembered)


def _disk(disk: HostDisk, keys: _Keys, answer: Answer | None) -> model.Disk:
    return model.Disk(
        identity=disk.identity,
        device=disk.device,
        wwid=disk.wwid,
        paths=disk.paths,
        reservation_key=keys.of(disk.wwid) if disk.wwid else None,
        status=answer["status"] if answer else None,
        error=answer["error"] if answer else None,
    )


def _guests(host: Host, known: Sequence[HostDisk]) -> Iterator[model.Guest]:
    by_node = _by_node(host, known)
    for guest in host.guests:
        found = (by_node.get(host.node_of_guest(path)) for path in guest.disks)
        used = dict.fromkeys(disk.device for disk in found if disk)
        yield model.Guest(
            name=_guest_name(guest.process),
            pid=guest.process.pid,
            sockets=list(dict.fromkeys(guest.sockets)),
            disks=list(used),
        )


def _guest_name(guest: Process) -> str:
    arguments = guest.arguments
    if "-name" in arguments[:-1]:
        given = arguments[arguments.index("-name") + 1]
        return given.removeprefix("guest=").partition(",")[0]
    return f"process {guest.pid}"


def _helpers(host: Host, not_seen: list[model.NotSeen]) -> Iterator[model.Helper]:
    if not host.runs:
        why = "there are no processes: the host does not run, or its /proc is not there"
        advice = "run qemu-pr report on the host, or mount its /proc"
        not_seen.append(model.NotSeen(what=model.NO_PROCESSES, why=why, advice=advice))
    versions = ask_each(host.helpers, lambda found: version_of(found[1]))
    for number, (one, helper) in enumerate(host.helpers):
        yield model.Helper(
            socket=one.path,
            pid=helper.pid,
            kind="qemu-pr" if helper.is_of_this_package else "QEMU",
            version=versions.get(number),
        )
    for one in host.sockets:
        if one.helper:
            continue
        if one.contact.number in (errno.EACCES, errno.EPERM) or (one.answers and not one.peer):
            why = f"cannot connect: {one.contact.error}" if one.contact.error else "root may know"
            what = f"who answers on {one.path}"
            not_seen.append(model.NotSeen(what=what, why=why, advice=_AS_ROOT))
            yield model.Helper(socket=one.path, pid=None, kind=None, version=None)
