"""Where examples run, nothing of the host shows, nor of whoever started the build."""

import os
import socket
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from qemu_pr.verified_examples.child import ChildError, in_child, in_children
from qemu_pr.verified_examples.launchers import write_launchers
from qemu_pr.verified_examples.seclusion import in_seclusion, why_not
from requirements import unavailable


@pytest.fixture
def seclusion() -> None:
    if reason := why_not():
        unavailable(f"this machine lets no program have namespaces: {reason}")


@pytest.mark.parametrize("place", ["/tmp", "/run", "/sys", "/dev/shm"])
def test_a_directory_of_the_host_s_is_empty(seclusion: None, place: str) -> None:
    assert in_seclusion(lambda: os.listdir(place)) == []


def test_nothing_of_the_host_s_configuration_is_there(seclusion: None) -> None:
    found = in_seclusion(lambda: {name for name in os.listdir("/etc") if "ld.so" not in name})

    assert found <= {"alternatives", "passwd", "group", "hosts", "nsswitch.conf"}


def test_no_disk_and_no_process_of_the_host_s_is_there(seclusion: None) -> None:
    def look() -> tuple[list[Path], set[str]]:
        processes = {name for name in os.listdir("/proc") if name.isdigit()}
        return [one for one in Path("/dev").iterdir() if one.is_block_device()], processes

    assert in_seclusion(look) == ([], {"1"})


def test_an_abstract_socket_of_the_host_s_is_not_there(seclusion: None) -> None:
    """As multipathd has one."""
    name = f"\0{os.getpid()}"

    def connect() -> None:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(name)

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(name)
        server.listen()
        with pytest.raises(ConnectionRefusedError):
            in_seclusion(connect)


def test_what_is_to_be_kept_is_there_whatever_covers_it(seclusion: None, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")

    with tempfile.TemporaryDirectory(dir="/tmp") as elsewhere:
        seen = in_seclusion(
            lambda: ((tmp_path / "file").read_text(), os.path.exists(elsewhere)), [tmp_path]
        )

    assert seen == ("text", False)


def test_what_is_written_there_is_gone(seclusion: None) -> None:
    in_seclusion(lambda: Path("/run/of-an-example").write_text(""))

    assert not os.path.exists("/run/of-an-example")


def test_a_user_is_as_privileged_as_before(seclusion: None) -> None:
    def capabilities() -> str:
        status = Path("/proc/self/status").read_text()
        return next(line for line in status.splitlines() if line.startswith("CapEff"))

    assert in_seclusion(capabilities) == capabilities()
    assert in_seclusion(os.getuid) == os.getuid()


def test_two_can_be_one_inside_the_other(seclusion: None) -> None:
    assert in_seclusion(why_not) == ""


def test_an_error_comes_back_and_a_dead_process_is_told() -> None:
    def fail() -> None:
        raise FileNotFoundError(2, "No such file", "name")

    with pytest.raises(FileNotFoundError, match="name"):
        in_child(fail)
    with pytest.raises(ChildError):
        in_child(lambda: os._exit(3))


def test_programs_of_an_environment_whose_path_has_a_blank_keep_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = tmp_path / "a b" / "ü"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin/python").symlink_to(sys.executable)
    (environment / "bin/tell").write_text(
        f"""#!/bin/sh\n'''exec' "{environment}/bin/python" "$0" "$@"\n' '''\n"""
        "print(open('/proc/self/comm').read().strip())\n"
    )
    monkeypatch.setattr(sys, "prefix", str(environment))
    monkeypatch.setattr(sys, "executable", str(environment / "bin/python"))

    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        own, beside = write_launchers(Path(short))

        assert os.popen(str(own / "tell")).read() == "tell\n"
        assert (beside / "tell").exists()


def test_an_environment_without_such_programs_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    assert write_launchers(tmp_path) == [tmp_path]


def test_several_things_are_done_at_the_same_time() -> None:
    first, second = os.pipe(), os.pipe()

    def meet(mine: tuple[int, int], other: tuple[int, int]) -> bytes:
        os.write(other[1], b"x")
        return os.read(mine[0], 1)

    works = {1: partial(meet, first, second), 2: partial(meet, second, first)}

    assert dict(in_children(works, at_once=2)) == {1: b"x", 2: b"x"}


def test_what_one_raises_ends_the_others() -> None:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)

    def wait() -> None:
        os.read(os.pipe()[0], 1)

    def fail() -> None:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        dict(in_children({1: wait, 2: fail}, at_once=2))

    os.close(writing)
    assert os.read(reading, 1) == b""  # nobody is left who has the other end
    os.close(reading)
