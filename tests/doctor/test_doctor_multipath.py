"""What is told of a host with multipath maps; /sys is made up, as no kernel here has a map."""

import os
from pathlib import Path

import pytest

from examined import Start
from qemu_pr.doctor.check import Outcome
from qemu_pr.doctor.helper import reaches_all_paths
from qemu_pr.doctor.host import Host
from qemu_pr.doctor.multipath import KNOWN_FAULTS, faults_of, in_use
from qemu_pr.multipath_conf.configuration import Configuration, File
from requirements import require

WWID = "3600140500000000a0000000000000001"


@pytest.fixture
def sys(tmp_path: Path) -> Path:
    """A /sys with one map."""
    directory = tmp_path / "block/dm-0/dm"
    directory.mkdir(parents=True)
    (directory / "name").write_text("mpatha\n")
    (directory / "uuid").write_text(f"mpath-{WWID}\n")
    return tmp_path


def configuration(text: str) -> Configuration:
    return Configuration.of([File.parse("multipath.conf", text)])


IN_DEFAULTS = configuration("defaults {\n reservation_key file\n}\n")
IN_MULTIPATHS = configuration(
    f"multipaths {{\n multipath {{\n wwid {WWID}\n reservation_key 0x1\n }}\n}}\n"
)


def test_without_maps_multipath_is_no_matter(tmp_path: Path) -> None:
    assert not in_use(Host(sys=tmp_path))


def test_maps_matter_if_no_disk_is_known(sys: Path) -> None:
    assert in_use(Host(sys=sys, socket="/nosuch"))


def test_maps_that_nobody_uses_do_not_matter(sys: Path, disk: str) -> None:
    assert not in_use(Host([disk], sys=sys, socket="/nosuch"))


def test_our_helper_reaches_all_paths(sys: Path, helper: Start, path: str) -> None:
    helper()
    host = Host(sys=sys, socket=path)

    results = list(reaches_all_paths(host))

    privileged = [one for _, one in host.helpers if one.may(17)]
    assert [one.outcome for one in results] == [Outcome.OK for _ in privileged]


def test_a_helper_without_multipath(sys: Path, helper: Start, path: str) -> None:
    helper("--no-multipath")
    host = Host(sys=sys, socket=path)

    results = list(reaches_all_paths(host))

    privileged = [one for _, one in host.helpers if one.may(17)]
    assert [one.outcome for one in results] == [Outcome.FAILURE for _ in privileged]


def test_qemu_s_helper_of_debian_does_not_reach_all_paths(
    sys: Path, helper: Start, path: str
) -> None:
    if os.geteuid() != 0:
        pytest.skip("QEMU's helper starts as root only")
    helper(program=(require("/usr/bin/qemu-pr-helper", package="qemu-system-common"),))

    (result,) = reaches_all_paths(Host(sys=sys, socket=path))

    assert result.outcome is Outcome.FAILURE
    assert result.what == "it was built without multipath, and registers one path of a map"


@pytest.mark.parametrize(
    ("release", "conf", "count"),
    [
        ((0, 9, 1), IN_DEFAULTS, 0),
        ((0, 9, 2), IN_DEFAULTS, 1),
        ((0, 9, 3), IN_MULTIPATHS, 2),
        ((0, 9, 4), IN_DEFAULTS, 0),
        ((0, 9, 4), IN_MULTIPATHS, 1),
        ((0, 10, 0), IN_MULTIPATHS, 0),
        ((0, 13, 0), None, 1),
        ((0, 13, 1), IN_MULTIPATHS, 0),
    ],
)
def test_known_faults(
    release: tuple[int, int, int], conf: Configuration | None, count: int
) -> None:
    found = faults_of(release, conf)

    assert len(found) == count
    assert all(one in KNOWN_FAULTS for one in found)
