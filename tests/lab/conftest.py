"""The lab: real SCSI disks, helpers and guests for the tests of this folder.

They run in the virtual machine that run.py boots (`make lab`); elsewhere nothing is collected here.
"""

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from guest import BootGuest, Guest, boot, build_initramfs
from lab_helper import PROGRAMS, Helper, StartHelper
from target import Host, create_disk

collect_ignore_glob = [] if "QEMU_PR_LAB_OUTPUT" in os.environ else ["test_*.py"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--helper",
        choices=PROGRAMS,
        default="ours",
        help="the helper to test; with another one, what fails is the lab's fault",
    )
    parser.addoption("--c-helper", metavar="PATH", help="QEMU's helper, built with libmpathpersist")
    parser.addoption("--rounds", type=int, default=5, help="how often test_map_latency.py measures")
    parser.addoption("--deb", metavar="FILE", help="the Debian package that a test installs")
    parser.addoption("--apparmor", metavar="DIR", help="libvirt's profiles, which a test loads")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "hangs: leaves a disk that hangs for good")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run modules that leave a disk that hangs last: nobody knows what that does to others."""
    hang = {item.path for item in items if item.get_closest_marker("hangs")}
    items.sort(key=lambda item: item.path in hang)


@pytest.fixture(scope="session")
def output() -> Path:
    """The folder that outlives the virtual machine."""
    return Path(os.environ["QEMU_PR_LAB_OUTPUT"])


@pytest.fixture(scope="session")
def hosts() -> list[Host]:
    """Three hosts that share one disk; their nodes are /dev/sda, /dev/sdb and /dev/sdc."""
    return create_disk("shared", hosts=3).hosts


@pytest.fixture(scope="session")
def other_disk(hosts: list[Host]) -> Host:
    """One host's view of a disk of its own."""
    return create_disk("other", hosts=1, first=101).hosts[0]


@pytest.fixture(autouse=True)
def clean(hosts: list[Host]) -> None:
    """Start every test without registrations, reservations and unit attentions."""
    first = hosts[0].generic
    out = ["sg_persist", "--no-inquiry", "--out", "--param-rk=0xc1ea4", "--param-sark=0xc1ea4"]
    _until_good([*out, "--register-ignore", first])
    _until_good([*out, "--clear", first])
    for host in hosts:
        _until_good(["sg_persist", "--no-inquiry", "--in", "--read-keys", host.generic])


@pytest.fixture(scope="session")
def start_helper(output: Path) -> Iterator[StartHelper]:
    """Start `ours` or `c` on the socket of a path."""
    started: list[Helper] = []

    def start(program: str, socket: str) -> Helper:
        helper = Helper(program, socket, output / f"helper-{program}.log")
        started.append(helper)
        helper.start()
        return helper

    yield start
    for helper in started:
        helper.kill()


@pytest.fixture(scope="session")
def helper(start_helper: StartHelper, request: pytest.FixtureRequest) -> Helper:
    """The helper under test, on the socket that the manual's command lines name."""
    return start_helper(request.config.getoption("--helper"), "/var/run/qemu-pr-helper.sock")


@pytest.fixture(scope="session")
def initramfs() -> Path:
    """The file system of a guest, where every user's QEMU can read it."""
    directory = Path("/run/lab/guest")
    directory.mkdir(parents=True)
    return build_initramfs(directory)


@pytest.fixture(scope="session")
def boot_guest(output: Path, initramfs: Path) -> BootGuest:
    """Boot a guest from the text of a QEMU command line; it runs for the length of a `with`."""
    numbers = itertools.count(1)

    def boot_in_its_own_directory(command_line: str) -> AbstractContextManager[Guest]:
        directory = output / f"guest-{next(numbers)}"
        directory.mkdir()
        return boot(command_line, initramfs, directory)

    return boot_in_its_own_directory


def _until_good(command: list[str]) -> None:
    """Repeat a command: a unit attention goes away by being told."""
    for _ in range(4):
        last = subprocess.run(command, capture_output=True, text=True)
        if last.returncode == 0:
            return
    raise RuntimeError(f"{' '.join(command)}: {last.stdout}{last.stderr}")
