"""`qemu-pr doctor` on a host of the lab: what it says that is not ok."""

import json
from typing import NamedTuple

from in_process import Done, qemu_pr

SOCKET = "/run/doctor.sock"
OK, WARNING, FAILURE = 0, 1, 2


class Examined(NamedTuple):
    """An examination: its exit status, and the checks that are not ok with what they say."""

    status: int
    not_ok: list[tuple[str, str]]


HEALTHY = Examined(OK, [])


def examine(*disks: str, socket: str = SOCKET) -> Examined:
    """Let the doctor examine disks of this host, and the helper on a socket."""
    return understood(qemu_pr("doctor", "--json", "--socket", socket, *disks))


def understood(done: Done) -> Examined:
    """Read what the doctor printed."""
    assert not done.stderr
    results = [one for one in json.loads(done.stdout) if one["outcome"] != "ok"]
    print(*results, sep="\n")
    assert all(one["advice"] for one in results)
    return Examined(done.status, [(one["check"], one["what"]) for one in results])


def the_only(found: Examined, status: int, check: str) -> str:
    """Give what the only line says that is not ok."""
    assert [name for name, _ in found.not_ok] == [check]
    assert found.status == status
    return found.not_ok[0][1]
