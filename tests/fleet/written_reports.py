"""Reports that a test writes, of hosts that share disks."""

import copy
import json
from typing import Any

DISK = "naa.60014050000000000000000000000001"
REPORT: dict[str, Any] = {
    "report": 1,
    "program": "qemu-pr 0.1.0",
    "time": "2026-11-27T00:00:00Z",
    "host": "node1",
    "initiators": [],
    "libvirt": False,
    "disks": [],
    "helpers": [],
    "guests": [],
    "findings": [],
    "not_seen": [],
}


def port(host: int) -> str:
    return f"naa.500000000000000{host:x}"


def registration(host: int, key: int, target: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "initiator": port(host),
        "relative_target_port_identifier": target,
        "all_tg_pt": False,
        "reservation_key": f"{key:#x}",
        "r_holder": False,
    } | more


def status(*registrations: dict[str, Any], type_: int | None = 5) -> dict[str, Any]:
    """Say what a disk told; the first registrant holds it, unless the type is None."""
    told = [dict(one) for one in registrations]
    reservation = None
    if type_ is not None and told:
        told[0]["r_holder"] = True
        key = told[0]["reservation_key"]
        reservation = {"reservation_key": key, "type": type_, "type_name": "Write Exclusive"}
    return {
        "prgeneration": 1,
        "reservation": reservation,
        "registrations": told,
        "complete": True,
        "others": {"read": True, "write": reservation is None},
        "unit_attentions": [],
    }


def disk(host: int, told: dict[str, Any] | None, /, paths: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "identity": DISK,
        "device": "/dev/mapper/mpatha",
        "wwid": None,
        "paths": [
            {
                "device": f"/dev/sd{chr(97 + number)}",
                "state": "running",
                "initiator": port(host),
                "relative_target_port_identifier": number + 1,
            }
            for number in range(paths)
        ],
        "reservation_key": None,
        "status": told,
        "error": None,
    } | more


def guest(name: str) -> dict[str, Any]:
    return {"name": name, "pid": 1, "sockets": [], "disks": ["/dev/mapper/mpatha"]}


def helper(version: str = "0.1.0") -> dict[str, Any]:
    return {"socket": "/run/s", "pid": 1, "kind": "qemu-pr", "version": version}


def report(number: int, /, *disks: dict[str, Any], guests: str = "", **more: Any) -> dict[str, Any]:
    """A report of a host that is well, with a helper and its own port."""
    return (
        copy.deepcopy(REPORT)
        | {
            "host": f"node{number}",
            "initiators": [port(number)],
            "disks": list(disks),
            "helpers": [helper()],
            "guests": [guest(name) for name in guests.split()],
        }
        | more
    )


def texts(*reports: dict[str, Any]) -> str:
    return "".join(json.dumps(one, indent=1) + "\n" for one in reports)
