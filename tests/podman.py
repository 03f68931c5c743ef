"""podman with a store of its own, which asks of the machine no more than it has."""

import os
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

IMAGE = "localhost/qemu-pr-helper"

# Copies instead of overlays, which a file system may refuse; no systemd; limits that all may set.
STORAGE = '[storage]\ndriver = "vfs"\ngraphroot = "{0}/store"\nrunroot = "{0}/run"\n'
CONTAINERS = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
log_driver = "k8s-file"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""

KUBEVIRT = Path("/var/run/kubevirt/daemons/pr")
"""The directory that virt-handler shares with its helper and with guests."""


@dataclass(frozen=True)
class Podman:
    """podman with its files in a folder."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "storage.conf").write_text(STORAGE.format(self.folder))
        (self.folder / "containers.conf").write_text(CONTAINERS)

    @property
    def environment(self) -> dict[str, str]:
        """What has any podman use the folder."""
        files = {"CONTAINERS_STORAGE_CONF": "storage.conf", "CONTAINERS_CONF": "containers.conf"}
        return os.environ | {name: str(self.folder / file) for name, file in files.items()}

    def __call__(self, *arguments: str | Path) -> str:
        """Run it, and give what it prints.

        Raises:
            AssertionError: It failed.
        """
        done = subprocess.run(
            ["podman", *arguments], capture_output=True, text=True, env=self.environment
        )
        assert done.returncode == 0, f"podman {shlex.join(map(str, arguments))}: {done.stderr}"
        return done.stdout

    def logs(self, name: str) -> str:
        """Give what a container has printed, and what it has said on standard error."""
        command = ["podman", "logs", name]
        return subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        ).stdout

    def works(self) -> bool:
        """Tell whether a process of its own is at work in the folder: some clean up behind it."""
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                if f"{self.folder}/" in command.read_text():
                    return True
        return False

    @contextmanager
    def running(self, *arguments: str | Path) -> Iterator[str]:
        """Run a container for the length of a `with`; gives its name."""
        name = self("run", "--detach", *arguments).strip()
        try:
            yield name
        finally:
            self("rm", "--force", "--ignore", name)


@contextmanager
def shared_folder(path: Path, source: Path) -> Iterator[Path]:
    """Have a folder whose mounts are shared with containers, for the length of a `with`."""
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "--bind", source, path], check=True)
    subprocess.run(["mount", "--make-shared", path], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", "--recursive", "--lazy", path], check=True)
        for one in missing:
            one.rmdir()


def as_kubevirt_does(directory: Path, devices: Path, multipath: Path) -> list[str]:
    """Give podman's options and arguments for what virt-handler's DaemonSet asks for its helper.

    Args:
        directory: Stands for `KUBEVIRT`, on this machine.
        devices: Stands for its /dev.
        multipath: Stands for its /etc/multipath.
    """
    return [
        *("--user", "0", "--privileged", "--entrypoint", "/entrypoint.sh"),
        *("--pid", "host", "--network", "none"),
        *("--volume", f"{directory}:{KUBEVIRT}:rshared"),
        *("--volume", f"{devices}:/dev:rslave"),
        *("--volume", f"{multipath}:/etc/multipath:rshared"),
        IMAGE,
        *("-k", f"{KUBEVIRT}/pr-helper.sock"),
    ]
