"""A release of Debian in a directory: made by debootstrap, and entered in namespaces of its own."""

import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PROJECT_INSIDE = "/srv/qemu-pr"
KEPT = (".venv", "build")  # of the checkout inside, from run to run
LEFT_OUT = (
    *(f"./{name}" for name in KEPT),
    ".git",
    ".tox",
    ".hypothesis",
    ".*_cache",
    "__pycache__",
    "*.egg-info",
)

# What pip and apt need of this machine's settings to reach their registries.
PASSED_ON = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY")
SETTINGS = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/xdg/pip")
OF_THE_USER = (".config/pip", ".pip")
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
APT_SETTINGS = ("Acquire::Check-", "Acquire::http", "Acquire::https")

# Mounts end with their namespace, so no command that removes a chroot finds this machine's /dev. A
# root that pivot_root made is one in which programs can have namespaces of their own.
ENTER = """
set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
mkdir -p "$root/run/lock"
while [ "$1" != -- ]; do
    mount --bind -o ro "$1" "$root$2"
    shift 2
done
shift
cd "$root"
pivot_root . .
umount -l .
exec "$@"
"""

Sources = list[tuple[str, str]]
"""Archives: the URI of each, and its suite."""


class Chroot:
    """One release.

    Attributes:
        release: Its code name, such as `trixie`.
    """

    def __init__(self, release: str, directory: Path) -> None:
        self.release = release
        self._root = directory
        self._project = directory / PROJECT_INSIDE[1:]

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Keep other runs out for the length of a `with`."""
        self._root.parent.mkdir(parents=True, exist_ok=True)
        with (self._root.parent / f"{self.release}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.exit(f"matrix: {self._root}: another run uses it; wait, or: --cache DIR")
            yield

    def bring_up_to_date(self, sources: Sources) -> None:
        """Make it if it is not there, and write where its packages come from."""
        if not self._root.exists():
            partial = self._root.with_suffix(".partial")
            _run("rm", "-rf", str(partial))
            options = ("--variant=minbase", "--include=ca-certificates")
            _run("debootstrap", *options, self.release, str(partial), sources[0][0])
            partial.rename(self._root)
        lines = [f"deb {uri} {suite} main\n" for uri, suite in sources]
        (self._root / "etc/apt/sources.list").write_text("".join(lines))
        (self._root / "etc/apt/apt.conf.d/99matrix").write_text(_apt_settings())
        no_services = self._root / "usr/sbin/policy-rc.d"
        no_services.write_text("#!/bin/sh\nexit 101\n")
        no_services.chmod(0o755)

    def copy_in(self, checkout: Path) -> None:
        """Replace the checkout inside, but for what was installed and built there."""
        self._project.mkdir(parents=True, exist_ok=True)
        keep = [word for name in KEPT for word in ("!", "-name", name)]
        _run("find", str(self._project), "-mindepth", "1", "-maxdepth", "1", *keep,
             "-exec", "rm", "-rf", "{}", "+")  # fmt: skip
        leave_out = [f"--exclude={name}" for name in LEFT_OUT]
        pack = ["tar", "-C", str(checkout), *leave_out, "-c", "."]
        unpack = ["tar", "-C", str(self._project), "--no-same-owner", "-x"]
        with subprocess.Popen(pack, stdout=subprocess.PIPE) as packing:
            subprocess.run(unpack, stdin=packing.stdout, check=True)

    def copy_out(self, directory: str, to: Path) -> None:
        """Copy a directory of the checkout inside."""
        _run("rm", "-rf", str(to))
        if (self._project / directory).exists():
            _run("cp", "-r", "--no-preserve=ownership", str(self._project / directory), str(to))

    def run(self, command: list[str], output: IO[bytes], *, with_certificates: bool = True) -> int:
        """Run a command in the checkout inside, as root, alone: it sees no process from outside.

        Args:
            command: The command.
            output: Where its output and errors go.
            with_certificates: Have this machine's certificates inside, in the place of those that
                the release's package keeps (which cannot be installed meanwhile).

        Returns:
            Its exit status.
        """
        environment = [f"{name}={value}" for name, value in _environment().items()]
        inside = ["env", "-i", "-C", PROJECT_INSIDE, *environment, *command]
        return subprocess.run(
            _enter(self._root, self._bound(with_certificates), inside),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ).returncode

    def _bound(self, with_certificates: bool) -> Iterator[tuple[str, str]]:
        """Give this machine's settings that the chroot sees, and where it sees them."""
        found = {name: name for name in SETTINGS}
        found |= {str(Path.home() / name): f"/root/{name}" for name in OF_THE_USER}
        if with_certificates:
            found[CERTIFICATES] = CERTIFICATES
        for path, place in found.items():
            if not Path(path).exists():
                continue
            inside = self._root / place[1:]
            if Path(path).is_dir():
                inside.mkdir(parents=True, exist_ok=True)
            elif not inside.exists():
                inside.parent.mkdir(parents=True, exist_ok=True)
                inside.touch()
            yield path, place


def why_no_chroot() -> str:
    """Enter a root directory with this machine's programs.

    Returns:
        What the machine says if it refuses a namespace or a mount that it takes; else nothing.
    """
    programs = [path for path in ("/usr", "/bin", "/lib", "/lib64") if Path(path).exists()]
    with tempfile.TemporaryDirectory() as root:
        for path in ("/proc", "/sys", "/dev", "/run", "/tmp", *programs):
            Path(root, path[1:]).mkdir()
        enter = _enter(Path(root), zip(programs, programs, strict=True), ["true"])
        tried = subprocess.run(enter, capture_output=True, text=True)
    said = tried.stderr.split("\n", 1)[0].strip() or f"exit status {tried.returncode}"
    return said if tried.returncode else ""


def _enter(root: Path, bound: Iterable[tuple[str, str]], command: list[str]) -> list[str]:
    """Give the command that runs another one in a root directory, in namespaces of its own.

    Args:
        root: The directory.
        bound: What is seen inside besides, and where.
        command: What runs there.
    """
    namespaces = ("--mount", "--propagation=private", "--pid", "--fork", "--kill-child", "--ipc")
    binds = [word for pair in bound for word in pair]
    return ["unshare", *namespaces, "sh", "-c", ENTER, "enter", str(root), *binds, "--", *command]


def sources_of_this_machine(release: str) -> Sources:
    """Give a release's archives: those that this machine's apt uses for its own release.

    Raises:
        SystemExit: It has none of Debian.
    """
    fields = "$(RELEASE) $(REPO_URI) $(ORIGIN)"
    command = ["apt-get", "indextargets", "Created-By: Packages", "--format", fields]
    told = subprocess.run(command, capture_output=True, text=True)
    lines = [line.split() for line in told.stdout.splitlines() if line.endswith(" Debian")]
    found = {suite: uri for suite, uri, *_ in lines}
    if not found:
        sys.exit("matrix: this computer's apt has no archive of Debian: name one: --mirror URI")
    own = min(found, key=len)  # bookworm, of bookworm, bookworm-updates, bookworm-security
    if release == "sid" or own == "sid":
        return [(found[own], release)]
    return [(uri, suite.replace(own, release)) for suite, uri in found.items()]


def _apt_settings() -> str:
    told = subprocess.run(["apt-config", "dump"], capture_output=True, text=True).stdout
    return "".join(f"{line}\n" for line in told.splitlines() if line.startswith(APT_SETTINGS))


def _environment() -> dict[str, str]:
    passed_on = {
        name: value
        for name, value in os.environ.items()
        if name.startswith("PIP_") or name.upper() in PASSED_ON
    }
    return passed_on | {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "QEMU_PR_REQUIRE_ALL": "1",  # a skip is a failure
    }


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"matrix: {' '.join(command)}: {done.stdout[-2000:]}{done.stderr}")
