"""What makes multipathd known by a name in a container, where the library looks for that only."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from requirements import unavailable

RELAY = Path(__file__).parents[2] / "packaging/image/multipathd-relay"
NOBODY = 65534


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"@/qemu-pr/test/{os.getpid()}"


@contextmanager
def relay(listen: str, multipathd: Path) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, RELAY, listen, multipathd])
    try:
        deadline = time.monotonic() + 20
        while f" {listen}\n" not in Path("/proc/net/unix").read_text():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield
    finally:
        process.kill()
        process.wait()


@contextmanager
def listening(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.settimeout(20)
        listener.bind(path)
        listener.listen()
        yield listener


def abstract(name: str) -> str:
    return name.replace("@", "\0", 1)


def test_it_passes_on_what_both_say(folder: Path, name: str) -> None:
    with (
        listening(f"{folder}/multipathd.socket") as multipathd,
        socket.socket(socket.AF_UNIX) as client,
        relay(name, folder / "multipathd.socket"),
    ):
        client.connect(abstract(name))
        client.sendall(b"getprkey map mpatha")
        server, _ = multipathd.accept()
        with server:
            asked = server.recv(100)
            server.sendall(b"0xa1")

            assert (asked, client.recv(100)) == (b"getprkey map mpatha", b"0xa1")


def test_it_hangs_up_when_multipathd_does(folder: Path, name: str) -> None:
    with (
        listening(f"{folder}/multipathd.socket") as multipathd,
        socket.socket(socket.AF_UNIX) as client,
        relay(name, folder / "multipathd.socket"),
    ):
        client.connect(abstract(name))
        multipathd.accept()[0].close()

        assert client.recv(100) == b""


def test_without_multipathd_it_hangs_up_and_goes_on(folder: Path, name: str) -> None:
    with relay(name, folder / "multipathd.socket"):
        for _ in range(2):
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(abstract(name))

                assert client.recv(100) == b""


def test_another_user_does_not_get_through(folder: Path, name: str) -> None:
    if os.geteuid() != 0:
        unavailable("this test becomes another user, which needs root")
    ask = (
        "import socket, sys; client = socket.socket(socket.AF_UNIX);"
        "client.connect(sys.argv[1].replace('@', chr(0), 1)); print(client.recv(1))"
    )
    with (
        listening(f"{folder}/multipathd.socket") as multipathd,
        relay(name, folder / "multipathd.socket"),
    ):
        done = subprocess.run(
            ["/usr/bin/python3", "-c", ask, name], user=NOBODY, capture_output=True, text=True
        )
        multipathd.setblocking(False)

        assert done.stdout == "b''\n", done.stderr
        with pytest.raises(BlockingIOError):
            multipathd.accept()


def test_where_multipathd_listens_itself_it_has_nothing_to_do(folder: Path, name: str) -> None:
    with listening(abstract(name)):
        done = subprocess.run([sys.executable, RELAY, name, folder / "x"], timeout=60)

    assert done.returncode == 0
