"""A host is examined through another directory than /, as a rescue system or a container has it."""

import json
from pathlib import Path

import pytest

from examined import Start
from qemu_pr.cli.qemu_pr import main
from qemu_pr.doctor.host import Host

WWID = "3600140500000000a0000000000000001"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A file system of a host that does not run."""
    for directory in ("proc", "sys", "dev", "etc/libvirt/qemu"):
        (tmp_path / directory).mkdir(parents=True)
    return tmp_path


def examine(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, dict[str, str]]:
    """Run qemu-pr doctor; give its results by check."""
    main(["doctor", "--json", *arguments])
    return {one["check"]: one for one in json.loads(capsys.readouterr().out)}


def test_a_host_that_does_not_run_is_told_as_such(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = examine(capsys, f"--root={root}")

    assert list(results) == ["socket"]
    assert results["socket"]["outcome"] == "unknown"
    assert results["socket"]["what"].startswith("there are no processes")


def test_its_libvirt_is_judged_by_its_own_programs(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "etc/libvirt/qemu.conf").write_text('pr_helper = "/bin/only-there"\n')
    (root / "bin").mkdir()
    (root / "bin/only-there").touch(mode=0o755)

    assert examine(capsys, f"--root={root}")["pr_helper"]["outcome"] == "ok"


def test_its_maps_are_compared_with_its_files_and_multipathd_is_not_asked(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "sys/block/dm-0/dm").mkdir(parents=True)
    (root / "sys/block/dm-0/dm/name").write_text("mpatha\n")
    (root / "sys/block/dm-0/dm/uuid").write_text(f"mpath-{WWID}\n")
    (root / "etc/multipath.conf").write_text("defaults {\n reservation_key file\n}\n")

    results = examine(capsys, f"--root={root}")

    assert results["reservation_key"]["outcome"] == "ok"
    assert results["reservation_key"]["subject"] == f"{root}/etc/multipath.conf"
    assert not {"libmpathpersist", "multipathd", "release"} & set(results)


def test_its_helper_is_found_on_the_socket_that_it_names(
    helper: Start, path: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in a container that has the host's processes, and its / on another directory."""
    helper("--simulate", f"{path}.db")
    (folder / "host/run").mkdir(parents=True)
    (folder / "host/run/pr.sock").symlink_to(path)
    (folder / "host/proc").symlink_to("/proc")

    results = examine(capsys, f"--root={folder}/host", "--socket=/var/run/pr.sock")

    assert results["socket"]["outcome"] == "ok"
    assert results["socket"]["subject"] == "/var/run/pr.sock"
    assert "this package's" in results["peer"]["what"]


def test_a_disk_is_as_the_host_names_it(root: Path) -> None:
    (root / "dev/sdb").touch()

    (disk,) = Host.below(root, ["/dev/sdb"], None).disks

    assert (disk.path, disk.file, disk.is_regular) == ("/dev/sdb", f"{root}/dev/sdb", True)


def test_a_root_that_is_no_directory_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "--root=/nosuch"])

    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "qemu-pr: doctor: argument --root: '/nosuch' is no directory"
        " (try 'qemu-pr doctor --help')\n"
    )
