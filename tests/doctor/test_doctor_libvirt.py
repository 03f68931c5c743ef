"""What is wrong with libvirt's configuration."""

from pathlib import Path

import pytest

from qemu_pr.doctor.check import Outcome
from qemu_pr.doctor.host import Host
from qemu_pr.doctor.libvirt import domains, helper, installed

DISK = """\
<domain type='kvm'>
  <devices>
    <controller type='scsi' model='virtio-scsi'/>
    <disk type='block' device='{device}'>
      <driver name='qemu' type='raw'/>
      <source dev='/dev/sdb'><reservations managed='yes'/></source>
      <target dev='{target}' bus='{bus}'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture
def etc(tmp_path: Path) -> Path:
    (tmp_path / "libvirt/qemu").mkdir(parents=True)
    return tmp_path


def write_conf(etc: Path, text: str) -> Host:
    (etc / "libvirt/qemu.conf").write_text(text)
    return Host(etc=etc, sys=etc)


def test_without_its_configuration_libvirt_is_no_matter(etc: Path) -> None:
    assert not installed(Host(etc=etc))


def test_a_helper_that_is_there(etc: Path) -> None:
    host = write_conf(etc, '#pr_helper = "/nosuch"\npr_helper = "/bin/true"\n')

    (result,) = helper(host)

    assert installed(host)
    assert result.outcome is Outcome.OK


@pytest.mark.parametrize(
    ("program", "why"),
    [("/nosuch", "not there"), ("/tmp", "no program"), ("/etc/passwd", "no program")],
)
def test_a_helper_that_cannot_be_started(etc: Path, program: str, why: str) -> None:
    (result,) = helper(write_conf(etc, f'pr_helper = "{program}"\n'))

    assert result.outcome is Outcome.WARNING
    assert result.what.startswith(f"it is {why}, so libvirt starts no guest")
    assert program in result.subject


def test_the_default_is_named_as_such(etc: Path) -> None:
    (result,) = helper(write_conf(etc, "# nothing\n"))

    assert result.subject.endswith("pr_helper = /usr/bin/qemu-pr-helper, the default")


def test_a_helper_built_without_multipath(etc: Path) -> None:
    directory = etc / "block/dm-0/dm"
    directory.mkdir(parents=True)
    (directory / "name").write_text("mpatha\n")
    (directory / "uuid").write_text("mpath-3600\n")
    host = Host(etc=etc, sys=etc, socket="/nosuch")
    (etc / "libvirt/qemu.conf").write_text('pr_helper = "/bin/true"\n')

    (result,) = helper(host)

    assert result.outcome is Outcome.WARNING
    assert result.what == "it was built without multipath, and registers one path of a map"


def test_a_domain_that_is_right(etc: Path) -> None:
    (etc / "libvirt/qemu/alice.xml").write_text(DISK.format(device="lun", target="sda", bus="scsi"))

    (result,) = domains(Host(etc=etc))

    assert result.outcome is Outcome.OK


def test_a_domain_with_an_emulated_disk(etc: Path) -> None:
    (etc / "libvirt/qemu/alice.xml").write_text(
        DISK.format(device="disk", target="vda", bus="virtio")
    )

    (result, *_) = domains(Host(etc=etc))

    assert result.outcome is Outcome.WARNING
    assert "emulated-disk" in result.what
    assert result.advice.endswith("virsh edit alice")


def test_a_file_that_is_no_xml_is_told(etc: Path) -> None:
    (etc / "libvirt/qemu/bob.xml").write_text("<domain><reservations")

    (result,) = domains(Host(etc=etc))

    assert result.outcome is Outcome.UNKNOWN
