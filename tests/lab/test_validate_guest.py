"""`qemu-pr validate` from inside a guest, by the one file of `make zipapp`.

A guest of the lab is emulated in a machine that is emulated itself: this takes longer than all
other tests, so it runs apart.
"""

import json
import subprocess
from pathlib import Path

from certificate import SKIP, assert_conforms, keep, keys_of
from guest import boot
from in_process import qemu_pr
from lab_helper import Helper
from target import Host
from waiting import PATIENCE, wait_for

PROJECT = Path(__file__).resolve().parents[2]


def make_archive(directory: Path) -> Path:
    checkout = directory / "checkout"
    checkout.mkdir()
    subprocess.run(["cp", "-r", PROJECT / "Makefile", PROJECT / "src", checkout], check=True)
    subprocess.run(["make", "-C", checkout, "zipapp", "PYTHON=/usr/bin/python3"], check=True)
    return checkout / "build/qemu-pr.pyz"


def test_a_guest_certifies_the_whole_chain_with_one_file(
    helper: Helper, hosts: list[Host], initramfs: Path, output: Path, tmp_path: Path
) -> None:
    disks = [hosts[1].disk, hosts[2].disk]
    command_line = qemu_pr("command-line", "--socket", helper.socket, *disks).stdout
    command_line = (
        f"{command_line.strip()} -m 768 -virtfs"
        " local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap"
    )
    directory = output / "guest-validate"
    directory.mkdir()
    archive = make_archive(tmp_path)
    with boot(command_line, initramfs, directory) as guest:
        wait_for(lambda: guest.run("test -b /dev/sda -a -b /dev/sdb").status == 0, "the disks")
        chroot = (
            "mkdir /host && mount -t 9p -o trans=virtio,version=9p2000.L,ro,msize=512000 host /host"
            " && for at in dev proc sys; do mount --bind /$at /host/$at; done"
            f" && mount -t tmpfs tmpfs /host/media && cp /host{archive} /host/media/qemu-pr.pyz"
            " && chroot /host /usr/bin/env XDG_STATE_HOME=/media /usr/bin/python3"
        )
        disks_and_options = f"/dev/sda --peer /dev/sdb --yes --json {' '.join(SKIP)}"
        copied = guest.run(
            f"{chroot} /media/qemu-pr.pyz validate {disks_and_options}", seconds=PATIENCE * 4
        )

    assert copied.output.startswith("{"), copied.output
    certificate = json.loads(copied.output) | {"exit_status": copied.status}
    keep(certificate, output / "certificate-guest.json")
    assert_conforms(certificate, {"every-path"})
    assert "NO registered" in keys_of(hosts[0].disk)
