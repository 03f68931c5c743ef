"""Hosts that are broken on purpose: the doctor names the cause in each, and nothing else."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab_helper import PROGRAMS, Helper, StartHelper
from multipathd import Map, multipath_map
from target import CONFIGFS, Host, create_disk
from waiting import wait_for

DOCTOR = (str(Path(sys.executable).parent / "qemu-pr"), "doctor", "--json")
SOCKET = "/run/doctor.sock"
OK, WARNING, FAILURE = 0, 1, 2


def examine(*arguments: str, before: tuple[str, ...] = ()) -> tuple[int, list[tuple[str, str]]]:
    """Run the doctor; give its exit status, and the checks that are not ok with what they say."""
    command = [*before, *DOCTOR, "--socket", SOCKET, *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert not done.stderr
    results = [one for one in json.loads(done.stdout) if one["outcome"] != "ok"]
    print(*results, sep="\n")
    assert all(one["advice"] for one in results)
    return done.returncode, [(one["check"], one["what"]) for one in results]


def the_only(found: tuple[int, list[tuple[str, str]]], status: int, check: str) -> str:
    """Give what the only line says that is not ok."""
    exit_status, results = found
    assert [name for name, _ in results] == [check]
    assert exit_status == status
    return results[0][1]


@pytest.fixture
def ours(start_helper: StartHelper) -> Iterator[Helper]:
    """Our helper, on a socket of its own."""
    helper = start_helper("ours", SOCKET)
    yield helper
    helper.kill()
    Path(SOCKET).unlink(missing_ok=True)


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


@contextmanager
def guest(disk: str, device: str = "scsi-block", *options: str) -> Iterator[None]:
    """Run a QEMU that has the disk, and does not start its processor."""
    command = [
        *("qemu-system-x86_64", "-S", "-display", "none", "-nodefaults", "-qmp", "stdio"),
        *("-device", "virtio-scsi", "-object", f"pr-manager-helper,id=helper0,path={SOCKET}"),
        "-blockdev",
        f"node-name=hd,driver=raw,file.driver=host_device,file.filename={disk},"
        "file.pr-manager=helper0",
        *("-device", f"{device},drive=hd", "-name", "alice", *options),
    ]
    qemu = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert qemu.stdout is not None
        assert b"QMP" in qemu.stdout.readline()
        yield
    finally:
        qemu.kill()
        qemu.wait()


def test_a_healthy_host_with_a_guest(hosts: list[Host], ours: Helper) -> None:
    with guest(hosts[0].disk):
        assert examine(hosts[0].disk) == (OK, [])


def test_a_healthy_host_with_a_map(the_map: Map, ours: Helper) -> None:
    assert examine(the_map.node) == (OK, [])


def test_1_no_helper_runs(hosts: list[Host]) -> None:
    said = the_only(examine(hosts[0].disk), FAILURE, "socket")

    assert said == "No such file or directory"


def test_2_a_helper_was_killed_and_left_its_socket(hosts: list[Host], ours: Helper) -> None:
    with guest(hosts[0].disk):
        ours.kill()

        said = the_only(examine(hosts[0].disk), FAILURE, "socket")

    assert said.startswith("Connection refused, and this guest uses it: qemu-system-x86_64 alice")


def test_3_a_helper_without_cap_sys_rawio(hosts: list[Host], tmp_path: Path) -> None:
    setpriv = ["setpriv", "--inh-caps=-sys_rawio", "--bounding-set=-sys_rawio"]
    helper = subprocess.Popen([*setpriv, PROGRAMS["ours"], "-k", SOCKET])
    wait_for(Path(SOCKET).exists, SOCKET)

    said = the_only(examine(hosts[0].disk), FAILURE, "capabilities")

    helper.terminate()
    helper.wait()
    assert said == "it has no CAP_SYS_RAWIO"


def test_4_a_guest_may_not_connect_to_the_socket(hosts: list[Host], ours: Helper) -> None:
    with guest(hosts[0].disk, "scsi-block", "-runas", "nobody"):
        said = the_only(examine(hosts[0].disk), FAILURE, "permissions")

    assert f"which may not connect: {SOCKET} does not let it" in said


def test_5_a_guest_has_an_emulated_disk(hosts: list[Host], ours: Helper) -> None:
    with guest(hosts[0].disk, "scsi-hd"):
        said = the_only(examine(hosts[0].disk), FAILURE, "guest")

    assert said.startswith("emulated-disk: ")


def test_6_a_disk_is_write_protected(hosts: list[Host], ours: Helper) -> None:
    subprocess.run(["blockdev", "--setro", hosts[0].disk], check=True)

    said = the_only(examine(hosts[0].disk), FAILURE, "writable")

    subprocess.run(["blockdev", "--setrw", hosts[0].disk], check=True)
    assert said.startswith("it is write-protected")


def test_7_a_disk_has_no_persistent_reservations(ours: Helper) -> None:
    disk = create_disk("plain", hosts=1, first=51).hosts[0].disk
    (CONFIGFS / "core/fileio_0/plain/attrib/emulate_pr").write_text("0\n")

    said = the_only(examine(disk), FAILURE, "reservations")

    assert said.startswith("it has no persistent reservations")


def test_8_a_disk_is_one_path_of_a_map(the_map: Map, ours: Helper) -> None:
    said = the_only(examine(the_map.paths[0].disk), FAILURE, "disk")

    assert said.startswith("it is one path of a multipath map")


def test_9_there_is_no_reservation_key(the_map: Map, ours: Helper) -> None:
    the_map.configure()

    said = the_only(examine(the_map.node), FAILURE, "reservation_key")

    assert "it has no reservation_key" in said


def test_10_multipathd_has_not_read_the_key(the_map: Map, ours: Helper) -> None:
    the_map.configure()
    the_map.write_configuration(defaults="reservation_key file")

    said = the_only(examine(the_map.node), FAILURE, "reservation_key")

    assert said == "reservation_key file: multipathd runs with no key"


def test_11_the_key_is_where_this_release_does_not_find_it(the_map: Map, ours: Helper) -> None:
    the_map.configure(multipaths="reservation_key 0xa1")

    said = the_only(examine(the_map.node), WARNING, "release")

    assert said.startswith("libmpathpersist does not find a reservation_key in the multipaths")


def test_12_qemu_s_helper_has_no_multipath(the_map: Map, start_helper: StartHelper) -> None:
    helper = start_helper("c", SOCKET)

    said = the_only(examine(the_map.node), FAILURE, "all-paths")

    helper.stop()
    assert said == "it was built without multipath, and registers one path of a map"


def test_13_the_library_is_missing(the_map: Map, ours: Helper) -> None:
    # In a file system of its own, where the library is an empty file.
    hide = 'mount --bind /dev/null $(realpath /lib/libmpathpersist.so.0); exec "$@"'
    before = ("unshare", "--mount", "sh", "-c", hide, "sh")

    said = the_only(examine(the_map.node, before=before), FAILURE, "libmpathpersist")

    assert said.startswith("no helper can register all paths of a map: ")


def test_14_libvirt_s_helper_is_not_there(hosts: list[Host], ours: Helper) -> None:
    directory = Path("/etc/libvirt")
    was_there = directory.exists()
    directory.mkdir(exist_ok=True)
    conf = directory / "qemu.conf"
    before = conf.read_text() if conf.exists() else None
    conf.write_text('pr_helper = "/usr/libexec/qemu-pr-helper"\n')

    said = the_only(examine(hosts[0].disk), WARNING, "pr_helper")

    if not was_there:
        shutil.rmtree(directory)
    elif before is not None:
        conf.write_text(before)
    else:
        conf.unlink()
    assert said.startswith("it is not there, so libvirt starts no guest")


def test_15_multipathd_does_not_run(the_map: Map, ours: Helper) -> None:
    subprocess.run(["multipathd", "shutdown"], check=True)
    wait_for(lambda: not _multipathd_answers(), "multipathd to stop")

    said = the_only(examine(the_map.node), FAILURE, "multipathd")

    assert said.startswith("it does not answer")


def _multipathd_answers() -> bool:
    done = subprocess.run(["multipathd", "show", "status"], capture_output=True, text=True)
    return done.returncode == 0 and "path checker" in done.stdout
