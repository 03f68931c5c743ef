"""`qemu-pr validate --json` in the lab, and what it is to say of LIO."""

import json
import subprocess
from pathlib import Path
from typing import Any

from in_process import qemu_pr

# A successful PREEMPT AND ABORT hangs the loopback target for good.
HANGS = ("preempt-and-abort", "fence-scsi", "fence-mpath")
SKIP = [f"--skip={name}" for name in HANGS]

# RESERVE, RELEASE, CLEAR of a host that is not registered end with NOT READY.
DEVIATIONS = {"unregistered"}

Certificate = dict[str, Any]


def certify(*arguments: str) -> Certificate:
    """Run it in this process; give what it printed, with its exit status."""
    done = qemu_pr("validate", "--yes", "--json", *SKIP, *arguments)
    assert done.stdout, done.stderr
    return json.loads(done.stdout) | {"exit_status": done.status}


def refusal(*arguments: str) -> str:
    """Run it, and give why it does not look."""
    done = qemu_pr("validate", "--yes", *SKIP, *arguments)
    assert done.status == 2, done
    [line] = done.stderr.splitlines()
    return line


def keep(certificate: Certificate, file: Path) -> None:
    """Write it where it outlives the machine."""
    file.write_text(json.dumps(certificate, indent=2))


def named(certificate: Certificate, outcome: str) -> dict[str, str]:
    """Give the checks with an outcome, and what is said of each."""
    return {one["check"]: one["what"] for one in certificate["checks"] if one["outcome"] == outcome}


def verdicts(certificate: Certificate) -> dict[str, str]:
    return {one["profile"]: one["verdict"] for one in certificate["verdicts"]}


def keys_of(disk: str) -> str:
    """Have sg_persist tell the keys, after what the disk has to tell first."""
    command = ["sg_persist", "--no-inquiry", "--in", "--read-keys", disk]
    while (done := subprocess.run(command, capture_output=True, text=True)).returncode == 6:
        pass
    return done.stdout


def assert_conforms(certificate: dict, left_out: set[str]) -> None:
    """Assert that a disk conforms, but for the deviations of LIO that are known."""
    deviating = named(certificate, "deviates")
    assert deviating.keys() == DEVIATIONS, deviating
    assert all(one["slight"] for one in certificate["checks"] if one["outcome"] == "deviates")
    assert named(certificate, "left out").keys() == left_out | {*HANGS}
    assert certificate["exit_status"] == 1
    assert verdicts(certificate) == {
        "windows": "works but",
        "pacemaker": "not shown",  # it fences with PREEMPT AND ABORT
        "live-migration": "works",
    }
