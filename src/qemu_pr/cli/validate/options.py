"""The options of ``qemu-pr validate``."""

import argparse

from qemu_pr.validate.checks import CHECKS
from qemu_pr.validate.profiles import ALL, PROFILES

DESCRIPTION = """\
Certify that a disk keeps persistent reservations as SPC-4 says, before a cluster relies on it. It
registers with the disk through two I_T nexuses, reserves, preempts, reads and writes without
harm, and compares each answer with the right one. Then it says what works on the disk: Windows
failover clustering, Pacemaker's fence_scsi and fence_mpath, live migration.

DISK and PEER are one disk by two ways. Nobody may use it: nothing has it open, and nobody is
registered. It is left as it was found.
"""

EPILOG = """\
The two ways are one of:

  DISK --peer PEER          two device nodes of this host, as /dev/sdb and /dev/sdc
  --socket, --peer-socket   a helper each, as QEMU uses them; PEER is DISK, unless --peer says else
  --peer-command PREFIX     sg_persist on another host, where nothing else is needed: 'ssh node2'
                            runs "ssh node2 sg_persist ... PEER". PREFIX may end in a program that
                            has the same options: 'ssh node2 qemu-pr persist --socket PATH'
  --simulate STATE          a simulated disk, of which DISK and PEER are two hosts

Without any of them it shows what one nexus can show, and says what was left out.

Reads are READ(10) of one block. Writes are COMPARE AND WRITE of the first block with what it holds,
which the disk carries out in one go; disks that lack it are sent WRITE(10) of no blocks. No data
changes. With --write-test they are WRITE(10) of one block, with what was read when the program
began: if another host writes that block meanwhile, what it wrote is lost.

The disk is reset once (LOGICAL UNIT RESET), which aborts what other hosts have under way;
--no-reset leaves that out.

Keys begin with 0x71707276 ("qprv"). Those of a run that was killed are known from a file in
$XDG_STATE_HOME/qemu-pr/validate (default: ~/.local/state): the next run offers to remove them, and
with --yes does. Keys of other programs are never touched; --clean also removes what runs on other
hosts left, and does nothing else.

With --json one object is printed: what the disk is, each check with its steps, which have the bytes
that were sent and received, and the verdicts.

Exit status: 0 the disk conforms, 1 it deviates, 2 it could not be looked at, or an option is wrong;
128 and the signal's number if a signal ended it.

Examples:

  qemu-pr validate /dev/sdb --peer /dev/sdc
  qemu-pr validate /dev/mapper/mpatha --socket /var/run/qemu-pr-helper.sock --peer-command 'ssh b'
  qemu-pr validate /dev/sdb --peer /dev/sdc --profile windows --report sdb.html
"""


class OptionsError(Exception):
    """The options make no sense together; the text says why and what to do."""


def add(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    names = [check.name for check in CHECKS]
    names += [check.name for profile in PROFILES for check in profile.sequences]
    option = parser.add_argument
    option("disk", metavar="DISK", help="the disk")
    option("--peer", metavar="PEER", help="the same disk by another way")
    option("--socket", metavar="PATH", help="send DISK's reservations through this helper")
    option("--peer-socket", metavar="PATH", help="send PEER's reservations through this helper")
    option("--peer-command", metavar="PREFIX", help="run sg_persist behind this, for PEER")
    option("--simulate", metavar="STATE", help="DISK is a regular file, and simulated")
    option("--quirk", metavar="NAME", help="with --simulate: as qemu-pr-helper --quirk")
    option(
        "--profile",
        choices=(*(profile.name for profile in PROFILES), ALL),
        default=ALL,
        help="whose commands, and what they rely on (default: %(default)s)",
    )
    option(
        "--skip",
        metavar="CHECK",
        action="append",
        default=[],
        choices=names,
        help="leave a check out; once for each",
    )
    option("--write-test", action="store_true", help="write the first block, with what it holds")
    option("--no-reset", action="store_true", help="do not reset the disk")
    option("-y", "--yes", action="store_true", help="ask nothing")
    option("--clean", action="store_true", help="remove what earlier runs left, and end")
    option("--json", action="store_true", help="print JSON")
    option("--report", metavar="FILE", help="write a page in HTML")


def check(args: argparse.Namespace) -> None:
    """Refuse options that exclude each other, and empty ones: a shell's variable was not set.

    Raises:
        OptionsError: They do.
    """
    for name in ("peer", "socket", "peer_socket", "peer_command"):
        if (value := getattr(args, name)) is not None and not value.strip():
            what = f"--{name.replace('_', '-')}: it is empty"
            raise OptionsError(f"{what}; name one, or leave the option out")
    for one, other in (
        ("peer_command", "peer_socket"),
        ("simulate", "socket"),
        ("simulate", "peer_socket"),
        ("simulate", "peer_command"),
        ("simulate", "peer"),
    ):
        if getattr(args, one) is not None and getattr(args, other) is not None:
            names = (f"--{name.replace('_', '-')}" for name in (one, other))
            raise OptionsError(f"{' and '.join(names)}: choose one (try 'qemu-pr validate --help')")
    if args.quirk is not None and args.simulate is None:
        raise OptionsError("--quirk needs --simulate (try 'qemu-pr validate --help')")
