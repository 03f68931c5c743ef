"""A clean Debian to install on: a layer over a chroot that stays as debootstrap made it."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "matrix"))
from chroot import Chroot, sources_of_this_machine

CACHE = Path("/var/cache/qemu-pr-deb")
PATIENCE = 120.0  # seconds for a boot; the computer may be busy

# Programs under systemd, as process 1 of a PID namespace with a hierarchy of control groups.
BOOT = """
mount -t cgroup2 none /sys/fs/cgroup
exec env container=lab /lib/systemd/systemd --system --unit=multi-user.target --show-status=no
"""
# What a machine in namespaces of its own has no use for, or would take from its host.
MASKED = (
    *("systemd-udevd.service", "systemd-udev-trigger.service", "systemd-udevd-control.socket"),
    *("systemd-udevd-kernel.socket", "systemd-udevd.socket", "systemd-modules-load.service"),
    *("systemd-sysctl.service", "systemd-binfmt.service", "sys-kernel-debug.mount"),
    *("dev-hugepages.mount", "dev-mqueue.mount", "sys-kernel-tracing.mount", "getty.target"),
    *("sys-fs-fuse-connections.mount", "sys-kernel-config.mount", "console-getty.service"),
    *("systemd-remount-fs.service", "proc-sys-fs-binfmt_misc.automount"),
    *("systemd-hibernate-clear.service", "systemd-tmpfiles-setup-dev.service"),
    *("systemd-tmpfiles-setup-dev-early.service", "kmod-static-nodes.service"),
    *("systemd-logind.service", "systemd-resolved.service", "systemd-timesyncd.service"),
)


class Machine:
    """A Debian that a test may change.

    Attributes:
        root: Its file system, as this computer sees it.
    """

    def __init__(self, release: str, root: Path) -> None:
        self.root = root
        self._chroot = Chroot(release, root)
        (root / "srv/qemu-pr").mkdir(parents=True, exist_ok=True)

    def run(self, command: str, *, check: bool = True) -> str:
        """Run a shell's commands as root, and give what they print.

        Raises:
            AssertionError: They failed.
        """
        with tempfile.TemporaryFile() as output:
            status = self._chroot.run(["sh", "-c", command], output, with_certificates=False)
            output.seek(0)
            text = output.read().decode(errors="replace")
        assert not check or status == 0, f"{command}: exit status {status}\n{text}"
        return text

    def files(self) -> set[str]:
        """List its files, but for what apt, dpkg and the boot keep for themselves."""
        kept = r"^/(proc|sys|dev|run|tmp|srv|var/(cache|lib/(apt|dpkg|systemd)|log/(apt|dpkg)))"
        found = self.run(f"find / -xdev | grep -Ev '{kept}'").splitlines()
        # Python writes what it has compiled of its own library, whoever starts it as root.
        return {path for path in found if "__pycache__" not in path or "qemu_pr" in path}

    @contextmanager
    def booted(self) -> Iterator["Booted"]:
        """Have systemd run it, for the length of a `with`."""
        (self.root / "usr/sbin/policy-rc.d").unlink(missing_ok=True)
        for unit in MASKED:
            mask = self.root / "etc/systemd/system" / unit
            mask.unlink(missing_ok=True)
            mask.symlink_to("/dev/null")
        told = self.root / "srv/qemu-pr/boot.log"
        with told.open("wb") as log:
            running = subprocess.Popen(
                [sys.executable, __file__, self._chroot.release, str(self.root)],
                stdout=log,
                stderr=log,
            )
            booted = Booted(running)
            try:
                booted.wait()
                yield booted
            finally:
                booted.end()


class Booted:
    """A machine that runs."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def popen(self, *command: str, **how: object) -> subprocess.Popen[str]:
        """Start a program in it."""
        enter = ["nsenter", f"--target={self._init()}", "--all", "--wdns=/"]
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
        environment["DEBIAN_FRONTEND"] = "noninteractive"
        return subprocess.Popen([*enter, *command], env=environment, text=True, **how)  # type: ignore[call-overload, no-any-return]

    def run(self, command: str) -> str:
        """Run a shell's commands in it, and give what they print.

        Raises:
            AssertionError: They failed.
        """
        process = self.popen("sh", "-c", command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output, _ = process.communicate()
        assert process.returncode == 0, f"{command}: exit status {process.returncode}\n{output}"
        return str(output)

    def wait(self) -> None:
        """Return once it has booted."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(AssertionError, IndexError, FileNotFoundError):
                self.run("systemctl is-system-running --wait || systemctl --failed --quiet")
                return
            time.sleep(0.1)
        raise AssertionError("it does not boot")

    def end(self) -> None:
        """End all of its processes."""
        with suppress(IndexError, FileNotFoundError, ProcessLookupError):
            os.kill(self._init(), signal.SIGKILL)
        self._process.terminate()
        self._process.wait()

    def _init(self) -> int:
        """Find the process that is 1 inside: the only child of unshare, of the one started here."""
        pid = self._process.pid
        for _ in range(2):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pid = int(children[0])
        return pid


@contextmanager
def machine(release: str) -> Iterator[Machine]:
    """Give a clean machine, for the length of a `with`. The first one takes minutes."""
    base = Chroot(release, CACHE / release)
    with base.claimed():
        if not (CACHE / release).exists():
            base.bring_up_to_date(sources_of_this_machine(release))
    with tempfile.TemporaryDirectory(prefix="qemu-pr-deb-") as folder:
        layers = {name: Path(folder, name) for name in ("root", "upper", "work")}
        for layer in layers.values():
            layer.mkdir()
        options = f"lowerdir={CACHE / release},upperdir={layers['upper']},workdir={layers['work']}"
        mount = ["mount", "-t", "overlay", "-o", options, "qemu-pr-deb", str(layers["root"])]
        subprocess.run(mount, check=True)
        try:
            yield Machine(release, layers["root"])
        finally:
            _unmount(layers["root"])
            shutil.rmtree(layers["work"], ignore_errors=True)


def _unmount(path: Path) -> None:
    """Unmount it once the kernel has let go of the processes that ended in it."""
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(["umount", path], capture_output=True).returncode:
        assert time.monotonic() < deadline, f"{path}: something still uses it"
        time.sleep(0.1)


if __name__ == "__main__":
    release, root = sys.argv[1:]
    os.dup2(1, 2)
    sys.exit(
        Chroot(release, Path(root)).run(
            ["sh", "-c", BOOT], sys.stdout.buffer, with_certificates=False
        )
    )
