"""multipathd, and the map that it makes of several paths to a disk."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from target import Host
from waiting import wait_for

ALIAS = "mpatha"
NODE = f"/dev/mapper/{ALIAS}"
CONFIGURATION = Path("/etc/multipath.conf")


@dataclass(frozen=True)
class Map:
    """A multipath map.

    Attributes:
        paths: Its paths, as so many hosts of the disk.
        node: Its block node.
    """

    paths: list[Host]
    node: str = NODE

    def states(self) -> list[str]:
        """Tell multipathd's word for each path: ``active``, ``failed``, or none."""
        shown = _run("multipathd", "show", "paths", "raw", "format", "%d %t")
        # While it is busy it answers with one word: timeout.
        state = dict(line.split() for line in shown.splitlines() if len(line.split()) == 2)
        return [state.get(Path(path.disk).name, "") for path in self.paths]

    def wait_for_states(self, *states: str) -> None:
        wait_for(
            lambda: self.states() == list(states), lambda: f"paths to be {states}: {self.states()}"
        )

    def write_configuration(self, defaults: str = "", multipaths: str = "") -> None:
        """Write multipath.conf, with settings for all maps or for this one."""
        names = "|".join(Path(path.disk).name for path in self.paths)
        wwid = _run("/lib/udev/scsi_id", "--whitelisted", "--device", self.paths[0].disk).strip()
        CONFIGURATION.write_text(
            f"""\
            defaults {{
                find_multipaths no
                polling_interval 1
                max_polling_interval 1
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
            }}
            """
        )

    def configure(self, defaults: str = "", multipaths: str = "") -> None:
        """Have multipathd read another multipath.conf."""
        self.write_configuration(defaults, multipaths)
        _run("multipathd", "reconfigure")
        self.wait_for_states(*["active" for _ in self.paths])

    @contextmanager
    def path_down(self, number: int) -> Iterator[None]:
        """Take a path down, in the eyes of the kernel, until the end of a `with`."""
        state = Path("/sys/block", Path(self.paths[number].disk).name, "device/state")
        state.write_text("offline\n")
        self.wait_for_states(*self._states_with(number, "failed"))
        yield
        state.write_text("running\n")
        self.wait_for_states(*self._states_with(number, "active"))

    @contextmanager
    def path_deleted(self, number: int) -> Iterator[None]:
        """Delete a path until the end of a `with`, and have the kernel find it again."""
        device = Path("/sys/block", Path(self.paths[number].disk).name, "device").resolve()
        host = next(part for part in device.parts if part.startswith("host"))
        (device / "delete").write_text("1")
        self.wait_for_states(*self._states_with(number, ""))
        yield
        Path("/sys/class/scsi_host", host, "scan").write_text("- - -\n")
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
def multipath_map(paths: list[Host], log: Path) -> Iterator[Map]:
    """Run multipathd, and have it join paths for the length of a `with`.

    Args:
        paths: The hosts of one disk that are to be paths; other disks are left alone.
        log: Where multipathd's messages go.
    """
    found = Map(paths)
    found.write_configuration()
    prepare()
    _run("udevadm", "trigger", "--settle", *(path.disk for path in paths))
    with log.open("ab") as file:
        daemon = subprocess.Popen(["multipathd", "-d", "-v2"], stdout=file, stderr=file)
    try:
        wait_for(Path(NODE).exists, NODE)
        found.wait_for_states(*["active" for _ in paths])
        yield found
    finally:
        # The last test makes the disk hang, and these with it; the machine ends anyhow.
        daemon.kill()
        subprocess.Popen(["dmsetup", "remove", "--force", ALIAS])


def _run(*command: str) -> str:
    done = _done(*command)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout


def _done(*command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SYSTEMD_IGNORE_CHROOT": "1"}  # udevadm does nothing in one
    return subprocess.run(command, capture_output=True, text=True, env=environment)
