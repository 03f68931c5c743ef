"""Guests whose reservations cannot reach the disk, as nothing hands them on."""

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from examined import Start
from qemu_pr.doctor.check import Outcome
from qemu_pr.doctor.guests import have_helper, without_manager
from qemu_pr.doctor.host import Host
from qemu_pr.host import asking
from requirements import require


def without(start: Start, *options: str) -> subprocess.Popen[bytes]:
    """Start a QEMU that knows of no helper."""
    qemu = require("qemu-system-x86_64", package="qemu-system-x86")
    bare = ("-S", "-display", "none", "-nodefaults", "-machine", "none", "-qmp", "stdio")
    process = start(
        *(qemu, *bare, "-name", "bob", *options), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert b"QMP" in process.stdout.readline()
    return process


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    return tmp_path / "proc"


def host_with(proc: Path, *running: subprocess.Popen[bytes]) -> Host:
    for process in running:
        os.symlink(f"/proc/{process.pid}", proc / str(process.pid))
    return Host(proc=proc)


@pytest.mark.parametrize("kind", ["raw", "device"])
def test_a_guest_with_a_disk_and_no_manager(start: Start, disk: str, proc: Path, kind: str) -> None:
    path = disk if kind == "raw" else os.devnull
    guest = without(start, "-drive", f"file={path},if=none,id=d0,format=raw")

    (result,) = without_manager(host_with(proc, guest))

    assert result.outcome is Outcome.WARNING
    assert result.subject == f"qemu-system-x86_64 bob, process {guest.pid}"
    assert path in result.what
    assert result.advice.endswith(f"qemu-pr command-line {path}")


def test_a_guest_with_images_only(start: Start, folder: Path, proc: Path) -> None:
    image = folder / "a.qcow2"
    qemu_img = require("qemu-img", package="qemu-utils")
    subprocess.run([qemu_img, "create", "-q", "-f", "qcow2", image, "1M"], check=True)

    guest = without(start, "-drive", f"file={image},if=none,id=d0,format=qcow2")

    assert list(without_manager(host_with(proc, guest))) == []


def test_a_guest_that_has_a_manager(helper: Start, guest: Start, proc: Path) -> None:
    helper()
    running = guest()

    assert list(without_manager(host_with(proc, running))) == []


def test_without_a_helper_no_guest_is_told_to_use_one(proc: Path, tmp_path: Path) -> None:
    (proc / "net").mkdir()
    (proc / "net/unix").write_text("Num\n")

    assert not have_helper(Host(proc=proc, sys=tmp_path, etc=tmp_path))


def test_a_path_that_a_guest_names_cannot_hang_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file system in user space can that never answers."""
    maps = tmp_path / "sys/block/dm-0/dm"
    maps.mkdir(parents=True)
    (maps / "name").write_text("mpatha\n")
    (maps / "uuid").write_text("mpath-3600140500000000a0000000000000001\n")
    options = (
        "-object",
        "pr-manager-helper,id=helper0,path=/run/helper.sock",
        "-blockdev",
        "node-name=hd,driver=raw,file.driver=host_device,file.filename=/dev/hangs,"
        "file.pr-manager=helper0",
    )
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cmdline").write_text("\0".join(("qemu-system-x86_64", *options, "")))
    monkeypatch.setattr(asking.ask_each, "__defaults__", (lambda _: None, 1))
    this_process = os.getpid()

    def hanging(follow: Any) -> Any:
        def followed(path: Any, *arguments: Any, **options: Any) -> Any:
            while str(path).endswith("/dev/hangs"):
                assert os.getpid() != this_process, "the doctor itself hangs"
                signal.pause()
            return follow(path, *arguments, **options)

        return followed

    monkeypatch.setattr("os.stat", hanging(os.stat))
    monkeypatch.setattr("os.path.realpath", hanging(os.path.realpath))
    host = Host.below(tmp_path, [], None)

    assert [guest.disks for guest in host.guests] == [["/dev/hangs"]]
    assert [one.fault.name for one in host.guests[0].reports[0].findings] == ["no-device"]
    assert host.maps == []
