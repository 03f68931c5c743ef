"""What lint corrects is taken by those who read it: sh, QEMU, libvirt, systemd."""

import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qemu_pr.lint.check import check
from qemu_pr.lint.command import Command, is_unknown
from qemu_pr.lint.readers import commands
from real_qemu import DEVICE, talk
from requirements import require
from test_faults import OTHERS
from test_real_command_lines import FAULTY, REAL

NOBODY = 65534
Libvirt = Callable[[str], subprocess.CompletedProcess[str]]
DOMAIN = """\
<domain type='qemu' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>judged</name><memory>65536</memory>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='scsi' index='0' model='virtio-scsi'/>
    {devices}
  </devices>
  {rest}
</domain>
"""


def corrections(*, xml: bool) -> Iterator[tuple[str, str]]:
    texts = {name: (REAL / "faulty" / name).read_text() for name in FAULTY}
    texts |= {
        f"{'+'.join(faults)} {number}": " ".join(["qemu-system-x86_64", *options])
        for number, (options, faults) in enumerate(OTHERS)
    }
    for name, text in texts.items():
        for report in check(text):
            if report.corrected and not report.left and report.corrected.startswith("<disk") == xml:
                yield f"{name}:{report.line}", report.corrected


def wiring(command: Command, socket: str) -> list[str]:
    """Give the options that wire disks, for a host that has neither disk nor helper."""
    words = []
    for setting in command.settings:
        assert setting.argument.value is not None
        value = re.sub(r"(?<==)/dev/(?!null)[\w/:.-]+", DEVICE, setting.argument.value.text)
        value = re.sub(r'(?<=":")/dev/[\w/:.-]+', DEVICE, value)
        value = re.sub(r"(?<=path=)/[^,]+", socket.replace(",", ",,"), value)
        value = value.replace("scsi-block", "scsi-hd")  # the first asks for a SCSI disk
        if setting.argument.option == "drive":  # all disks are one here; and no warnings
            value += ",file.locking=off" + ("" if "raw" in value else ",format=raw")
        words += [f"-{setting.argument.option}", value]
    return words


def can_start(text: str) -> bool:
    """Whether it stands for no other, and needs no device that only a SCSI disk has."""
    (command,) = commands(text)
    return not any(map(is_unknown, wiring(command, "/socket"))) and "scsi-generic" not in text


def is_for_a_shell_alone(text: str) -> bool:
    begins = re.match(r"(exec |sudo |\w+\+?=.*\n)*qemu", text)
    return bool(begins) and not is_unknown(text.replace("$", ""))


@pytest.mark.parametrize(
    ("name", "text"), [one for one in corrections(xml=False) if can_start(one[1])]
)
def test_qemu_starts(name: str, text: str, qemu: str, helper_socket: str) -> None:
    (command,) = commands(text)
    words = wiring(command, helper_socket)
    if command.program != "qemu-system-x86_64" and not any("virtio-scsi" in word for word in words):
        words = ["-device", "virtio-scsi,id=scsi0", *words]  # libvirt's, or of the other part

    talk(qemu, words, [])


@pytest.mark.parametrize(
    ("name", "text"), [one for one in corrections(xml=False) if is_for_a_shell_alone(one[1])]
)
def test_the_shell_reads_what_lint_reads(name: str, text: str, tmp_path: Path) -> None:
    (command,) = commands(text)
    program = tmp_path / command.program
    program.write_text('#!/bin/sh\nprintf "%s\\0" "$@"\n')
    program.chmod(0o755)
    (tmp_path / "run").write_text(text)

    checked = subprocess.run(["bash", "-n", "run"], cwd=tmp_path, capture_output=True)
    run = subprocess.run(
        ["bash", "run"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    given = run.stdout.split("\0")
    read = [word for one in command.settings for word in _words(one.argument)]
    assert (checked.returncode, run.stderr) == (0, "")
    assert [word for word in given if word in read] == read


def _words(argument: object) -> tuple[str, str]:
    option, value = getattr(argument, "option"), getattr(argument, "value")  # noqa: B009
    return f"-{option}", value.text


@pytest.fixture(scope="session")
def libvirt() -> Iterator[Libvirt]:
    """Give libvirt's own conversion, with a driver of its own, which root runs as nobody."""
    virsh = require("virsh", package="libvirt-clients")
    require("libvirtd", package="libvirt-daemon")
    as_nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        command = [
            *(as_nobody if os.geteuid() == 0 else []),
            *("env", f"HOME={folder}", f"XDG_RUNTIME_DIR={folder}"),
            *(virsh, "-q", "-c", f"qemu:///embed?root={folder}/root"),
            *("domxml-to-native", "qemu-argv", f"{folder}/domain.xml"),
        ]

        def convert(domain: str) -> subprocess.CompletedProcess[str]:
            Path(folder, "domain.xml").write_text(domain)
            return subprocess.run(command, capture_output=True, text=True)

        yield convert


@pytest.mark.parametrize(("name", "text"), list(corrections(xml=True)))
def test_libvirt_takes_it(name: str, text: str, libvirt: Libvirt, tmp_path: Path) -> None:
    validate = require("virt-xml-validate", package="libvirt-clients")
    domain = DOMAIN.format(devices=text, rest="")
    (tmp_path / "domain.xml").write_text(domain)

    validated = subprocess.run(
        [validate, tmp_path / "domain.xml", "domain"], capture_output=True, text=True
    )
    told = libvirt(domain)

    disk = re.search(r"<source dev='([^']+)'", text)
    assert validated.returncode == 0, validated.stderr
    assert told.returncode == 0, told.stderr
    assert disk is not None
    assert f'"filename":"{disk[1]}"' in told.stdout
    assert '"pr-manager":"pr-helper' in told.stdout
    assert '"driver":"scsi-block"' in told.stdout


def test_libvirt_takes_options_for_qemu(libvirt: Libvirt) -> None:
    (report,) = check((REAL / "faulty/arguments.xml").read_text())

    told = libvirt(DOMAIN.format(devices="", rest=report.corrected))

    assert told.returncode == 0, told.stderr
    words = shlex.split(told.stdout)
    assert "file=/dev/sdb,if=none,id=q,format=raw,file.pr-manager=h" in words


def test_systemd_takes_it(tmp_path: Path) -> None:
    analyze = require("systemd-analyze", package="systemd")
    (report,) = check((REAL / "faulty/unit.service").read_text())
    unit = tmp_path / "guest.service"
    unit.write_text(f"[Service]\n{report.corrected.replace('qemu-system-x86_64', 'true')}\n")

    verified = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True)

    assert (verified.returncode, verified.stderr) == (0, "")
