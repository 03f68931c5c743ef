"""Scripts that were written for sg_persist run with ``qemu-pr persist`` in its place, unchanged."""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from qemu_pr.cli.persist.inquiry import SIMULATED
from requirements import unavailable
from running_helper import running_helper

BIN = Path(sys.executable).parent
SG3_UTILS = Path("/usr/share/doc/sg3-utils/examples/sg_persist_tst.sh")
AGENT = Path("/usr/lib/ocf/resource.d/heartbeat/sg_persist")
# A script starts many programs, one after the other.
pytestmark = pytest.mark.timeout(300)


class Node:
    """A host with a disk, whose sg_persist is ours."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = folder / "disk"
        self.disk.write_bytes(bytes(512))
        ours = shlex.join([str(BIN / "qemu-pr"), "persist", f"--socket={folder}/a.sock"])
        self.install("sg_persist", f'exec {ours} "$@"')

    def install(self, name: str, script: str) -> None:
        program = self.folder / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def run(self, *command: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        path = f"{self.folder}/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
        return subprocess.run(
            command,
            env={**os.environ, **environment, "PATH": path},
            capture_output=True,
            text=True,
        )

    def registered(self) -> str:
        return self.run("sg_persist", "-n", "-k", self.disk).stdout

    def reservation(self) -> str:
        return self.run("sg_persist", "-n", "-r", self.disk).stdout


@pytest.fixture
def node() -> Iterator[Node]:
    with tempfile.TemporaryDirectory(prefix="pr", dir="/tmp") as folder:
        simulation = (f"--simulate={folder}/state", "--initiator=naa.6001405000000001")
        with running_helper([str(BIN / "qemu-pr-helper")], f"{folder}/a.sock", *simulation):
            yield Node(Path(folder))


def test_the_test_script_of_sg3_utils(node: Node) -> None:
    if not SG3_UTILS.exists():
        unavailable(f"{SG3_UTILS} is not there: apt-get install sg3-utils")

    done = node.run("bash", SG3_UTILS, "-v", node.disk)

    assert (done.returncode, done.stderr.count("PR out: command (")) == (0, 4)
    assert SIMULATED in done.stdout
    assert "Reservation follows" in done.stdout
    assert "NO registered reservation keys" in node.registered()


def test_the_resource_agent_of_clusterlabs(node: Node) -> None:
    if not AGENT.exists():
        unavailable(f"{AGENT} is not there: apt-get install resource-agents")
    # The cluster around the agent: who this node is, and where it keeps its scores.
    if os.geteuid() != 0:
        unavailable("the agent runs as root only")
    node.install("crm_node", 'test "$1" = -i && echo 1 || echo 1 node1 member')
    node.install("crm_attribute", "exit 0")
    settings = {
        "OCF_ROOT": "/usr/lib/ocf",
        "HA_SBIN_DIR": str(node.folder / "bin"),
        "OCF_RESOURCE_INSTANCE": "disk:0",
        "OCF_RESKEY_devs": str(node.disk),
        "OCF_RESKEY_reservation_type": "5",
        "HA_LOGFILE": "/dev/null",
        "HA_RSCTMP": str(node.folder),
        "OCF_RESKEY_CRM_meta_clone_max": "2",
        "OCF_RESKEY_CRM_meta_master_max": "1",
    }

    def act(action: str) -> int:
        return node.run(AGENT, action, **settings).returncode

    done = [act(action) for action in ("start", "monitor", "promote", "monitor")]
    held = (node.registered(), node.reservation())
    undone = [act(action) for action in ("demote", "monitor", "stop", "monitor")]

    assert done == [0, 0, 0, 8]
    assert "1 registered reservation key follows" in held[0]
    assert "Write Exclusive, registrants only" in held[1]
    assert undone == [0, 0, 0, 7]
    assert "NO registered reservation keys" in node.registered()
