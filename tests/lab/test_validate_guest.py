"""`qemu-pr validate` from inside a guest, by the one file of `make zipapp`."""

import base64
import gzip
import json
from pathlib import Path

from certificate import assert_conforms, keep, keys_of
from guest import boot
from guest_python import with_python
from in_process import qemu_pr
from lab_helper import Helper
from manual import transcripts
from migration import HAS_MIGRATE_PR
from target import Host
from transcript import assert_true
from waiting import PATIENCE, wait_for

# QEMU that migrates reservations denies to the guest what it could not migrate.
DENIED = {"all-tg-pt", "spec-i-pt"} if HAS_MIGRATE_PR else set()
ARCHIVE = Path(__file__).resolve().parents[2] / "build/qemu-pr.pyz"


def test_a_guest_certifies_the_whole_chain_as_the_manual_shows(
    helper: Helper, hosts: list[Host], initramfs: Path, output: Path, tmp_path: Path
) -> None:
    one, other = hosts[1:]
    command_line = qemu_pr("command-line", "--socket", helper.socket, one.disk, other.disk).stdout
    [transcript] = transcripts("guest-with-python")
    directory = output / "guest-validate"
    directory.mkdir()
    statuses: list[int] = []
    image = with_python(initramfs, ARCHIVE, "validate", tmp_path)

    with boot(command_line, image, directory) as guest:
        wait_for(lambda: guest.run("test -b /dev/sda -a -b /dev/sdb").status == 0, "the disks")

        def run(command: str) -> str:
            # Where it is, and what goes wrong, is seen in the guest's console.log while it runs.
            done = guest.run(f"exec 2>/dev/ttyS0; {command}", seconds=PATIENCE * 4)
            statuses.append(done.status)
            return done.output

        assert_true(transcript, run)
        # Each byte through the serial port takes a millisecond.
        packed = run("gzip -9c sda.json | base64")
        managers = guest.monitor.execute("query-pr-managers")

    certificate = json.loads(gzip.decompress(base64.b64decode(packed)))
    certificate["exit_status"] = statuses[0]
    keep(certificate, output / "certificate-guest.json")
    assert_conforms(certificate, {"every-path"} | DENIED)
    ports = [nexus["ports"] for nexus in certificate["nexuses"].values()]
    assert {port["initiator"] for [port] in ports} == {one.initiator, other.initiator}
    assert [manager["connected"] for manager in managers] == [True]
    assert "NO registered" in keys_of(hosts[0].disk)
