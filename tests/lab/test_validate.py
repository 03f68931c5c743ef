"""`qemu-pr validate` on disks of LIO: two paths, a helper, another host's sg_persist."""

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from certificate import (
    SKIP,
    assert_conforms,
    certify,
    keep,
    keys_of,
    named,
    refusal,
)
from in_process import qemu_pr
from lab_helper import Helper
from manual import transcripts
from target import CONFIGFS, Host, SharedDisk, create_disk
from transcript import assert_true, first_line, shell
from waiting import wait_for

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "records"))


def test_a_disk_by_two_paths_conforms(hosts: list[Host], output: Path) -> None:
    certificate = certify(hosts[0].disk, "--peer", hosts[1].disk)

    keep(certificate, output / "certificate-paths.json")
    assert_conforms(certificate, {"every-path"})
    assert certificate["disk"]["vendor"] == "LIO-ORG"
    assert certificate["disk"]["transport"] == "SAS"
    assert "NO registered" in keys_of(hosts[2].disk)


def test_writes_that_write_what_was_read_show_the_same(hosts: list[Host]) -> None:
    subprocess.run(f"printf certified | dd of={hosts[2].disk} conv=notrunc", shell=True, check=True)

    certificate = certify(hosts[0].disk, "--peer", hosts[1].disk, "--write-test")

    assert_conforms(certificate, {"every-path"})
    with open(hosts[2].disk, "rb") as disk:
        assert disk.read(9) == b"certified"


def test_a_disk_through_a_helper_conforms(helper: Helper, hosts: list[Host], output: Path) -> None:
    sockets = ["--socket", helper.socket, "--peer-socket", helper.socket]

    certificate = certify(hosts[0].disk, "--peer", hosts[1].disk, *sockets)

    keep(certificate, output / "certificate-helper.json")
    assert_conforms(certificate, {"every-path"})


def test_a_peer_that_another_host_s_sg_persist_speaks_for_conforms(
    hosts: list[Host], output: Path
) -> None:
    certificate = certify(hosts[0].disk, "--peer", hosts[1].disk, "--peer-command", "env -i")

    keep(certificate, output / "certificate-command.json")
    peers = {f"reads-writes-{type_}-peer" for type_ in (1, 3, 5, 6, 7, 8)}
    assert_conforms(certificate, {"every-path", *peers})


def test_one_nexus_shows_what_it_can(hosts: list[Host]) -> None:
    certificate = certify(hosts[0].disk)

    assert named(certificate, "deviates") == {}
    assert named(certificate, "ok").keys() == {"register", "aptpl"}
    assert certificate["exit_status"] == 0


def test_a_disk_with_registrations_is_refused(hosts: list[Host]) -> None:
    register = ["sg_persist", "--out", "--register", "--param-sark=0xa1", hosts[2].disk]
    subprocess.run(register, check=True, capture_output=True)

    line = refusal(hosts[0].disk, "--peer", hosts[1].disk)

    assert "the key 0xa1 is registered; end what uses the disk" in line
    assert "0xa1" in keys_of(hosts[2].disk)


def test_two_different_disks_are_refused(hosts: list[Host], other_disk: Host) -> None:
    line = refusal(hosts[0].disk, "--peer", other_disk.disk)

    assert f"{other_disk.disk}: it is another disk (naa." in line


def test_a_disk_that_something_has_open_is_refused(hosts: list[Host]) -> None:
    holder = subprocess.Popen(f"exec sleep 1000 <{hosts[0].disk}", shell=True)
    try:
        line = refusal(hosts[0].disk, "--peer", hosts[1].disk)
    finally:
        holder.kill()
        holder.wait()

    assert f"it is in use: sleep, process {holder.pid}; end what uses it" in line


def test_a_mounted_disk_and_a_partition_are_refused(hosts: list[Host], tmp_path: Path) -> None:
    disk = hosts[0].disk
    table = bytes(446) + struct.pack("<8BII", 0, 0, 0, 0, 0x83, 0, 0, 0, 2048, 4096)
    Path(disk).write_bytes(table.ljust(510, b"\0") + b"\x55\xaa")
    subprocess.run(["blockdev", "--rereadpt", disk], check=True)
    wait_for(Path(f"{disk}1").exists, f"{disk}1")
    partition = refusal(f"{disk}1", "--peer", hosts[1].disk)
    subprocess.run(["mkfs.ext2", "-q", "-F", f"{disk}1"], check=True)
    subprocess.run(["mount", f"{disk}1", tmp_path], check=True)
    try:
        mounted = refusal(disk, "--peer", hosts[1].disk)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
        subprocess.run(["dd", "if=/dev/zero", f"of={disk}", "bs=4k", "count=1"], check=True)
        subprocess.run(["blockdev", "--rereadpt", disk], check=True)

    assert f"it is a partition, and reservations are made for whole disks; use {disk}" in partition
    assert f"it is in use: mounted on {tmp_path}; unmount it" in mounted


@pytest.fixture
def without_reservations() -> Iterator[SharedDisk]:
    disk = create_disk("unreserved", hosts=1, first=301)
    attribute = CONFIGFS / "core/fileio_0/unreserved/attrib/emulate_pr"
    attribute.write_text("0")
    yield disk
    disk.remove()


def test_a_disk_without_reservations_is_refused(without_reservations: SharedDisk) -> None:
    line = refusal(without_reservations.hosts[0].disk)

    assert "it has no persistent reservations; turn them on at the array or target" in line


def test_a_run_that_was_killed_is_cleaned_up_after(hosts: list[Host], tmp_path: Path) -> None:
    command = [str(Path(PROJECT, ".venv/bin/qemu-pr")), "validate", "--yes", *SKIP, hosts[0].disk]
    run = subprocess.Popen([*command, "--peer", hosts[1].disk], stdout=subprocess.DEVNULL)
    wait_for(lambda: "0x71707276" in keys_of(hosts[2].disk), "a key of the run")
    run.kill()
    run.wait()

    done = qemu_pr("validate", "--yes", "--clean", hosts[0].disk, "--peer", hosts[1].disk)

    assert done.status == 0, done.stderr
    assert "NO registered" in keys_of(hosts[2].disk)


@pytest.mark.parametrize("transcript", transcripts("paths"), ids=first_line)
def test_what_the_manual_shows_of_a_disk_with_two_paths_is_true(
    hosts: list[Host], tmp_path: Path, transcript: str
) -> None:
    with shell(tmp_path) as run:
        assert_true(transcript, run)
