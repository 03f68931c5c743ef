"""The container image with real disks and maps, in real podman; multipathd runs on the host.

`make image` built it before: the machine has no network.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab_helper import listens
from multipathd import Map, multipath_map
from podman import IMAGE, Podman, as_kubevirt_does, shared_folder
from requirements import require, unavailable
from target import Host, create_disk
from waiting import wait_for
from wire import Client, out, persistent_reserve_in, registered_keys

PROJECT = Path(__file__).resolve().parents[2]
ARCHIVE = PROJECT / "build/image/qemu-pr-helper.tar"
RELAY = PROJECT / "packaging/image/multipathd-relay"
MULTIPATHD = Path("/run/multipathd.socket")
MULTIPATHD_OF_OLD = "@/org/kernel/linux/storage/multipathd"
GOOD = 0
READ_KEYS = 0
RESERVE, REGISTER_AND_IGNORE = 1, 6
EXCLUSIVE_REGISTRANTS_ONLY = 6
KEY = 0xC0


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """podman, which has the image."""
    require("podman", package="podman")
    if not ARCHIVE.exists():
        unavailable(f"there is no {ARCHIVE.relative_to(PROJECT)}: make image")
    if not Path("/sys/fs/cgroup/cgroup.controllers").exists():
        subprocess.run(["mount", "-t", "cgroup2", "none", "/sys/fs/cgroup"], check=True)
    folder = Path("/run/lab-podman")
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", folder], check=True)
    for scratch in ("/var/lib/containers", "/var/lib/cni", "/var/tmp"):
        Path(scratch).mkdir(parents=True, exist_ok=True)
    podman = Podman(folder)
    podman("load", "--quiet", "--input", ARCHIVE)
    yield podman
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture(scope="module")
def shared_map(output: Path) -> Iterator[Map]:
    paths = create_disk("image", hosts=2, first=111).hosts
    with multipath_map(paths, output / "multipathd-image.log") as found:
        yield found


@contextmanager
def multipathd_at(path: Path) -> Iterator[None]:
    """Have multipathd's socket in KubeVirt's directory, as virt-handler puts it there."""
    if MULTIPATHD.exists():
        os.link(MULTIPATHD, path)
        yield
        return
    # Before 0.12 it has none with a path: this is what stands in for that.
    relay = subprocess.Popen([sys.executable, RELAY, path, MULTIPATHD_OF_OLD])
    try:
        wait_for(path.exists, str(path))
        yield
    finally:
        relay.kill()
        relay.wait()


@pytest.fixture(scope="module")
def kubevirt(podman: Podman, shared_map: Map, output: Path) -> Iterator[str]:
    """The socket of the helper that KubeVirt would start."""
    folder, multipath = Path("/run/lab-kubevirt"), Path("/etc/multipath")
    folder.mkdir()
    socket = f"{folder}/pr-helper.sock"
    arguments = as_kubevirt_does(folder, Path("/dev"), multipath)
    with (
        shared_folder(folder, folder),
        shared_folder(multipath, multipath),
        multipathd_at(folder / "multipathd.socket"),
        podman.running(*arguments) as name,
    ):
        wait_for(lambda: listens(socket), lambda: f"the helper: {podman.logs(name)}")
        yield socket
        (output / "image-kubevirt.log").write_text(podman.logs(name))


@pytest.fixture
def confined(podman: Podman) -> Iterator[str]:
    """The socket of a helper that is no root, and has CAP_SYS_RAWIO."""
    folder = Path("/run/lab-confined")
    folder.mkdir(exist_ok=True)
    os.chown(folder, 65534, 65534)
    socket = f"{folder}/pr.sock"
    confinement = ["--cap-drop", "all", "--cap-add", "SYS_RAWIO", "--network", "none"]
    # runc would need a folder that can be written for podman's own file systems in memory.
    read_only = ["--read-only", "--read-only-tmpfs=false"]
    volume = ["--volume", f"{folder}:{folder}"]
    with podman.running(*confinement, *read_only, *volume, IMAGE, "-k", socket) as name:
        wait_for(lambda: listens(socket), lambda: f"the helper: {podman.logs(name)}")
        yield socket


def keys(client: Client, node: str) -> list[int]:
    return registered_keys(client.command(node, persistent_reserve_in(READ_KEYS)))


def test_a_helper_that_is_no_root_reserves_a_disk(confined: str, hosts: list[Host]) -> None:
    with Client(confined) as client:
        assert out(client, hosts[0].disk, REGISTER_AND_IGNORE, 0, KEY) == GOOD
        assert out(client, hosts[0].disk, RESERVE, KEY, type_=EXCLUSIVE_REGISTRANTS_ONLY) == GOOD

        assert keys(client, hosts[0].disk) == [KEY]


def test_as_kubevirt_starts_it_a_disk_is_reserved(kubevirt: str, hosts: list[Host]) -> None:
    with Client(kubevirt) as client:
        assert out(client, hosts[0].disk, REGISTER_AND_IGNORE, 0, KEY) == GOOD
        assert out(client, hosts[0].disk, RESERVE, KEY, type_=EXCLUSIVE_REGISTRANTS_ONLY) == GOOD

        assert keys(client, hosts[0].disk) == [KEY]


def test_as_kubevirt_starts_it_every_path_of_a_map_is_registered(
    kubevirt: str, shared_map: Map
) -> None:
    with Client(kubevirt) as client:
        assert out(client, shared_map.node, REGISTER_AND_IGNORE, 0, KEY) == GOOD
        assert out(client, shared_map.node, RESERVE, KEY, type_=EXCLUSIVE_REGISTRANTS_ONLY) == GOOD

        assert keys(client, shared_map.paths[0].disk) == [KEY, KEY]


def test_the_host_s_multipathd_registers_a_path_that_comes_back(
    kubevirt: str, shared_map: Map
) -> None:
    with Client(kubevirt) as client:
        assert out(client, shared_map.node, REGISTER_AND_IGNORE, 0, KEY) == GOOD

        with shared_map.path_deleted(1):
            pass

        assert keys(client, shared_map.paths[0].disk) == [KEY, KEY]
    told = subprocess.run(
        ["multipathd", "getprkey", "map", "mpatha"], capture_output=True, text=True
    )
    assert told.stdout.strip() == f"{KEY:#x}"
