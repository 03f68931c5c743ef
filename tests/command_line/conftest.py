"""What the tests with real QEMU need: QEMU itself, and somebody who answers as a helper does."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from requirements import require


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
