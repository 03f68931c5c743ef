"""Real QEMU, paused and without a machine's usual devices: what it answers, or why it refuses."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from qemu_pr.command_line.model import ReservedDisks
from requirements import require

# A character device that everyone may open stands for a disk: host_device takes it. scsi-block
# asks for a SCSI disk, and so it is left out, or scsi-hd stands for it.
DEVICE = "/dev/null"


@pytest.fixture(scope="session")
def qemu() -> str:
    return require("qemu-system-x86_64", package="qemu-system-x86")


@pytest.fixture
def helper_socket(tmp_path: Path) -> Iterator[str]:
    """Listen with the handshake of a helper: four zero bytes each way."""
    path = str(tmp_path / "pr, helper.sock")
    clients: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                clients.append(client)
                client.sendall(bytes(4))
                client.recv(4)

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    for client in clients:
        client.close()


def link(folder: Path, names: list[bytes]) -> tuple[str, ...]:
    """Make symbolic links of these names to `DEVICE`, as far as files can have them."""
    paths = [os.fsencode(folder) + b"/" + name.replace(b"/", b"_") for name in names]
    for path in paths:
        os.symlink(DEVICE, path)
    return tuple(map(os.fsdecode, paths))


def talk(qemu: str, options: list[str], lines: list[str]) -> list[Any]:
    """Start QEMU, send it lines of QMP, and give what each returned or its error.

    An empty line waits until QEMU has told of each device_del since the last one that it is done.
    """
    words = [qemu, "-S", "-display", "none", "-nodefaults", "-qmp", "stdio", *options]
    told, events, unplugged = [], 0, 0
    with subprocess.Popen(
        [os.fsencode(word) for word in words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        for line in ['{"execute":"qmp_capabilities"}', *lines, '{"execute":"quit"}']:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            unplugged += "device_del" in line
            answered = False
            while not answered if line else events < unplugged:
                answer = json.loads(process.stdout.readline().decode(errors="replace"))
                events += answer.get("event") == "DEVICE_DELETED" and "device" in answer["data"]
                answered = "return" in answer or "error" in answer
                if answered:
                    told.append(answer.get("return", answer.get("error")))
        assert (process.stderr.read(), process.wait(60)) == (b"", 0)
    return told[1:-1]


def ask_qemu(qemu: str, options: list[str], *commands: str) -> list[Any]:
    """Start QEMU with these options, give what each QMP command returned, and quit."""
    return talk(qemu, options, [json.dumps({"execute": name}) for name in commands])


def paths(disks: ReservedDisks, nodes: list[Any], backends: Sequence[Any] = ()) -> list[str]:
    """Give the paths that QEMU has for disks, as it tells of its nodes and backends."""
    files = {node["node-name"]: node["file"] for node in nodes if node["drv"] == "raw"}
    files |= {backend["device"]: backend["inserted"]["file"] for backend in backends}
    return [files[name] for name in disks.names]


def refusal(qemu: str, options: list[str]) -> str:
    """Start QEMU with options that it does not take and give what it says."""
    ended = subprocess.run(
        [qemu, "-S", "-display", "none", "-nodefaults", "-monitor", "none", *options],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1
    return ended.stderr
