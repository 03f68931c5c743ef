"""What is wrong with libvirt's configuration."""

from pathlib import Path

import pytest

from examined import not_root
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


def test_a_directory_for_root_only_is_not_taken_for_one_without_it(etc: Path) -> None:
    host = write_conf(etc, "")
    (etc / "libvirt").chmod(0)

    with not_root(), pytest.raises(PermissionError):
        installed(host)

    (etc / "libvirt").chmod(0o700)


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


def test_the_installed_file_shows_the_default_in_a_comment(etc: Path) -> None:
    (result,) = helper(write_conf(etc, '#pr_helper = "/bin/true"\n'))

    assert result.outcome is Outcome.OK
    assert result.subject.endswith("pr_helper = /bin/true, the default")


def test_a_helper_with_a_name_is_looked_for_where_a_service_finds_programs(etc: Path) -> None:
    (result,) = helper(write_conf(etc, 'pr_helper = "true"\n'))

    assert result.outcome is Outcome.OK
    assert result.subject.endswith("pr_helper = true")


def test_a_helper_with_a_name_that_is_nowhere(etc: Path) -> None:
    (result,) = helper(write_conf(etc, 'pr_helper = "no-such-helper"\n'))

    assert result.outcome is Outcome.WARNING
    assert result.what.startswith("it is not there, so libvirt starts no guest")


@pytest.mark.parametrize(
    ("socket", "daemon"),
    [("/run/libvirt/virtqemud-sock", "virtqemud"), ("/run/libvirt/libvirt-sock", "libvirtd")],
)
def test_advice_names_the_daemon_that_reads_the_file(
    etc: Path, tmp_path: Path, socket: str, daemon: str
) -> None:
    sockets = tmp_path / "proc/net/unix"
    sockets.parent.mkdir(parents=True)
    sockets.write_text(
        "Num       RefCount Protocol Flags    Type St Inode Path\n"
        f"0000000000000000: 00000002 00000000 00010000 0001 01 12345 {socket}\n"
    )
    (etc / "libvirt/qemu.conf").write_text('pr_helper = "/nosuch"\n')

    (result,) = helper(Host(etc=etc, sys=etc, proc=tmp_path / "proc"))

    assert result.advice.endswith(f"and restart {daemon}")


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
