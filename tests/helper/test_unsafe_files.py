"""Files in a folder that others can write: what they put there is neither followed nor waited for.

The files are written with the helper's privileges: a link that is followed overwrites any file of
the system.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from helper_process import PATIENCE, PYTHON_HELPER, Client, cdb, listens, wait_for

STRANGER = 54321
PRECIOUS = "precious\n"


@dataclass(frozen=True)
class Written:
    """A file that the helper writes: the options that name it, and where it writes first."""

    options: tuple[str, ...]
    suffix: str = ""

    def command(self, path: str, file: Path) -> tuple[str, ...]:
        options = (option.format(file) for option in self.options)
        return (*PYTHON_HELPER, "-k", path, *options)


FILES = {
    "pid file": Written(("-f", "{}")),
    "trace file": Written(("-T", "enable=pr_helper_*,file={}")),
    "audit log": Written(("--audit", "{}")),
    "metrics": Written(("--metrics", "{}")),
    "metrics' temporary": Written(("--metrics", "{}"), ".tmp"),
}


@pytest.fixture
def shared(folder: Path) -> Path:
    """A folder that everybody can write; no sticky bit, which makes the kernel refuse links."""
    shared = folder / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    return shared


@pytest.fixture
def victim(folder: Path) -> Iterator[Path]:
    """A file that nobody but the helper's user can write; it must stay as it is."""
    victim = folder / "victim"
    victim.write_text(PRECIOUS)
    victim.chmod(0o600)
    before = victim.stat()
    yield victim
    assert victim.read_text() == PRECIOUS
    after = victim.stat()
    assert (after.st_mode, after.st_uid, after.st_mtime_ns) == (
        before.st_mode,
        before.st_uid,
        before.st_mtime_ns,
    )


def plant(make: Callable[[], object], place: Path) -> None:
    make()
    if os.geteuid() == 0:
        os.chown(place, STRANGER, STRANGER, follow_symlinks=False)


def start_and_stop(command: tuple[str, ...], path: str) -> tuple[int, str]:
    """Start a helper, use it if it starts, and stop it; give its status and what it wrote."""
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            wait_for(lambda: listens(path) or process.poll() is not None, "it starts, or says why")
            if process.poll() is None:
                with suppress(OSError, EOFError):  # it finds out only now that it cannot go on
                    use(path)
                    process.terminate()
            return process.wait(PATIENCE), process.stderr.read()
        finally:
            process.kill()


def use(path: str) -> None:
    """Give it something to write down."""
    with Client(path) as client, open(path + ".disk", "w+b") as disk:
        client.command(cdb(0x5F, 24), disk.fileno(), bytes(24))


def assert_refusal(status: int, errors: str, file: Path) -> None:
    """It did not start, and one line says which file is why."""
    assert status == 1
    assert errors.count("\n") == 1
    assert errors.startswith("qemu-pr-helper: ")
    assert str(file) in errors


def assert_advice(errors: str) -> None:
    """The line says what to do, behind what is wrong."""
    assert "; " in errors


@pytest.mark.parametrize("name", [name for name in FILES if "metrics" not in name])
@pytest.mark.parametrize("leads_to", ["victim", "missing"])
def test_a_link_is_not_followed(path, shared, victim, folder, name, leads_to):
    file = shared / "file"
    place = Path(f"{file}{FILES[name].suffix}")
    plant(lambda: place.symlink_to(folder / leads_to), place)

    status, errors = start_and_stop(FILES[name].command(path, file), path)

    assert not (folder / "missing").exists()
    assert_refusal(status, errors, file)
    assert_advice(errors)


@pytest.mark.parametrize("name", ["metrics", "metrics' temporary"])
def test_a_link_where_the_metrics_belong_is_replaced(path, shared, victim, name):
    file = shared / "file"
    place = Path(f"{file}{FILES[name].suffix}")
    plant(lambda: place.symlink_to(victim), place)

    status, errors = start_and_stop(FILES[name].command(path, file), path)

    assert (status, errors) == (0, "")
    assert not place.is_symlink()
    assert file.is_file()


@pytest.mark.parametrize("name", ["pid file", "metrics", "metrics' temporary"])
def test_a_second_name_of_another_file_is_not_written(path, shared, victim, name):
    file = shared / "file"
    os.link(victim, f"{file}{FILES[name].suffix}")

    status, errors = start_and_stop(FILES[name].command(path, file), path)

    if status:
        assert_refusal(status, errors, file)
        assert_advice(errors)


@pytest.mark.parametrize("name", FILES)
def test_a_fifo_holds_nobody_up(path, shared, name):
    file = shared / "file"
    place = Path(f"{file}{FILES[name].suffix}")
    plant(lambda: os.mkfifo(place), place)

    status, errors = start_and_stop(FILES[name].command(path, file), path)

    if status or name == "pid file":
        assert_refusal(status, errors, file)


def plant_now(place: Path, kind: str, victim: Path) -> None:
    """Plant it when the helper has nothing there for a moment."""
    while True:
        with suppress(FileExistsError):
            match kind:
                case "link":
                    return place.symlink_to(victim)
                case "fifo":
                    return os.mkfifo(place)
                case "second name":
                    return os.link(victim, place)


@pytest.mark.parametrize("kind", ["link", "fifo", "second name"])
def test_what_is_planted_while_it_runs_does_no_harm(path, shared, victim, kind):
    file = shared / "file"
    place = Path(f"{file}.tmp")
    command = (*FILES["metrics"].command(path, file), "--metrics-interval", "0.01")
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: file.exists(), "it has started")
        plant_now(place, kind, victim)

        process.terminate()

        try:
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
