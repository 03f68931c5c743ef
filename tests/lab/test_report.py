"""The report of a real host: a map of two paths, a disk of its own, and a disk that hangs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from in_process import qemu_pr
from lab_helper import Helper
from multipathd import Map, multipath_map
from qemu_pr.fleet.schema import schema
from target import Host, create_disk
from wire import Client, parameter_list, persistent_reserve_out, status

REGISTER, PREEMPT_AND_ABORT = 0, 5
WRITE_EXCLUSIVE = 1


@pytest.fixture(scope="module")
def the_map(output: Path) -> Iterator[Map]:
    paths = create_disk("report", hosts=2, first=91).hosts
    with multipath_map(paths, output / "multipathd-report.log") as found:
        yield found


def report(*disks: str) -> dict[str, Any]:
    """Report this host; give its disks by device."""
    done = qemu_pr("report", *disks)
    assert (done.status, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    jsonschema.validate(found, schema())
    print(done.stdout)
    return {disk["device"]: disk for disk in found["disks"]}


def test_a_map_is_reported_with_its_paths_and_their_registrations(
    the_map: Map, helper: Helper, hosts: list[Host]
) -> None:
    with Client(helper.socket) as client:
        register = persistent_reserve_out(REGISTER)
        assert status(client.command(the_map.node, register, parameter_list(0, 0xA))) == 0

    disks = report()

    found = disks[the_map.node]
    assert found["wwid"] == f"3{found['identity'].removeprefix('naa.')}"
    assert {path["device"] for path in found["paths"]} == {one.disk for one in the_map.paths}
    assert {path["state"] for path in found["paths"]} == {"running"}
    assert {one["initiator"] for one in found["status"]["registrations"]} == {
        one.initiator for one in the_map.paths
    }
    assert found["reservation_key"]["configured"] == "file"
    assert found["reservation_key"]["remembered"] == "0xa"
    assert not {one.disk for one in the_map.paths} & disks.keys()
    assert {disks[one.disk]["identity"] for one in hosts} == {disks[hosts[0].disk]["identity"]}


@pytest.mark.hangs
def test_a_disk_that_hangs_does_not_hold_the_report_up(helper: Helper, hosts: list[Host]) -> None:
    victim, attacker = create_disk("hanging-report", hosts=2, first=221).hosts
    register = persistent_reserve_out(REGISTER)
    preempt = persistent_reserve_out(PREEMPT_AND_ABORT, WRITE_EXCLUSIVE)
    with Client(helper.socket) as client, Client(helper.socket, seconds=5) as hanging:
        assert status(client.command(victim.generic, register, parameter_list(0, 0xA))) == 0
        assert status(client.command(attacker.generic, register, parameter_list(0, 0xB))) == 0
        with pytest.raises(TimeoutError):
            hanging.command(attacker.generic, preempt, parameter_list(0xB, 0xA))

    disks = report(attacker.disk, hosts[0].disk)

    assert disks[attacker.disk]["error"]["reason"].startswith("it hangs")
    assert disks[hosts[0].disk]["error"] is None
