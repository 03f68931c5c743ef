"""Who uses reservations, what they send, and whether that works on a disk.

The sequences are told from the sources that each profile names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.validate.check import Check, Outcome, Result
from qemu_pr.validate.checks import CHECKS, DISK, K1, K2, LOOK, PEER, WE_RO


class VerdictWord(StrEnum):
    """A verdict's first words."""

    WORKS = "works"
    BUT = "works but"
    FAILS = "does not work"
    UNKNOWN = "not shown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a disk is fit for a use.

    Attributes:
        profile: The use.
        word: The verdict.
        reasons: What is wrong and what comes of it, or what was left out.
    """

    profile: "Profile"
    word: VerdictWord
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Say it in a line."""
        if not self.reasons:
            return self.word
        separator = {VerdictWord.BUT: " ", VerdictWord.FAILS: ": ", VerdictWord.UNKNOWN: ": "}[
            self.word
        ]
        return f"{self.word}{separator}{'; '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class Profile:
    """A use of reservations.

    Attributes:
        name: What the option calls it.
        title: What it is.
        sources: Where it is told what it sends: a name and an address each.
        sequences: What it sends.
        needs: The checks of the table that it depends on.
        either: Those of which one suffices to be run; none may deviate.
        wants: Those without which it works, with a drawback.
    """

    name: str
    title: str
    sources: tuple[tuple[str, str], ...]
    sequences: tuple[Check, ...]
    needs: tuple[str, ...]
    either: tuple[str, ...]
    wants: tuple[str, ...] = ()

    @property
    def required(self) -> tuple[str, ...]:
        """The names of all checks without which it does not work."""
        return (*self.needs, *self.either, *(check.name for check in self.sequences))

    def verdict(self, results: Mapping[str, Result]) -> Verdict:
        """Draw the conclusion from what came of the checks.

        Args:
            results: By the name of the check; checks that were not run are missing.
        """
        required = [results[name] for name in self.required if name in results]
        wanted = [results[name] for name in self.wants if name in results]
        broken = [one for one in required if one.outcome is Outcome.DEVIATES]
        fatal = [one for one in broken if not one.is_slight]
        if fatal:
            return Verdict(self, VerdictWord.FAILS, tuple(_consequences(fatal)))
        shown = {one.check.name for one in required if one.outcome is not Outcome.LEFT_OUT}
        spared = set(self.either) if shown & set(self.either) else set()
        missing = [name for name in self.required if name not in results and name not in spared]
        left_out = [
            one
            for one in required
            if one.check.name not in shown | spared and not one.check.is_about_a_map
        ]
        if missing or left_out:
            not_run = (f"{name} was not run" for name in missing)
            return Verdict(self, VerdictWord.UNKNOWN, (*_left_out(left_out), *not_run))
        slight = [*broken, *(one for one in wanted if one.outcome is Outcome.DEVIATES)]
        if slight:
            return Verdict(self, VerdictWord.BUT, tuple(map(_cause, slight)))
        return Verdict(self, VerdictWord.WORKS)


def _left_out(results: list[Result]) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for one in results:
        names.setdefault(one.what, []).append(one.check.name)
    for why, left_out in names.items():
        yield f"{', '.join(left_out)} {'was' if len(left_out) == 1 else 'were'} left out: {why}"


def _consequences(results: list[Result]) -> Iterator[str]:
    causes: dict[str, list[str]] = {}
    for one in results:
        causes.setdefault(one.check.without, []).append(_cause(one))
    for consequence, found in causes.items():
        yield f"{consequence}, because {'; '.join(found)}"


def _cause(one: Result) -> str:
    return f"{one.what} ({one.check.name}; SPC-4, {one.check.clause})"


_MEDIUM = ("reads-writes-5", "reads-writes-5-peer")
_HOSTS = ("every-path", "register", "same-disk", "two-nexuses")


PROFILES: tuple[Profile, ...] = (
    Profile(
        "windows",
        "Windows failover clustering",
        (
            (
                "[MS-CSVP], 3.2.4.15 to 3.2.4.24: what Windows' validation has each node send",
                "https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-csvp/"
                "f87a5a9f-a417-445b-bca3-c19cbaa26440",
            ),
        ),
        (
            Check(
                "windows-arbitration",
                "a node registers and reserves, another one takes the disk over, releases and"
                " unregisters, and the first one comes back",
                "5.12",
                "Windows failover clustering",
                "Windows' validation fails, and a failover, too",
                (
                    DISK.ignore(K1),
                    DISK.reservation(),
                    DISK.reserve(K1, WE_RO),
                    PEER.ignore(K2),
                    PEER.reservation(),
                    PEER.reserve(K2, WE_RO),
                    PEER.preempt(K2, K1, WE_RO),
                    *LOOK,
                    DISK.reserve(K1, WE_RO),
                    PEER.release(K2, WE_RO),
                    PEER.ignore(0),
                    DISK.ignore(K1),
                    DISK.reserve(K1, WE_RO),
                    DISK.clear(K1),
                    *LOOK,
                ),
            ),
        ),
        (*_HOSTS, "register-and-ignore", "type-5", "preempt-holder", "clear"),
        _MEDIUM,
        ("unregistered", "attention-preempt", "reset"),
    ),
    Profile(
        "pacemaker",
        "Pacemaker with fence_scsi or fence_mpath",
        (
            (
                "fence_scsi, set_status, register_dev, reserve_dev, preempt_abort",
                "https://github.com/ClusterLabs/fence-agents/blob/main/agents/scsi/fence_scsi.py",
            ),
            (
                "fence_mpath, set_status, register_dev, reserve_dev, preempt_abort",
                "https://github.com/ClusterLabs/fence-agents/blob/main/agents/mpath/fence_mpath.py",
            ),
        ),
        (
            Check(
                "fence-scsi",
                "two nodes unfence themselves, one fences the other, which unfences itself again",
                "5.12",
                "Pacemaker with fence_scsi",
                "fencing fails, or hits the wrong node",
                (
                    DISK.ignore(K1),
                    DISK.keys(),
                    DISK.reservation(),
                    DISK.reserve(K1, WE_RO),
                    PEER.ignore(K2),
                    PEER.keys(),
                    PEER.reservation(),
                    PEER.preempt_and_abort(K2, K1, WE_RO),
                    *LOOK,
                    DISK.keys(),
                    DISK.ignore(K1),
                    DISK.keys(),
                    DISK.reservation(),
                ),
            ),
            Check(
                "fence-mpath",
                "the same with REGISTER, which is refused if a key is left of an earlier life",
                "5.12",
                "Pacemaker with fence_mpath",
                "fencing fails, or hits the wrong node",
                (
                    DISK.register(0, K1),
                    DISK.keys(),
                    DISK.reservation(),
                    DISK.reserve(K1, WE_RO),
                    PEER.register(0, K2),
                    PEER.keys(),
                    PEER.reservation(),
                    PEER.preempt_and_abort(K2, K1, WE_RO),
                    *LOOK,
                    DISK.register(0, K1),
                    DISK.keys(),
                ),
            ),
        ),
        (*_HOSTS, "type-5", "preempt-registrant"),
        _MEDIUM,
        ("unregistered", "attention-preempt", "aptpl", "reset"),
    ),
    Profile(
        "live-migration",
        "Live migration with QEMU's migrate-pr",
        (
            (
                "QEMU 11, hw/scsi/scsi-generic.c, scsi_generic_pr_state_post_load_errp",
                "https://gitlab.com/qemu-project/qemu/-/blob/master/hw/scsi/scsi-generic.c",
            ),
        ),
        tuple(
            Check(
                f"migrate-pr-{type_.value}",
                "the destination registers the guest's key and preempts it: the source's"
                f" registration is gone, its reservation of type {type_.value} taken over",
                "5.12.11.2.4",
                "QEMU's migrate-pr",
                "a guest that was migrated loses its disk, or both hosts may write",
                (
                    DISK.register(0, K1),
                    DISK.reserve(K1, type_),
                    PEER.register(0, K1),
                    PEER.preempt(K1, K1, type_),
                    *LOOK,
                    DISK.register(0, K2),
                    DISK.reserve(K2, type_),
                    PEER.reserve(K1, type_),
                    PEER.release(K1, type_),
                    *LOOK,
                ),
                type=type_,
            )
            for type_ in (Type.WRITE_EXCLUSIVE, Type.EXCLUSIVE_ACCESS, WE_RO)
        ),
        (*_HOSTS, "type-5"),
        _MEDIUM,
        ("preempt-holder", "full-status"),
    ),
)

ALL = "all"


def chosen(name: str) -> tuple[Profile, ...]:
    """Give the profiles of the option ``--profile``."""
    return tuple(profile for profile in PROFILES if name in (ALL, profile.name))


def checks_of(name: str) -> tuple[Check, ...]:
    """Give what is run for a profile: all of the table, or what it depends on."""
    profiles = chosen(name)
    own = tuple(check for profile in profiles for check in profile.sequences)
    if name == ALL:
        return (*CHECKS, *own)
    wanted = {one for profile in profiles for one in (*profile.required, *profile.wants)}
    return (*(check for check in CHECKS if check.name in wanted), *own)
