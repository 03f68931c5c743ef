"""The checks: a new one is an entry here and a function in the module of its group."""

from collections.abc import Callable, Iterator

from qemu_pr.doctor import disks, guests, helper, libvirt, multipath, next_step
from qemu_pr.doctor.check import Check, Result, unknown
from qemu_pr.doctor.host import Host

CHECKS = (
    Check(
        "socket",
        "a helper answers where QEMU looks for it",
        helper.answers,
    ),
    Check(
        "permissions",
        "the guests that run may connect to the socket, and not every user may",
        helper.permissions,
    ),
    Check(
        "peer",
        "the process that answers is a helper",
        helper.peer,
    ),
    Check(
        "capabilities",
        "the helper has CAP_SYS_RAWIO, and it counts",
        helper.capabilities,
    ),
    Check(
        "all-paths",
        "the helper registers all paths of a multipath map",
        helper.reaches_all_paths,
        multipath.in_use,
    ),
    Check(
        "disk",
        "it is a SCSI disk or a multipath map, no partition and not one path of a map",
        disks.scsi,
    ),
    Check(
        "writable",
        "the disk is not write-protected",
        disks.writable,
    ),
    Check(
        "reservations",
        "the disk has persistent reservations, and answers through the helper",
        disks.reservations,
    ),
    Check(
        "libmpathpersist",
        "the library is there",
        multipath.library,
        multipath.library_can_be_found,
    ),
    Check(
        "multipathd",
        "multipathd answers",
        multipath.daemon,
        multipath.can_be_asked,
    ),
    Check(
        "reservation_key",
        "multipath.conf has a key for every map, and multipathd runs with it",
        multipath.reservation_key,
        multipath.in_use,
    ),
    Check(
        "release",
        "the release of multipath-tools has no fault that matters for reservations",
        multipath.release,
        multipath.can_be_asked,
    ),
    Check(
        "guest",
        "the command line of each QEMU that runs is right, as qemu-pr lint sees it",
        guests.command_lines,
        guests.run,
    ),
    Check(
        "no-manager",
        "where a helper runs, each QEMU that has a disk names a manager",
        guests.without_manager,
        guests.have_helper,
    ),
    Check(
        "pr_helper",
        "the helper that libvirt is to start is there",
        libvirt.helper,
        libvirt.installed,
    ),
    Check(
        "domain",
        "the disks of libvirt's domains are right, as qemu-pr lint sees them",
        libvirt.domains,
        libvirt.installed,
    ),
    Check(
        "next-step",
        "where no guest uses reservations yet, what gives a disk to one",
        next_step.step,
        next_step.is_to_come,
    ),
)
"""All checks, in the order of the output: the way of a command, from QEMU to the disk."""


def examine(
    host: Host, begins: Callable[[Check], None] = lambda _check: None
) -> Iterator[tuple[Check, Result]]:
    """Ask all that applies; each answer is given as soon as it is known.

    Args:
        host: The host.
        begins: Called with each check that is about to be made.
    """
    for check in CHECKS:
        begins(check)
        try:
            if check.applies(host):
                for result in check.examine(host):
                    yield check, result
        except OSError as error:  # processes, sockets and devices come and go
            what = f"cannot look at it: {error.strerror or error}"
            yield check, unknown(str(error.filename or "this host"), what, "run as root, or again")
