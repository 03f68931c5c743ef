"""The table of checks. What is right is in none of them: a logical unit computes it."""

from collections.abc import Iterator
from dataclasses import replace

from qemu_pr.logical_unit.rules import ALL_REGISTRANTS
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.names import TYPE_NAMES
from qemu_pr.validate.check import Check
from qemu_pr.validate.steps import Sender, Who

DISK, PEER = Sender(Who.DISK), Sender(Who.PEER)
K1, K2, K3, K4 = 1, 2, 3, 4
WE, EA = Type.WRITE_EXCLUSIVE, Type.EXCLUSIVE_ACCESS
WE_RO, EA_RO = Type.WRITE_EXCLUSIVE_REGISTRANTS_ONLY, Type.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY
WE_AR = Type.WRITE_EXCLUSIVE_ALL_REGISTRANTS

BOTH_REGISTER = (DISK.register(0, K1), PEER.register(0, K2))
LOOK = (PEER.keys(), PEER.reservation())

_EVERYONE = "whoever uses reservations"
_CLUSTERS = "every cluster"


def _types() -> Iterator[Check]:
    for type_ in Type:
        others = [other for other in (WE, WE_RO) if other != type_]
        yield Check(
            f"type-{type_.value}",
            f"a host reserves with type {type_.value} ({TYPE_NAMES[type_]}), another host can"
            " neither reserve nor release, and the first one releases",
            "5.12.9, 5.12.11.2.2",
            _CLUSTERS,
            "two hosts may hold the disk at the same time, or none can give it back",
            (
                *BOTH_REGISTER,
                DISK.reserve(K1, type_),
                *LOOK,
                DISK.reserve(K1, type_),
                PEER.reserve(K2, others[0]),
                *(() if type_ in ALL_REGISTRANTS else (PEER.reserve(K2, type_),)),
                *(() if type_ in ALL_REGISTRANTS else (PEER.release(K2, type_),)),
                DISK.release(K1, others[0]).refused,
                *LOOK,
                DISK.release(K1, type_),
                *LOOK,
                PEER.reserve(K2, type_),
                DISK.reservation(),
                PEER.register(K2, 0),
                DISK.reservation(),
            ),
            type=type_,
        )


def _enforcement() -> Iterator[Check]:
    for type_ in Type:
        for own, other in ((DISK, PEER), (PEER, DISK)):
            suffix = "-peer" if own is PEER else ""
            medium = (own.read(), own.write())
            yield Check(
                f"reads-writes-{type_.value}{suffix}",
                f"{own.who} reads and writes, or meets RESERVATION CONFLICT, as type"
                f" {type_.value} ({TYPE_NAMES[type_]}) lets it: not registered, registered, holder",
                "5.12.1, table 66",
                "data on the disk",
                "a host that was fenced, or that never joined, goes on writing: data is lost",
                (
                    *medium,
                    other.register(0, K1),
                    other.reserve(K1, type_),
                    *medium,
                    own.register(0, K2),
                    *medium,
                    other.release(K1, type_),
                    own.reserve(K2, type_),
                    *medium,
                    own.release(K2, type_),
                    *medium,
                ),
                type=type_,
            )


CHECKS: tuple[Check, ...] = (
    Check(
        "every-path",
        "a registration on a multipath map is one on each of its paths",
        "5.12.7",
        "whoever has multipath maps",
        "after a failover the host meets RESERVATION CONFLICT on its own disk",
        (DISK.register(0, K1), DISK.keys().on_every_path),
        needs=(),
    ),
    Check(
        "register",
        "a host registers a key, changes it, is refused with a wrong one, and unregisters",
        "5.12.7",
        _EVERYONE,
        "nobody can take part",
        (
            DISK.keys(),
            DISK.register(0, K1),
            DISK.keys(),
            DISK.register(0, K2),
            DISK.register(K3, K2),
            DISK.keys(),
            DISK.register(K1, K2),
            DISK.keys(),
            DISK.register(K2, 0),
            DISK.keys(),
        ),
        needs=("every-path",),
    ),
    Check(
        "same-disk",
        "what one host registers, the other one sees",
        "5.12.6",
        _EVERYONE,
        "the two ways lead to two disks, or the array keeps two books",
        (DISK.register(0, K1), PEER.keys(), DISK.register(K1, 0), PEER.keys()),
        needs=("every-path", "register"),
    ),
    Check(
        "two-nexuses",
        "both hosts register, and are two to the disk",
        "5.12.7",
        _CLUSTERS,
        "the disk takes both hosts for one, so that neither can be kept out",
        (
            DISK.register(0, K1),
            PEER.register(0, K2),
            DISK.keys(),
            PEER.register(K2, 0),
            DISK.keys(),
        ),
        needs=("every-path", "register", "same-disk"),
    ),
    Check(
        "register-and-ignore",
        "REGISTER AND IGNORE EXISTING KEY sets the sender's key, and no other host's",
        "5.12.7",
        "Windows, fence_scsi, whoever starts anew after a crash",
        "a host that joins throws another one out",
        (
            DISK.register(0, K1),
            PEER.ignore(K2),
            DISK.keys(),
            PEER.ignore(K3),
            DISK.keys(),
            DISK.register(K1, K4),
            PEER.ignore(0),
            DISK.keys(),
        ),
    ),
    Check(
        "full-status",
        "READ FULL STATUS tells who is registered, and who holds",
        "6.15.5",
        "operators, qemu-pr status",
        "nobody can tell whose registration is whose",
        (*BOTH_REGISTER, PEER.full_status(), DISK.reserve(K1, WE_RO), PEER.full_status()),
        is_optional=True,
    ),
    Check(
        "unregistered",
        "a host that is not registered can neither reserve, release, clear nor preempt",
        "5.12.1, table 67",
        _CLUSTERS,
        "a host that never joined can take the disk, or take it away",
        (
            PEER.reserve(K2, WE),
            DISK.register(0, K1),
            PEER.reserve(K2, WE),
            PEER.release(K2, WE),
            PEER.preempt(K2, K1, WE),
            PEER.clear(K2),
            DISK.reserve(K1, WE),
            PEER.release(K2, WE),
            PEER.preempt(K2, K1, WE),
            PEER.clear(K2),
            DISK.keys(),
            DISK.reservation(),
        ),
    ),
    Check(
        "wrong-key",
        "a registered host that names another key than its own is refused",
        "5.12.9",
        _CLUSTERS,
        "a program with an old key can take the disk",
        (
            *BOTH_REGISTER,
            DISK.reserve(K2, WE),
            DISK.preempt(K3, K2, WE),
            DISK.clear(K3),
            DISK.reserve(K1, WE),
            DISK.release(K2, WE),
            *LOOK,
        ),
    ),
    Check(
        "malformed",
        "a type that is none, and a parameter list that is too short, are refused",
        "6.16",
        "whoever makes a mistake",
        "a mistake changes reservations",
        (
            *BOTH_REGISTER,
            DISK.reserve(K1, 2),
            DISK.reserve(K1, 15),
            replace(DISK.register(K1, K3), missing=1).refused,
            *LOOK,
        ),
    ),
    *_types(),
    Check(
        "unregister-holder",
        "the holder unregisters, and its reservation is gone; with an all registrants type when"
        " the last one does",
        "5.12.11.2.3",
        "whoever leaves a cluster",
        "a disk stays reserved for nobody",
        (
            *BOTH_REGISTER,
            DISK.reserve(K1, WE_RO),
            DISK.register(K1, 0),
            *LOOK,
            DISK.register(0, K1),
            DISK.reserve(K1, WE_AR),
            DISK.register(K1, 0),
            PEER.reservation(),
            PEER.register(K2, 0),
            PEER.reservation(),
        ),
        type=WE_AR,
    ),
    Check(
        "preempt-holder",
        "PREEMPT of the holder's key takes its registration away, and its reservation over",
        "5.12.11.2.4",
        _CLUSTERS,
        "the survivors cannot take the disk from a host that failed",
        (
            *BOTH_REGISTER,
            DISK.reserve(K1, WE_RO),
            PEER.preempt(K2, K1, WE_RO),
            *LOOK,
            DISK.reserve(K1, WE_RO),
            DISK.release(K1, WE_RO),
            *LOOK,
            DISK.register(0, K3),
            DISK.preempt(K3, K2, EA),
            *LOOK,
            DISK.release(K3, EA),
        ),
    ),
    Check(
        "preempt-registrant",
        "PREEMPT of another key takes that registration away, and leaves the reservation",
        "5.12.11.2.4",
        "fence_scsi, fence_mpath",
        "a host that was fenced goes on writing",
        (
            *BOTH_REGISTER,
            DISK.preempt(K1, K2, WE_RO),
            *LOOK,
            PEER.register(0, K2),
            DISK.reserve(K1, WE_RO),
            DISK.preempt(K1, K2, WE_RO),
            *LOOK,
            DISK.preempt(K1, K3, WE_RO),
        ),
    ),
    Check(
        "preempt-and-abort",
        "PREEMPT AND ABORT does what PREEMPT does",
        "5.12.11.2.5",
        "fence_scsi, fence_mpath",
        "a host that was fenced goes on writing",
        (
            *BOTH_REGISTER,
            DISK.reserve(K1, WE_RO),
            PEER.preempt_and_abort(K2, K1, WE_RO),
            *LOOK,
            DISK.release(K1, WE_RO),
            *LOOK,
        ),
    ),
    Check(
        "clear",
        "CLEAR takes every registration and the reservation away",
        "5.12.11.2.6",
        "Windows, operators",
        "a disk cannot be given back to others",
        (*BOTH_REGISTER, DISK.reserve(K1, EA), PEER.clear(K2), *LOOK, DISK.register(0, K1)),
    ),
    Check(
        "attention-preempt",
        "whoever is preempted is told once: REGISTRATIONS PREEMPTED; whoever does it is not",
        "5.12.11.2.4",
        "guests and hosts that are to notice that they were fenced",
        "a host learns of it only when its writes fail",
        (
            *BOTH_REGISTER,
            DISK.reserve(K1, WE_RO),
            PEER.preempt(K2, K1, WE_RO),
            PEER.keys().at_once,
            DISK.keys().at_once,
            DISK.keys().at_once,
        ),
    ),
    Check(
        "attention-clear",
        "whoever loses its registration to CLEAR is told once: RESERVATIONS PREEMPTED",
        "5.12.11.2.6",
        "guests and hosts that are to notice that they lost the disk",
        "a host learns of it only when its writes fail",
        (*BOTH_REGISTER, PEER.clear(K2), *[DISK.keys().at_once] * 2, PEER.keys().at_once),
    ),
    Check(
        "attention-release",
        "when a registrants only reservation is released, the other host is told once:"
        " RESERVATIONS RELEASED; with an exclusive one it is not",
        "5.12.11.2.2",
        "hosts that wait for a disk",
        "a host does not notice that the disk is free",
        (
            *BOTH_REGISTER,
            DISK.reserve(K1, WE_RO),
            DISK.release(K1, WE_RO),
            *[PEER.keys().at_once] * 2,
            DISK.reserve(K1, EA),
            DISK.release(K1, EA),
            PEER.keys().at_once,
            DISK.keys().at_once,
        ),
    ),
    Check(
        "aptpl",
        "a registration with APTPL turns persistence through power loss on",
        "5.12.5",
        "clusters whose array may lose power",
        "after a power loss hosts write without a reservation",
        (
            DISK.capabilities(),
            DISK.register(0, K1, aptpl=True),
            DISK.capabilities(),
            DISK.keys(),
        ),
        needs=("every-path", "register"),
        capabilities=("ptpl_c",),
    ),
    Check(
        "reset",
        "registrations and the reservation outlive a reset of the logical unit",
        "5.12.1",
        _CLUSTERS,
        "a reset, which error recovery sends, unlocks the disk for everybody",
        (
            DISK.register(0, K1, aptpl=True),
            PEER.register(0, K2, aptpl=True),
            DISK.reserve(K1, WE_RO),
            DISK.reset(),
            *LOOK,
            DISK.keys(),
            DISK.release(K1, WE_RO),
        ),
        capabilities=("ptpl_c",),
    ),
    Check(
        "all-tg-pt",
        "a registration with ALL_TG_PT is one of this host alone, through every target port",
        "5.12.7",
        "hosts with several paths to one array",
        "a host is not registered on a path that it fails over to",
        (
            DISK.register(0, K1, all_tg_pt=True),
            PEER.register(0, K2),
            *LOOK,
            DISK.register(K1, 0, all_tg_pt=True),
            *LOOK,
        ),
        capabilities=("atp_c",),
    ),
    Check(
        "spec-i-pt",
        "a host registers another one with SPEC_I_PT, which can then reserve",
        "5.12.7",
        "cluster software that registers for others",
        "a host that was registered by another one is not",
        (
            # Without ALL_TG_PT it would be registered through DISK's target port alone.
            DISK.register(0, K1, ports=(Who.PEER,), all_tg_pt=True),
            PEER.full_status(),
            PEER.reserve(K1, EA),
            *LOOK,
        ),
        capabilities=("sip_c", "atp_c"),
    ),
    Check(
        "register-and-move",
        "the holder hands its reservation to another host, which is registered by it",
        "5.12.8",
        "live migration by hand",
        "a reservation is lost on its way",
        (
            DISK.register(0, K1),
            DISK.reserve(K1, WE_RO),
            DISK.move(K1, K2, Who.PEER, WE_RO, unreg=True),
            *LOOK,
            PEER.release(K2, WE_RO),
            DISK.register(0, K1),
        ),
        is_optional=True,
    ),
    *_enforcement(),
)
"""In the order in which they are run."""
