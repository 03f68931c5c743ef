"""The container image: what is in it, and that podman, QEMU and clients outside work with it."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from podman import IMAGE, KUBEVIRT, Podman, as_kubevirt_does, shared_folder
from qemu_pr import __version__
from qemu_pr.manager import ConnectError, PRManagerHelper
from real_qemu import ask_qemu
from requirements import require, unavailable
from temporary_folder import temporary_folder

ROOT = Path(__file__).parents[2]
IMAGE_FILES = ROOT / "packaging/image"
BIN = Path(sys.executable).parent
NOBODY = 65534
CAP_SYS_RAWIO = 1 << 17
SIZE_MAX = 45_000_000  # bytes: whoever makes it larger does so on purpose
HEALTHCHECK = "/usr/libexec/qemu-pr/healthcheck"
CONFINED = ["--cap-drop", "all", "--cap-add", "SYS_RAWIO", "--network", "none", "--read-only"]
SIMULATE = ["--simulate", "/run/pr/state.db"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system of the image; what takes the place of the man pages is no page."""
    require("apt-get", package="apt")
    require("dpkg-deb", package="dpkg")
    folder = tmp_path_factory.mktemp("image")
    man = folder / "man"
    man.mkdir()
    for name in ("qemu-pr.1", "qemu-pr-helper.8", "qemu-pr-protocol.7"):
        (man / name).write_text(name)
    command = [sys.executable, IMAGE_FILES / "root.py", ROOT, man, folder / "root"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "root"


@pytest.fixture(scope="module")
def podman(root: Path) -> Iterator[Podman]:
    """podman, which has the image."""
    require("podman", package="podman")
    require("runc", package="runc")
    if os.geteuid() != 0:
        unavailable("these tests of containers need root")
    with temporary_folder() as folder:
        podman = Podman(folder)
        done = subprocess.run(
            [IMAGE_FILES / "build", root.parent],
            env=podman.environment | {"SOURCE_DATE_EPOCH": "1700000000"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        yield podman
        wait_until(lambda: not podman.works(), lambda: "podman still works")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for a socket, which the image's user may write into."""
    with temporary_folder() as folder:
        os.chown(folder, NOBODY, NOBODY)
        yield folder


@contextmanager
def serving(podman: Podman, socket: Path, *arguments: str | Path) -> Iterator[str]:
    """Run a container until the end of a `with`; its helper serves when that begins."""
    with podman.running(*arguments) as name:
        wait_until(lambda: connects(socket), lambda: podman.logs(name))
        yield name


def wait_until(condition: Callable[[], bool], told: Callable[[], str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


def connects(socket: Path) -> bool:
    try:
        PRManagerHelper(str(socket)).close()
    except ConnectError:
        return False
    return True


def persist(socket: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Send a command as a client outside."""
    command = [BIN / "qemu-pr", "persist", "-n", "--socket", socket, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def reserve(socket: Path, disk: Path) -> str:
    """Register and reserve, and give what the disk tells of its reservation."""
    disk.write_bytes(bytes(1 << 20))
    commands = [
        ["--out", "--register", "--param-sark=0xa"],
        ["--out", "--reserve", "--param-rk=0xa", "--prout-type=5"],
        ["--in", "--read-reservation"],
    ]
    for command in commands:
        done = persist(socket, *command, disk)
        assert done.returncode == 0, done.stderr
    return done.stdout


def processes(name: str, podman: Podman) -> list[dict[str, str]]:
    """Give what /proc tells of a container's processes."""
    first = podman("inspect", "--format", "{{.State.Pid}}", name).strip()
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    return [
        dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        for pid in (first, *children)
        for status in [Path(f"/proc/{pid}/status").read_text()]
    ]


def test_its_configuration_says_who_runs_what(podman: Podman) -> None:
    (told,) = json.loads(podman("inspect", "--type", "image", IMAGE))

    assert told["Config"]["User"] == f"{NOBODY}:{NOBODY}"
    assert told["Config"]["Entrypoint"] == ["/entrypoint.sh"]
    assert told["Healthcheck"]["Test"] == ["CMD", HEALTHCHECK]
    assert told["Config"]["Labels"]["org.opencontainers.image.version"] == __version__
    assert told["Size"] < SIZE_MAX


def test_it_has_the_man_pages_and_nobody_s_cache(root: Path) -> None:
    assert {page.name for page in root.glob("usr/share/man/*/*")} == {
        "qemu-pr.1",
        "qemu-pr-helper.8",
        "qemu-pr-protocol.7",
    }
    assert not list(root.rglob("var/cache/*"))


def test_its_bill_of_materials_names_each_package(root: Path) -> None:
    text = Path(f"{root}.cdx.json").read_text()

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    named = {component["name"] for component in json.loads(text)["components"]}
    assert named == {path.name for path in root.glob("var/lib/dpkg/status.d/*")} | {"qemu-pr"}
    assert {"libc6", "multipath-tools", "qemu-pr"} <= named


def test_every_module_of_both_programs_can_be_imported(podman: Podman) -> None:
    program = (
        "import importlib, pkgutil, qemu_pr\n"
        "names = [one.name for one in pkgutil.walk_packages(qemu_pr.__path__, 'qemu_pr.')]\n"
        "for name in names: name.endswith('__main__') or importlib.import_module(name)\n"
        "print(len(names))\n"
    )

    told = podman("run", "--rm", *CONFINED, "--entrypoint", "python3", IMAGE, "-Ic", program)

    assert int(told) > 100


def test_what_libmpathpersist_and_its_threads_load_is_there(podman: Podman) -> None:
    program = (
        "import ctypes\n"
        "for name in 'libmpathpersist.so.0', 'libmpathcmd.so.0', 'libgcc_s.so.1':\n"
        "    ctypes.CDLL(name)\n"
    )

    podman("run", "--rm", *CONFINED, "--entrypoint", "python3", IMAGE, "-Ic", program)


def test_it_serves_with_one_capability_and_without_root(podman: Podman, folder: Path) -> None:
    socket = folder / "pr.sock"
    arguments = [
        *CONFINED,
        "--volume",
        f"{folder}:/run/pr",
        IMAGE,
        "-k",
        "/run/pr/pr.sock",
        *SIMULATE,
    ]

    with serving(podman, socket, *arguments) as name:
        assert "Key=0xa" in reserve(socket, folder / "disk.img")
        found = processes(name, podman)

    assert len(found) == 3
    for one in found:
        assert one["Uid"].split() == [str(NOBODY)] * 4
        assert int(one["CapBnd"], 16) == CAP_SYS_RAWIO
        assert int(one["CapEff"], 16) in (0, CAP_SYS_RAWIO)


def test_qemu_connects_to_it(podman: Podman, folder: Path) -> None:
    qemu = require("qemu-system-x86_64", package="qemu-system-x86")
    socket = folder / "pr.sock"
    arguments = [*CONFINED, "--volume", f"{folder}:/run/pr", IMAGE, "-k", "/run/pr/pr.sock"]
    manager = ["-machine", "none", "-object", f"pr-manager-helper,id=helper0,path={socket}"]

    with serving(podman, socket, *arguments):
        (managers,) = ask_qemu(qemu, manager, "query-pr-managers")

    assert managers == [{"id": "helper0", "connected": True}]


def test_the_manual_s_command_starts_it(podman: Podman, folder: Path) -> None:
    page = (ROOT / "docs/howto/containers.rst").read_text()
    (block,) = re.findall(r"^   install -d .*\n(?:^   .*\n)+", page, re.MULTILINE)
    directory, name = folder / "pr", f"pr-helper-{os.getpid()}"
    command = block.replace("/run/pr", str(directory)).replace("--name pr-helper", f"--name {name}")
    # A group that every Debian has.
    command = command.replace("-g kvm", "-g nogroup").replace("group kvm", "group nogroup")
    done = subprocess.run(
        ["sh", "-ec", command], env=podman.environment, capture_output=True, text=True
    )
    try:
        assert done.returncode == 0, done.stderr
        socket = directory / "qemu-pr-helper.sock"
        wait_until(lambda: connects(socket), lambda: podman.logs(name))
    finally:
        podman("rm", "--force", name)


def test_others_than_the_socket_s_user_and_group_cannot_connect(
    podman: Podman, folder: Path
) -> None:
    arguments = [*CONFINED, "--volume", f"{folder}:/run/pr", IMAGE, "-k", "/run/pr/pr.sock"]

    with serving(podman, folder / "pr.sock", *arguments):
        assert (folder / "pr.sock").stat().st_mode & 0o777 == 0o770


def test_it_stops_when_it_is_told_and_leaves_nothing(podman: Podman, folder: Path) -> None:
    arguments = [*CONFINED, "--volume", f"{folder}:/run/pr", IMAGE, "-k", "/run/pr/pr.sock"]

    with serving(podman, folder / "pr.sock", *arguments) as name:
        podman("stop", name)

        assert podman("inspect", "--format", "{{.State.ExitCode}}", name).strip() == "0"
    assert list(folder.iterdir()) == []


def test_podman_finds_it_healthy(podman: Podman, folder: Path) -> None:
    arguments = [*CONFINED, "--volume", f"{folder}:/run/pr", IMAGE, "-k", "/run/pr/pr.sock"]

    with serving(podman, folder / "pr.sock", *arguments) as name:
        podman("healthcheck", "run", name)


def test_without_a_helper_podman_does_not(podman: Podman) -> None:
    arguments = [*CONFINED, "--entrypoint", "sleep", IMAGE, "infinity"]

    with podman.running(*arguments) as name:
        done = subprocess.run(
            ["podman", "healthcheck", "run", name], env=podman.environment, capture_output=True
        )
        told = podman("inspect", "--format", "{{json .State.Health}}", name)

    assert done.returncode == 1
    assert "healthcheck: Failed to connect to '/var/run/qemu-pr-helper.sock'" in told


@pytest.fixture
def as_in_kubevirt(folder: Path) -> Iterator[list[str]]:
    """What podman needs for a container as in virt-handler, with mounts of `folder`."""
    directory, multipath = folder / "pr", folder / "multipath"
    for one in (directory, multipath):
        one.mkdir()
    with shared_folder(directory, directory), shared_folder(multipath, multipath):
        yield as_kubevirt_does(directory, Path("/dev"), multipath)


def test_as_kubevirt_starts_it_clients_outside_are_served(
    podman: Podman, folder: Path, as_in_kubevirt: list[str]
) -> None:
    socket = folder / "pr/pr-helper.sock"

    with serving(podman, socket, *as_in_kubevirt):
        done = persist(socket, "--in", "--read-keys", "/dev/null")

    # It has carried the command out, and the kernel knows no SCSI there.
    assert "I/O process terminated" in done.stderr, done.stderr


def test_as_kubevirt_starts_it_a_client_outside_reserves(
    podman: Podman, folder: Path, as_in_kubevirt: list[str]
) -> None:
    socket = folder / "pr/pr-helper.sock"
    simulate = ["--simulate", f"{KUBEVIRT}/state.db"]

    with serving(podman, socket, *as_in_kubevirt, *simulate):
        assert "Key=0xa" in reserve(socket, folder / "disk.img")


def test_as_kubevirt_starts_it_multipathd_is_where_the_library_looks(
    podman: Podman, as_in_kubevirt: list[str], folder: Path
) -> None:
    socket = folder / "pr/pr-helper.sock"

    with serving(podman, socket, *as_in_kubevirt) as name:
        told = podman("exec", name, "stat", "-c", "%N", "/run/multipathd.socket")

    assert f"-> '{KUBEVIRT}/multipathd.socket'" in told.replace("`", "'")
