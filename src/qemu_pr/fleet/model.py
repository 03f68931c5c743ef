"""What a report holds; report.schema.json beside this says the same to everybody else."""

from typing import TypedDict

FORMAT = 1
"""The version of what a report holds; it grows when readers of the last one would err."""

NO_PROCESSES = "helpers and guests"
"""What a report calls the part that it lacks of a host whose processes it does not see."""

NO_SETTINGS = "multipath's settings"
"""What a report calls the part that it lacks of a host whose multipath.conf it may not read."""


class Path(TypedDict):
    """One path to a disk, as this host's kernel has it."""

    device: str
    state: str
    initiator: str | None
    relative_target_port_identifier: int | None


class Registration(TypedDict):
    """A registered I_T nexus, as ``qemu-pr status --json`` has it."""

    initiator: str | None
    relative_target_port_identifier: int | None
    all_tg_pt: bool | None
    reservation_key: str
    r_holder: bool | None


class Reservation(TypedDict):
    """The persistent reservation of a disk."""

    reservation_key: str
    type: int
    type_name: str


class Access(TypedDict):
    """What someone may do with the medium; None if it is not known."""

    read: bool | None
    write: bool | None


class ReportedStatus(TypedDict):
    """What a disk told of its reservation."""

    prgeneration: int
    reservation: Reservation | None
    registrations: list[Registration]
    complete: bool
    others: Access
    unit_attentions: list[str]


class Error(TypedDict):
    """Why a disk told nothing; exit_status is that of ``qemu-pr status``, None if it hung."""

    exit_status: int | None
    reason: str
    advice: str


class Keys(TypedDict):
    """The reservation_key of a map: in multipath.conf, in multipathd, and what it remembers."""

    configured: str | None
    running: str | None
    remembered: str | None


class Disk(TypedDict):
    """A SCSI disk or a multipath map."""

    identity: str | None
    device: str
    wwid: str | None
    paths: list[Path]
    reservation_key: Keys | None
    status: ReportedStatus | None
    error: Error | None


class Helper(TypedDict):
    """A helper that answers; pid and kind are None if it cannot be told who does."""

    socket: str
    pid: int | None
    kind: str | None
    version: str | None


class Guest(TypedDict):
    """A QEMU that was told of a reservation manager; disks are devices of the report."""

    name: str
    pid: int
    sockets: list[str]
    disks: list[str]


class NotSeen(TypedDict):
    """A part of the host that could not be looked at."""

    what: str
    why: str
    advice: str


class DoctorFinding(TypedDict):
    """A finding of ``qemu-pr doctor``."""

    check: str
    outcome: str
    subject: str
    what: str
    advice: str


class Report(TypedDict):
    """What one host is like."""

    report: int
    program: str
    time: str
    host: str
    initiators: list[str]
    libvirt: bool
    disks: list[Disk]
    helpers: list[Helper]
    guests: list[Guest]
    findings: list[DoctorFinding]
    not_seen: list[NotSeen]
