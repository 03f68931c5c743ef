"""`qemu-pr validate` on a multipath map, through our helper and through QEMU's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from certificate import DEVIATIONS, HANGS, certify, keep, keys_of, named
from lab_helper import Helper, StartHelper
from multipathd import Map, multipath_map
from target import Host, create_disk

# What a map adds, and why: the table on the page "Certify a disk before it goes live".
OF_MAPS = {
    "register",
    "wrong-key",
    "preempt-holder",
    "attention-preempt",
    "attention-clear",
    "reads-writes-1",
    "reads-writes-3",
    "migrate-pr-1",
    "migrate-pr-3",
    "migrate-pr-5",
}


@pytest.fixture(scope="module")
def disk_hosts() -> list[Host]:
    return create_disk("certified", hosts=3, first=81).hosts


@pytest.fixture(scope="module")
def the_map(disk_hosts: list[Host], output: Path) -> Iterator[Map]:
    with multipath_map(disk_hosts[:2], output / "multipathd-validate.log") as found:
        yield found


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "records"))


def test_a_map_through_our_helper_deviates_as_the_manual_says(
    the_map: Map, disk_hosts: list[Host], helper: Helper, output: Path
) -> None:
    peer = disk_hosts[2].disk

    certificate = certify(the_map.node, "--socket", helper.socket, "--peer", peer)

    keep(certificate, output / "certificate-map.json")
    deviating = named(certificate, "deviates")
    assert deviating.keys() <= {*DEVIATIONS, *OF_MAPS}, deviating
    assert named(certificate, "ok").keys() >= {"every-path", "type-5", "reads-writes-5", "reset"}
    assert named(certificate, "left out").keys() <= {*HANGS, "register-and-move"}
    assert "NO registered" in keys_of(peer)


def test_qemu_s_helper_is_caught_on_a_map(
    the_map: Map, disk_hosts: list[Host], start_helper: StartHelper, output: Path
) -> None:
    peer = disk_hosts[2].disk
    socket = start_helper("c", "/run/lab/validate.sock").socket

    certificate = certify(the_map.node, "--socket", socket, "--peer", peer)

    keep(certificate, output / "certificate-map-c.json")
    assert named(certificate, "deviates")["every-path"].endswith("of 2 paths 1 is registered")
    assert certificate["exit_status"] == 1
    assert "NO registered" in keys_of(peer)
