"""A certificate as JSON, to keep: all that was sent and received is in it."""

import platform
from typing import Any

from qemu_pr import __version__
from qemu_pr.cli.validate.report import Report
from qemu_pr.scsi.names import status_name
from qemu_pr.scsi.status import Completion
from qemu_pr.validate.check import Played, Result
from qemu_pr.validate.profiles import Verdict


def describe(report: Report) -> dict[str, Any]:
    """Describe a certificate.

    Args:
        report: It.

    Returns:
        Values that `json.dumps` takes.
    """
    identity = report.opened.identity
    return {
        "qemu_pr": __version__,
        "python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()}",
        "host": platform.node(),
        "date": report.began.isoformat(timespec="seconds"),
        "profile": report.profile,
        "keys": {f"K{number}": f"{report.keys[number]:#x}" for number in range(1, 5)},
        "disk": {
            "device": report.opened.disk,
            "vendor": identity.vendor,
            "product": identity.product,
            "revision": identity.revision,
            "designators": sorted(identity.designators),
            "simulated": report.opened.is_simulated,
            "transport": report.transport,
        },
        "nexuses": {
            who: {
                "way": way.name,
                "ports": [
                    {
                        "initiator": str(port.initiator),
                        "relative_target_port_identifier": port.target_port,
                    }
                    for port in sorted(
                        report.ports.get(who, ()), key=lambda one: (one.target_port, str(one))
                    )
                ],
                "writes": report.medium.get(who),
                "map_paths": report.opened.paths.get(who, 0),
            }
            for who, way in report.opened.ways.items()
        },
        "conforms": not report.deviating,
        "checks": [_result(result) for result in report.results],
        "verdicts": [_verdict(verdict) for verdict in report.verdicts],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "profile": verdict.profile.name,
        "verdict": verdict.word,
        "reasons": list(verdict.reasons),
        "sources": [address for _, address in verdict.profile.sources],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "check": result.check.name,
        "asks": result.check.what,
        "spc_4": result.check.clause,
        "users": result.check.users,
        "outcome": result.outcome,
        "what": result.what,
        "slight": result.is_slight,
        "step": result.wrong,
        "notes": list(result.notes),
        "steps": [_step(one) for one in result.steps],
    }


def _step(one: Played) -> dict[str, Any]:
    return {
        "nexus": one.step.who,
        "command": one.step.words,
        "cdb": one.cdb.hex(),
        "data_out": one.data_out.hex() if _is_shown(one) else f"{len(one.data_out)} bytes",
        "answer": _completion(one.got),
        "right": _completion(one.right),
        "seconds": round(one.seconds, 6),
    }


def _is_shown(one: Played) -> bool:
    """Whether what was sent is no part of what the disk holds."""
    return one.cdb[:1] in (b"\x5e", b"\x5f") or not one.data_out


def _completion(one: Completion) -> dict[str, Any]:
    return {"status": status_name(one.status), "sense": one.sense.hex(), "data": one.data.hex()}
