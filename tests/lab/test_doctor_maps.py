"""Hosts with a multipath map that are broken on purpose: the doctor names the cause in each."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from doctor import FAILURE, HEALTHY, SOCKET, WARNING, examine, the_only, understood
from in_process import Done
from lab_helper import WITHOUT_LIBRARY, Helper, StartHelper
from multipathd import Map, multipath_map
from qemu_pr.doctor.multipath import installed_release
from target import create_disk
from waiting import wait_for

QEMU_PR = str(Path(sys.executable).parent / "qemu-pr")


@pytest.fixture(scope="module")
def ours(start_helper: StartHelper) -> Iterator[Helper]:
    """Our helper, on a socket of its own."""
    helper = start_helper("ours", SOCKET)
    yield helper
    helper.stop()


@pytest.fixture(scope="module")
def shared_map(output: Path) -> Iterator[Map]:
    paths = create_disk("doctor", hosts=2, first=41).hosts
    with multipath_map(paths, output / "multipathd-doctor.log") as found:
        yield found


@pytest.fixture
def the_map(shared_map: Map) -> Map:
    """A map that is configured as the manual says."""
    shared_map.configure(defaults="reservation_key file")
    return shared_map


def test_a_healthy_host_with_a_map(the_map: Map, ours: Helper) -> None:
    assert examine(the_map.node) == HEALTHY


def test_9_a_disk_is_one_path_of_a_map(the_map: Map, ours: Helper) -> None:
    said = the_only(examine(the_map.paths[0].disk), FAILURE, "disk")

    assert said.startswith("it is one path of a multipath map")


def test_10_there_is_no_reservation_key(the_map: Map, ours: Helper) -> None:
    the_map.configure()

    said = the_only(examine(the_map.node), FAILURE, "reservation_key")

    assert "it has no reservation_key" in said


def test_11_multipathd_has_not_read_the_key(the_map: Map, ours: Helper) -> None:
    the_map.configure()
    the_map.write_configuration(defaults="reservation_key file")

    said = the_only(examine(the_map.node), FAILURE, "reservation_key")

    assert said == "reservation_key file: multipathd runs with no key"


def test_12_the_key_is_where_releases_before_0_10_do_not_find_it(
    the_map: Map, ours: Helper
) -> None:
    the_map.configure(multipaths="reservation_key 0xa1")

    found = examine(the_map.node)

    release = installed_release()
    assert release is not None
    if release >= (0, 10, 0):
        assert found == HEALTHY
    else:
        said = the_only(found, WARNING, "release")
        assert said.startswith("libmpathpersist does not find a reservation_key in the multipaths")


def test_13_qemu_s_helper_has_no_multipath(the_map: Map, start_helper: StartHelper) -> None:
    helper = start_helper("c", "/run/c.sock")

    said = the_only(examine(the_map.node, socket=helper.socket), FAILURE, "all-paths")

    assert said == "it was built without multipath, and registers one path of a map"


def test_14_the_library_is_missing(the_map: Map, ours: Helper) -> None:
    doctor = [QEMU_PR, "doctor", "--json", "--socket", SOCKET, the_map.node]

    done = subprocess.run([*WITHOUT_LIBRARY, *doctor], capture_output=True, text=True)

    found = understood(Done(done.returncode, done.stdout, done.stderr))
    said = the_only(found, WARNING, "libmpathpersist")
    assert said.startswith("only our helper registers all paths without it: ")


def test_15_multipathd_does_not_run(the_map: Map, ours: Helper) -> None:
    subprocess.run(["multipathd", "shutdown"], check=True)
    wait_for(lambda: not _multipathd_answers(), "multipathd to stop")

    said = the_only(examine(the_map.node), FAILURE, "multipathd")

    assert said.startswith("it does not answer")


def _multipathd_answers() -> bool:
    done = subprocess.run(["multipathd", "show", "status"], capture_output=True, text=True)
    return done.returncode == 0 and "path checker" in done.stdout
