"""The manual is true wherever it is built: ``make doctest``, in each circumstance, on some pages.

Each circumstance gets the pages that it could make untrue, and one with the rest of a page's life:
shells, helpers, sockets. All of them are in one checkout whose path has a blank and is not ASCII,
and nobody else may enter the directory that it is in.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkout import copy_checkout
from requirements import require, unavailable

BUSY_HOST = Path(__file__).parent / "busy_host.sh"
ROOT_USER = os.geteuid() == 0
STRANGER = 12345

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("only mine")
    directory.chmod(0o700)
    return copy_checkout(directory / "a b" / "ü", sys.executable)


def doctest(
    checkout: Path,
    *pages: str,
    before: tuple[str, ...] = (),
    options: str = "",
    sight: str = "",
    **environment: str,
) -> None:
    """Run ``make doctest`` on some pages, and see that they are true.

    Args:
        checkout: Where.
        pages: Which.
        before: What runs make.
        options: Of make.
        sight: What is said if the host is in sight.
        environment: Of make.
    """
    require("make", package="make")
    make = f"make {options} doctest PAGES='{' '.join(f'docs/{page}.rst' for page in pages)}'"
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [*before, "sh", "-c", make],
        cwd=checkout,
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    counts = re.search(r"^([1-9]\d*) blocks verified,.* 0 unmarked, 0 failed$", done.stdout, re.M)
    assert done.returncode == 0, done.stdout
    assert counts, done.stdout
    assert sight in done.stdout
    assert bool(sight) == ("in sight" in done.stdout), done.stdout


def own_mounts(*more: str) -> tuple[str, ...]:
    """A command that runs another one with mounts of its own.

    Args:
        more: Options of unshare, and a command that runs another one: as root, whoever starts it.
    """
    unshare = require("unshare", package="util-linux")
    mapped = () if ROOT_USER else ("--map-root-user",)
    back = (unshare, f"--map-user={os.geteuid()}", f"--map-group={os.getegid()}")
    command = (unshare, *mapped, "--mount", "--propagation=private", *more)
    command = command if ROOT_USER else (*command, *back)
    if subprocess.run([*command, "true"], capture_output=True).returncode:
        unavailable(f"this machine lets no program have its own namespaces ({' '.join(command)})")
    return command


def test_in_a_directory_with_a_blank_that_only_its_owner_may_enter(checkout: Path) -> None:
    doctest(checkout, "howto/who-fenced-my-node", "howto/check-a-host", "howto/systemd")


def test_with_a_long_directory_for_temporary_files(checkout: Path, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 200)
    long.mkdir()

    doctest(checkout, "tutorial", TMPDIR=str(long))


def test_with_python_s_warnings_as_errors(checkout: Path) -> None:
    shutil.rmtree(checkout / "build", ignore_errors=True)  # what reads the pages counts, too

    doctest(checkout, "tutorial", "reference/python", PYTHONWARNINGS="error")


def test_with_stdin_closed_no_locale_a_strict_umask_and_four_jobs(checkout: Path) -> None:
    strict = ("sh", "-c", 'umask 077; exec "$@" <&-', "sh")

    doctest(checkout, "troubleshooting", "howto/metrics", before=strict, options="-j4", LC_ALL="C")


def test_with_bash_for_sh(checkout: Path) -> None:
    bash = require("bash", package="bash")
    mounted = own_mounts(
        "sh", "-c", f'mount --bind {bash} "$(readlink -f /bin/sh)"; exec "$@"', "sh"
    )

    doctest(checkout, "troubleshooting", "howto/verify-a-manual", before=mounted)


def test_without_a_network(checkout: Path) -> None:
    doctest(checkout, "tutorial", before=own_mounts("--net"))


@pytest.fixture
def busy_host(checkout: Path, tmp_path: Path) -> tuple[str, ...]:
    if not ROOT_USER:
        unavailable("only root can give a host disks that are not there")
    namespaces = own_mounts("--pid", "--fork", "--kill-child", "--mount-proc")
    return (*namespaces, "sh", str(BUSY_HOST), str(tmp_path), str(checkout / ".venv/bin"))


def test_on_a_host_with_libvirt_units_maps_a_helper_and_guests(
    checkout: Path, busy_host: tuple[str, ...]
) -> None:
    shutil.rmtree(checkout / "build", ignore_errors=True)  # Sphinx warns of what it reads

    doctest(
        checkout,
        *("howto/check-a-host", "howto/check-command-lines", "howto/systemd", "multipath"),
        before=busy_host,
    )


def test_there_without_namespaces(checkout: Path, busy_host: tuple[str, ...]) -> None:
    setpriv = require("setpriv", package="util-linux")
    without = (setpriv, "--inh-caps=-sys_admin", "--bounding-set=-sys_admin")

    doctest(
        checkout,
        *("howto/check-a-host", "howto/check-command-lines", "howto/systemd", "multipath"),
        before=(*busy_host, *without),
        sight="examples run in sight of this host's files and processes: unshare: Operation not",
    )


def test_that_host_has_what_it_is_meant_to_have(checkout: Path, busy_host: tuple[str, ...]) -> None:
    qemu_pr = checkout / ".venv/bin/qemu-pr"

    told = subprocess.run([*busy_host, qemu_pr, "doctor"], capture_output=True, text=True).stdout

    checks = {line.split()[1] for line in told.splitlines() if not line.startswith("ok")}
    assert {"multipathd:", "reservation_key:", "pr_helper:", "domain:"} <= checks
    assert "ok      peer: /var/run/qemu-pr-helper.sock" in told
    assert "/etc/libvirt/qemu/alice.xml" in told
    if shutil.which("qemu-system-x86_64"):
        assert "qemu-system-x86_64 bob" in told


@pytest.mark.parametrize(("options", "faults"), [("", "0 faults"), ("--this-host", "1 fault")])
def test_there_lint_looks_at_the_disks_if_it_is_asked_to(
    checkout: Path, busy_host: tuple[str, ...], options: str, faults: str
) -> None:
    lint = f'"$0" command-line /dev/sdb | "$0" lint {options}'

    done = subprocess.run(
        [*busy_host, "sh", "-c", lint, checkout / ".venv/bin/qemu-pr"],
        capture_output=True,
        text=True,
    )

    *_, last = done.stdout.splitlines()
    assert last == f"standard input: 1 command line with a reservation manager, {faults}"
    assert ("one-path" in done.stdout) == bool(options)


@pytest.fixture
def for_everybody() -> Iterator[Path]:
    """A directory that every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="any-host-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.mark.skipif(not ROOT_USER, reason="all the other tests run as an ordinary user already")
def test_as_an_ordinary_user(for_everybody: Path) -> None:
    setpriv = require("setpriv", package="util-linux")
    user = (setpriv, f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups")
    user = (*user, "--inh-caps=-all", "--bounding-set=-all")
    python = interpreter_for(user)
    checkout = copy_checkout(for_everybody / "checkout", python)
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, STRANGER, STRANGER, follow_symlinks=False)

    doctest(
        checkout,
        *("tutorial", "howto/check-a-host", "howto/systemd", "troubleshooting"),
        before=user,
        HOME=str(for_everybody),
    )


def interpreter_for(user: tuple[str, ...]) -> str:
    """Find a Python of this release that a user may start, and whose packages it may read."""
    wanted = f"import os, sys; os.listdir({sysconfig.get_path('purelib')!r})"
    wanted += f"; sys.exit(sys.version_info[:2] != {sys.version_info[:2]!r})"
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        command = [*user, "sh", "-c", 'exec "$0" -c "$1"', python, wanted]
        if subprocess.run(command, capture_output=True, cwd="/").returncode == 0:
            return python
    unavailable(f"an ordinary user reaches neither {sys.executable} nor one of its release")
    raise AssertionError
