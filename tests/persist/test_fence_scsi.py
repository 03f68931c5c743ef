"""The real fence_scsi fences a node whose disk is reached through a helper.

Each node's ``sg_persist`` is ``qemu-pr persist``. The disk is simulated, so it is a file; as
fence_scsi insists on a block device, it is given one, and the node's sg_persist takes the file.
"""

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from requirements import require, unavailable
from running_helper import running_helper

BIN = Path(sys.executable).parent
pytestmark = [
    pytest.mark.timeout(300),  # an action starts some ten programs, one after the other
    pytest.mark.skipif(os.geteuid() != 0, reason="fence_scsi keeps keys where only root may write"),
]

KEYS = {"node1": "3abe0001", "node2": "3abe0002"}


class Cluster:
    """Two nodes that share a disk, which nobody has registered yet."""

    def __init__(self, folder: Path) -> None:
        self._fence_scsi = require("fence_scsi", package="fence-agents")
        self._block_device = _any_block_device()
        self._folder = folder
        disk = folder / "disk"
        disk.write_bytes(bytes(512))
        for node in KEYS:
            through_helper = shlex.join(
                [str(BIN / "qemu-pr"), "persist", "--no-inquiry", f"--socket={folder / node}.sock"]
            )
            self._sg_persist(node).write_text(
                # In fence_scsi's locale Python cannot read where a checkout in ü is.
                f"#!/bin/bash\nexport LC_ALL=C.UTF-8\nnode={self._block_device}\n"
                f'exec {through_helper} "${{@/#$node/{disk}}}"\n'
            )
            self._sg_persist(node).chmod(0o755)

    def run_helpers(self, until: ExitStack) -> None:
        for number, node in enumerate(KEYS, 1):
            simulation = (
                f"--simulate={self._folder / 'state'}",
                f"--initiator=naa.500000000000000{number}",
            )
            helper = running_helper(
                [str(BIN / "qemu-pr-helper")], f"{self._folder / node}.sock", *simulation
            )
            until.enter_context(helper)

    def act(self, action: str, at: str, on: str) -> int:
        """Run an action at a node, on a node, and give fence_scsi's exit status."""
        command = [self._fence_scsi, f"--action={action}", f"--plug={on}", f"--key={KEYS[on]}"]
        command += [f"--devices={self._block_device}", "--sg_turs-path=/bin/true"]
        return subprocess.run([*command, f"--sg_persist-path={self._sg_persist(at)}"]).returncode

    def read(self, at: str, what: str) -> str:
        """What a node's sg_persist prints."""
        command = [self._sg_persist(at), "--in", f"--read-{what}", self._block_device]
        return subprocess.run(command, capture_output=True, text=True).stdout

    def _sg_persist(self, node: str) -> Path:
        return self._folder / f"sg_persist-{node}"


def _any_block_device() -> str:
    for path in Path("/dev").iterdir():
        if path.is_block_device():  # false for a link that leads nowhere, too
            return str(path)
    unavailable("there is no block device in /dev")
    return ""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="fence", dir="/tmp") as folder, ExitStack() as helpers:
        found = Cluster(Path(folder))
        found.run_helpers(helpers)
        yield found


def test_nodes_that_are_switched_on_are_registered_and_share_the_reservation(
    cluster: Cluster,
) -> None:
    statuses = [cluster.act("on", at=node, on=node) for node in KEYS]

    keys, reservation = cluster.read("node2", "keys"), cluster.read("node2", "reservation")
    assert statuses == [0, 0]
    assert "0x3abe0001\n    0x3abe0002" in keys
    assert "Key=0x3abe0001" in reservation
    assert "Write Exclusive, registrants only" in reservation


def test_a_node_that_is_switched_off_loses_its_registration_and_the_reservation(
    cluster: Cluster,
) -> None:
    for node in KEYS:
        cluster.act("on", at=node, on=node)

    status = cluster.act("off", at="node2", on="node1")

    keys, reservation = cluster.read("node2", "keys"), cluster.read("node2", "reservation")
    assert status == 0
    assert "0x3abe0001" not in keys
    assert "Key=0x3abe0002" in reservation
    assert cluster.act("status", at="node2", on="node1") == 2  # off


def test_a_node_that_was_fenced_cannot_fence_back(cluster: Cluster) -> None:
    for node in KEYS:
        cluster.act("on", at=node, on=node)
    cluster.act("off", at="node2", on="node1")

    assert cluster.act("off", at="node1", on="node2") != 0

    assert "0x3abe0002" in cluster.read("node2", "keys")
