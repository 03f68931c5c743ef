"""Running helpers, and raw clients that may break every rule of the protocol."""

import array
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PYTHON_HELPER = (sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper")
C_HELPER = ("/usr/bin/qemu-pr-helper",)
# The whole program with another device in it: see there.
PIPE_DEVICE_HELPER = (sys.executable, str(Path(__file__).with_name("pipe_device_helper.py")))

SO_ACCEPTCON = 0x10000  # <linux/net.h>: __SO_ACCEPTCON
PATIENCE = 20.0  # seconds; the machine may be busy

GOOD = 0
CHECK_CONDITION = 2


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.001)


def cdb(opcode: int, size: int = 0, service_action: int = 0) -> bytes:
    return bytes((opcode, service_action, 0, 0, 0, 0, 0)) + size.to_bytes(2, "big") + bytes(7)


@dataclass(frozen=True)
class Reply:
    status: int
    sense: bytes
    data: bytes

    @property
    def sense_codes(self) -> tuple[int, int, int]:
        """Sense key, additional sense code and qualifier of fixed-format sense data."""
        return self.sense[2], self.sense[12], self.sense[13]


class Client:
    """A connection, byte by byte."""

    def __init__(self, path: str, *, greet: bool = True) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        if greet:
            assert self.read(4) == bytes(4)
            self.socket.sendall(bytes(4))

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes, *descriptors: int) -> None:
        rights = array.array("i", descriptors)
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)] if descriptors else []
        assert self.socket.sendmsg([data], ancillary) == len(data)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError(f"{len(data)} of {size} bytes")
            data += more
        return data

    def reply(self) -> Reply:
        status, size, sense = struct.unpack(">ii96s", self.read(104))
        return Reply(status, sense, self.read(size))

    def command(self, cdb: bytes, descriptor: int, data: bytes = b"") -> Reply:
        self.send(cdb, descriptor)
        if data:
            self.send(data)
        return self.reply()

    def is_closed(self) -> bool:
        """Whether the helper closed the connection without a further byte."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:  # it closed before it had read everything
            return True


def serves(path: str) -> bool:
    """Whether a client is greeted there."""
    try:
        Client(path).socket.close()
    except (OSError, EOFError):
        return False
    return True


def listens(path: str) -> bool:
    """Whether connections can be made there; makes none."""
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        _, _, _, flags, _, _, _, *found = line.split()
        if found == [path] and int(flags, 16) & SO_ACCEPTCON:
            return True
    return False


def status_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def children_of(pid: int) -> dict[str, int]:
    """The processes that a helper forked, by name."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return {status_of(child)["Name"]: child for child in children if exists(child)}


def child_of(pid: int, name: str) -> int:
    """The process of that name that a helper forks; it may be about to take the name."""
    wait_for(lambda: name in children_of(pid), f"{name} is there")
    return children_of(pid)[name]


def exists(pid: int) -> bool:
    """Whether a process has not ended."""
    try:
        return status_of(pid)["State"][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError, KeyError):
        return False


def server_of(pid: int) -> int:
    """The process of a helper that has the clients: of QEMU's the one that there is."""
    return children_of(pid).get("qemu-pr-serve", pid)


def descriptors_of(pid: int) -> list[str]:
    """The descriptors of the process that has the clients."""
    pid = server_of(pid)
    return sorted(os.listdir(f"/proc/{pid}/fd"), key=int)


def connections_of(pid: int) -> int:
    """How many connections a process has accepted on Unix sockets with a path."""
    connected = set()
    for line in Path("/proc/net/unix").read_text().splitlines()[1:]:
        _, _, _, _, _, state, inode, *path = line.split()
        if state == "03" and path:
            connected.add(f"socket:[{inode}]")
    count = 0
    for fd in descriptors_of(pid):
        with suppress(FileNotFoundError):  # closed by now
            count += os.readlink(f"/proc/{server_of(pid)}/fd/{fd}") in connected
    return count


def idle_descriptors(process: subprocess.Popen[str]) -> list[str]:
    """What our helper has open when all its connections have ended."""
    wait_for(lambda: connections_of(process.pid) == 0, "all connections end")
    return descriptors_of(process.pid)


@contextmanager
def started(
    command: Sequence[str], path: str, *options: str, **popen: object
) -> Iterator[subprocess.Popen[str]]:
    """Run a helper on a socket until the end of the block; it serves when the block begins."""
    process = subprocess.Popen(
        [*command, "-k", path, *options],
        stderr=subprocess.PIPE,
        text=True,
        **popen,  # type: ignore[call-overload]
    )
    try:
        wait_for(lambda: serves(path) or process.poll() is not None, f"{command} serves")
        assert process.poll() is None, process.communicate()[1]
        yield process
    finally:
        children = children_of(process.pid) if process.poll() is None else {}
        process.kill()
        process.wait()
        wait_for(lambda: not any(map(exists, children.values())), "its processes end, too")
        if process.stderr:
            process.stderr.close()


def run(command: Sequence[str], *options: str, **popen: object) -> subprocess.CompletedProcess[str]:
    """Run a helper that is expected to end by itself."""
    return subprocess.run(
        [*command, *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        **popen,  # type: ignore[call-overload]
    )


def terminated(process: subprocess.Popen[str]) -> str:
    """Stop a helper as an operator does; give what it wrote to stderr."""
    process.terminate()
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    return errors
