"""The units that ``qemu-pr units`` prints, under a systemd that has nothing else to do.

It is PID 1 of a PID namespace, with every restriction of the units in force. Its messages go to the
kernel's log.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from multipathd import Map, multipath_map
from qemu_pr.doctor.host import Host as DoctorsHost
from qemu_pr.host.process import CAP_SYS_ADMIN, CAP_SYS_RAWIO, processes
from qemu_pr.systemd_units import hidden_by_units
from target import Host, create_disk
from waiting import wait_for
from wire import Client, out, persistent_reserve_in, registered_keys

BIN = Path(sys.executable).parent
PROJECT = Path(__file__).resolve().parents[2]
SOCKET = "/run/units-pr-helper.sock"  # not that of the other tests
UNITS = Path("/run/lab-units")
GOOD = 0
REGISTER_AND_IGNORE, REGISTER, RESERVE = 6, 0, 1
READ_KEYS = 0
KEY = 0xA1

# What the units depend on, with nothing else of a system in it.
TARGETS = ("sysinit", "basic", "sockets", "shutdown", "lab")

START = """
mount --make-rprivate /
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup
sysctl -q kernel.printk_devkmsg=on
exec /lib/systemd/systemd --system --unit=lab.target --log-target=kmsg --log-level=info \
    --show-status=no --default-standard-error=kmsg --default-standard-output=kmsg
"""


@contextmanager
def systemd() -> Iterator[None]:
    """Run systemd, which listens on the socket, for the length of a `with`."""
    UNITS.mkdir()
    for name in TARGETS:
        (UNITS / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
    (UNITS / "lab.target").write_text(
        "[Unit]\nDescription=lab\nRequires=qemu-pr-helper.socket\nAfter=qemu-pr-helper.socket\n"
    )
    # Its multipath-tools have no socket that is a file.
    units = [BIN / "qemu-pr", "units", "--socket", SOCKET, "--private-network", "no"]
    subprocess.run([*units, "--output", UNITS], check=True)
    # An installed helper is in sight; this one, and its Python, may not be.
    drop_in = UNITS / "qemu-pr-helper.service.d/sight.conf"
    drop_in.parent.mkdir()
    hidden = hidden_by_units([str(PROJECT), sys.base_prefix])
    bound = "".join(f"BindReadOnlyPaths={one}\n" for one in hidden)
    # What ProtectHome=yes leaves of /root, nobody may pass who lacks CAP_DAC_OVERRIDE.
    drop_in.write_text(f"[Service]\n{bound}" + "ProtectHome=tmpfs\n" * bool(hidden))
    environment = {
        "container": "lab",
        "SYSTEMD_UNIT_PATH": str(UNITS),
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    }
    namespaces = ("--pid", "--fork", "--kill-child", "--mount", "--mount-proc", "--cgroup")
    command = ["unshare", *namespaces, "sh", "-e", "-c", START]
    manager = subprocess.Popen(command, env=environment)
    try:
        wait_for(lambda: Path(SOCKET).exists() or manager.poll() is not None, SOCKET)
        assert manager.poll() is None, "systemd ended: see dmesg.log"
        yield
    finally:
        manager.kill()
        manager.wait()
        Path(SOCKET).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def shared_map(output: Path) -> Iterator[Map]:
    paths = create_disk("units", hosts=2, first=61).hosts
    with multipath_map(paths, output / "multipathd-units.log") as found:
        yield found


@pytest.fixture(scope="module")
def client(shared_map: Map) -> Iterator[Client]:
    with systemd(), Client(SOCKET) as client:
        yield client


def test_a_disk_is_registered_and_reserved(client: Client, hosts: list[Host]) -> None:
    disk = hosts[0].disk

    assert out(client, disk, REGISTER_AND_IGNORE, 0, KEY) == GOOD
    assert out(client, disk, RESERVE, KEY, type_=5) == GOOD

    assert registered_keys(client.command(disk, persistent_reserve_in(READ_KEYS))) == [KEY]


def test_a_map_is_registered_on_every_path(client: Client, shared_map: Map) -> None:
    assert out(client, shared_map.node, REGISTER_AND_IGNORE, 0, KEY) == GOOD

    reply = client.command(shared_map.paths[0].disk, persistent_reserve_in(READ_KEYS))
    told = subprocess.run(
        ["multipathd", "getprkey", "map", "mpatha"], capture_output=True, text=True
    )
    assert registered_keys(reply) == [KEY, KEY]
    assert told.stdout.strip() == f"{KEY:#x}"


def test_a_path_that_comes_back_is_registered(client: Client, shared_map: Map) -> None:
    assert out(client, shared_map.node, REGISTER_AND_IGNORE, 0, KEY) == GOOD

    with shared_map.path_deleted(1):
        pass

    reply = client.command(shared_map.paths[0].disk, persistent_reserve_in(READ_KEYS))
    assert set(registered_keys(reply)) == {KEY}


def test_the_restrictions_are_in_force(client: Client) -> None:
    helper = DoctorsHost(socket=SOCKET).sockets[0].helper
    assert helper is not None
    for_maps = next(one for one in processes(Path("/proc")) if one.parent == helper.pid)

    for one in (helper, for_maps):
        assert (one.status["Seccomp"], one.status["NoNewPrivs"]) == ("2", "1")
        assert int(one.status["CapBnd"], 16) == 1 << CAP_SYS_RAWIO | 1 << CAP_SYS_ADMIN
    assert int(helper.status["CapEff"], 16) == 1 << CAP_SYS_RAWIO
