"""multipathd, and the map that it makes of several paths to a disk."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from target import Host, node
from waiting import wait_for

ALIAS = "mpatha"
ANOTHER_HOST_S = "mpathb"
NODE = f"/dev/mapper/{ALIAS}"
CONFIGURATION = Path("/etc/multipath.conf")

_END = 60.0
"""Seconds that multipathd has to end; a thread of 0.15.1 sometimes spins for ever then."""


@dataclass(frozen=True)
class Map:
    """A multipath map.

    Attributes:
        paths: Its paths, as so many hosts of the disk.
        log: Where multipathd's messages go.
        beside: Disks that are maps of their own.
        elsewhere: Paths of the same disk that are a map of their own, as another host has one.
        daemons: multipathd, as long as it runs.
        alias: Its name.
    """

    paths: list[Host]
    log: Path
    beside: Sequence[Host] = ()
    elsewhere: Sequence[Host] = ()
    daemons: list[subprocess.Popen[bytes]] = field(default_factory=list)
    alias: str = ALIAS

    @property
    def node(self) -> str:
        """Its block node."""
        return f"/dev/mapper/{self.alias}"

    @property
    def of_another_host(self) -> Self:
        """The map of the paths elsewhere."""
        return replace(self, paths=list(self.elsewhere), alias=ANOTHER_HOST_S)

    def start_daemon(self) -> None:
        with self.log.open("ab") as file:
            command = ["multipathd", "-d", "-v2"]
            self.daemons.append(subprocess.Popen(command, stdout=file, stderr=file))

    def restart_daemon(self) -> None:
        _done("multipathd", "shutdown")  # it may end before it has answered
        daemon = self.daemons.pop()
        try:
            daemon.wait(_END)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()
        self.start_daemon()
        self.wait_for_states(*["active" for _ in self.paths])

    @contextmanager
    def daemon_stopped(self) -> Iterator[None]:
        """Have multipathd answer nobody until the end of a `with`."""
        self.daemons[-1].send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.daemons[-1].send_signal(signal.SIGCONT)

    def key(self) -> str:
        """Give what multipathd says of the map's key: ``none``, or the key."""
        return _run("multipathd", "getprkey", "map", self.alias).strip()

    def hold(self) -> str:
        """Give what multipathd says of a reservation; a release before 0.13 knows no such thing."""
        command = ["multipathd", "getprhold", "map", self.alias]
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()

    def set_state(self, number: int, state: str) -> None:
        """Have the kernel take a path for ``offline`` or ``running``."""
        path = Path("/sys/block", Path(self.paths[number].disk).name, "device/state")
        path.write_text(f"{state}\n")

    def states(self) -> list[str]:
        """Tell multipathd's word for each path: ``active``, ``failed``, or none."""
        command = ["multipathd", "show", "paths", "raw", "format", "%d %t"]
        shown = subprocess.run(command, capture_output=True, text=True).stdout
        # While it is busy it answers with one word: timeout.
        state = dict(line.split() for line in shown.splitlines() if len(line.split()) == 2)
        return [state.get(Path(path.disk).name, "") for path in self.paths]

    def wait_for_states(self, *states: str) -> None:
        wait_for(
            lambda: self.states() == list(states), lambda: f"paths to be {states}: {self.states()}"
        )

    def write_configuration(self, defaults: str = "", multipaths: str = "") -> None:
        """Write multipath.conf, with settings for all maps or for this one."""
        disks = (*self.paths, *self.beside, *self.elsewhere)
        names = "|".join(Path(path.disk).name for path in disks)
        wwid = _run("/lib/udev/scsi_id", "--whitelisted", "--device", self.paths[0].disk).strip()
        there, another = self._of_another_host(wwid)
        CONFIGURATION.write_text(
            f"""\
            defaults {{
                find_multipaths no
                polling_interval 1
                max_polling_interval 1
                {there}
                {defaults}
            }}
            blacklist {{
                devnode ".*"
            }}
            blacklist_exceptions {{
                devnode "^({names})$"
            }}
            multipaths {{
                multipath {{
                    wwid {wwid}
                    alias {ALIAS}
                    {multipaths}
                }}
                {another}
            }}
            """
        )

    def _of_another_host(self, wwid: str) -> tuple[str, str]:
        """Give the setting and the section that make the paths elsewhere a map.

        multipathd takes for one disk what has one WWID, and udev knows this one in two forms.
        """
        if not self.elsewhere:
            return "", ""
        names = " ".join(f"{Path(path.disk).name}:ID_WWN_WITH_EXTENSION" for path in self.elsewhere)
        section = f"""multipath {{
                    wwid 0x{wwid.removeprefix("3")}
                    alias {ANOTHER_HOST_S}
                }}"""
        return f'uid_attrs "{names}"', section

    def configure(self, defaults: str = "", multipaths: str = "") -> None:
        """Have multipathd read another multipath.conf."""
        self.write_configuration(defaults, multipaths)
        _run("multipathd", "reconfigure")
        self.wait_for_states(*["active" for _ in self.paths])

    @contextmanager
    def path_down(self, number: int) -> Iterator[None]:
        """Take a path down, in the eyes of the kernel, until the end of a `with`."""
        self.set_state(number, "offline")
        self.wait_for_states(*self._states_with(number, "failed"))
        yield
        self.set_state(number, "running")
        self.wait_for_states(*self._states_with(number, "active"))

    @contextmanager
    def paths_down(self) -> Iterator[None]:
        """Take all paths down until the end of a `with`."""
        for number in range(len(self.paths)):
            self.set_state(number, "offline")
        self.wait_for_states(*["failed" for _ in self.paths])
        yield
        for number in range(len(self.paths)):
            self.set_state(number, "running")
        self.wait_for_states(*["active" for _ in self.paths])

    @contextmanager
    def path_deleted(self, number: int) -> Iterator[None]:
        """Delete a path until the end of a `with`, and have the kernel find it again.

        multipath.conf allows its old name only, which the kernel gives to nothing else while
        somebody has the deleted one open.
        """
        disk = self.paths[number].disk
        device = Path("/sys/block", Path(disk).name, "device").resolve()
        host = next(part for part in device.parts if part.startswith("host"))
        (device / "delete").write_text("1")
        self.wait_for_states(*self._states_with(number, ""))
        yield
        wait_for(
            lambda: not _who_has_deleted(disk),
            lambda: f"the deleted {disk} to be closed: {_who_has_deleted(disk)}",
        )
        scan = Path("/sys/class/scsi_host", host, "scan")
        wait_for(lambda: _finds_again(disk, device, scan), f"{host} to find {disk} again")
        self.wait_for_states(*self._states_with(number, "active"))

    def _states_with(self, number: int, state: str) -> list[str]:
        return [state if at == number else "active" for at in range(len(self.paths))]


def prepare() -> None:
    """Have what multipathd needs: its directory, the kernel's part and udev, once."""
    Path("/etc/multipath").mkdir(exist_ok=True)
    _run("modprobe", "dm-multipath")
    # It does not refuse to run twice: then two take each event, and wait for each other's locks.
    if _done("udevadm", "control", "--ping").returncode:
        _run("/lib/systemd/systemd-udevd", "--daemon")


@contextmanager
def multipath_map(
    paths: list[Host],
    log: Path,
    *,
    beside: Sequence[Host] = (),
    elsewhere: Sequence[Host] = (),
) -> Iterator[Map]:
    """Run multipathd as the manual says, and have it join paths for the length of a `with`.

    Args:
        paths: The hosts of one disk that are to be paths; other disks are left alone.
        log: Where multipathd's messages go.
        beside: Disks that are to be maps of their own.
        elsewhere: Hosts of the same disk that are to be paths of a map of another host.
    """
    found = Map(paths, log, beside, elsewhere)
    found.write_configuration(defaults="reservation_key file")
    prepare()
    disks = (*paths, *beside, *elsewhere)
    _run("udevadm", "trigger", "--settle", *(one.disk for one in disks))
    maps = 1 + len(beside) + bool(elsewhere)
    found.start_daemon()
    try:
        wait_for(Path(NODE).exists, NODE)
        wait_for(lambda: len(list(Path("/dev/mapper").iterdir())) > maps, f"{maps} maps")
        found.wait_for_states(*["active" for _ in paths])
        yield found
    finally:
        # The last test makes the disk hang, and these with it; the machine ends anyhow.
        for daemon in found.daemons:
            daemon.kill()
        if maps > 1:
            subprocess.run(["dmsetup", "remove_all", "--force"])
        else:
            subprocess.Popen(["dmsetup", "remove", "--force", ALIAS])


def _finds_again(disk: str, device: Path, scan: Path) -> bool:
    """Have a SCSI host look for its disk, and delete it if it has another name.

    The kernel lets go of a name only a moment after the last one has closed the device.
    """
    scan.write_text("- - -\n")
    found = node(device / "block")
    if found != disk:
        (device / "delete").write_text("1")
    return found == disk


def _who_has_deleted(node: str) -> list[str]:
    """List the processes that have a node open that is deleted, each by its name and ID."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            for link in (process / "fd").iterdir():
                with suppress(OSError):  # closed meanwhile
                    if os.readlink(link) == f"{node} (deleted)":
                        found.add(f"{(process / 'comm').read_text().strip()} {process.name}")
    return sorted(found)


def _run(*command: str) -> str:
    done = _done(*command)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def _done(*command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SYSTEMD_IGNORE_CHROOT": "1"}  # udevadm does nothing in one
    return subprocess.run(command, capture_output=True, text=True, env=environment)
