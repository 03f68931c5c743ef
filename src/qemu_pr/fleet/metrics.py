"""A report as a file for the node exporter of Prometheus.

The format is Prometheus' text format. The names of disks, ports and keys are labels; how many there
can be is bounded by what a disk can tell.
"""

import os
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from qemu_pr.fleet import model
from qemu_pr.fleet.matrix import Cell, Fleet, Row, answers
from qemu_pr.host.initiators import name_of

METRICS = {
    "report_time_seconds": "When the report was made, in seconds since 1970.",
    "report_not_seen": "How many parts of the host could not be looked at.",
    "initiator": "Always 1; its label is an initiator port of this host.",
    "helpers": "Helpers that answer.",
    "guests": "Guests that use reservations.",
    "doctor_findings": "What qemu-pr doctor finds, by outcome.",
    "disk_answers": "1 if the disk answered or has no reservations, 0 if it failed or hangs.",
    "disk_paths": "Paths to the disk that work.",
    "disk_registered_paths": "How many of these are registered; none if that is not known.",
    "disk_guests": "Guests of this host that use the disk.",
    "disk_registrations": "Registrations of all hosts with the disk.",
    "disk_generation": "PRGENERATION of the disk.",
    "disk_reserved": "1 if the disk is reserved, else 0.",
    "disk_holder": "Always 1; its labels are who holds the disk, and the type of the reservation.",
    "disk_fenced": "1 if guests of this host may not write, as others hold the disk; else 0.",
    "disk_registration": "Always 1; its labels are a port and a key that are registered.",
}
"""The metrics without their common prefix ``qemu_pr_``, all of them gauges."""

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Sample = tuple[str, dict[str, str], float]


def render(report: model.Report) -> str:
    """Give the metrics of a report in the text format."""
    samples: dict[str, dict[str, None]] = {name: {} for name in METRICS}
    for name, labels, value in _samples(report):
        given = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels.items())
        samples[name][f"qemu_pr_{name}{f'{{{given}}}' if given else ''} {value:.15g}"] = None
    return "".join(
        f"# HELP qemu_pr_{name} {text}\n# TYPE qemu_pr_{name} gauge\n"
        + "".join(f"{line}\n" for line in samples[name])
        for name, text in METRICS.items()
    )


def write(path: Path, report: model.Report) -> None:
    """Write them to a file, which is there whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as new:
        try:
            new.write(render(report).encode(errors="replace").decode())
            new.flush()
            os.fchmod(new.fileno(), 0o644)  # whatever the umask: another user reads it
            os.replace(new.name, path)
        except BaseException:
            os.unlink(new.name)
            raise


def _samples(report: model.Report) -> Iterator[Sample]:
    made = datetime.fromisoformat(report["time"])
    fleet = Fleet([report])
    yield "report_time_seconds", {}, made.timestamp()
    yield "report_not_seen", {}, len(report["not_seen"])
    for port in sorted(fleet.hosts_of_port):
        yield "initiator", {"initiator": port}, 1
    yield "helpers", {}, len(report["helpers"])
    yield "guests", {}, len(report["guests"])
    for outcome in ("failure", "warning", "unknown"):
        count = sum(one["outcome"] == outcome for one in report["findings"])
        yield "doctor_findings", {"outcome": outcome}, count
    for row in fleet.rows:
        for cell in row.cells.values():
            yield from _disk(row, cell)


def _disk(row: Row, cell: Cell) -> Iterator[Sample]:
    disk = {"disk": row.identity, "device": cell.disk["device"]}
    yield "disk_answers", disk, int(answers(cell.disk))
    yield "disk_paths", disk, cell.paths
    yield "disk_guests", disk, len(cell.guests)
    if cell.registered is not None:
        yield "disk_registered_paths", disk, cell.registered
    told = row.told
    if told is None:
        return
    yield "disk_registrations", disk, len(told["registrations"])
    yield "disk_generation", disk, told["prgeneration"]
    yield "disk_reserved", disk, int(told["reservation"] is not None)
    yield "disk_fenced", disk, int(cell.fenced)
    for one in told["registrations"]:
        port = name_of(one["initiator"] or "")
        yield "disk_registration", {**disk, "initiator": port, "key": one["reservation_key"]}, 1
    if told["reservation"] is not None:
        type_ = told["reservation"]["type_name"]
        shared = row.holders == ["all registrants"]
        holders = {
            name_of(one["initiator"] or "") for one in told["registrations"] if one["r_holder"]
        }
        for holder in ["all registrants"] if shared else sorted(holders):
            yield "disk_holder", {**disk, "holder": holder, "type": type_}, 1
