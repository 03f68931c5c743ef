"""What is read of processes, from a /proc that a test wrote."""

import os
import socket
import threading
from pathlib import Path

from qemu_pr.host.process import Process, eldest


def process(proc: Path, pid: int, parent: int) -> Process:
    (proc / str(pid)).mkdir()
    (proc / str(pid) / "status").write_text(f"Name:\tpython3\nPid:\t{pid}\nPPid:\t{parent}\n")
    return Process(proc, pid)


def test_the_eldest_started_the_others_though_their_process_ids_are_lower(tmp_path: Path) -> None:
    for_a_command = process(tmp_path, 90, parent=80)
    for_maps = process(tmp_path, 80, parent=32767)
    helper = process(tmp_path, 32767, parent=1)

    assert eldest([for_maps, for_a_command, helper]) == helper


def test_of_no_process_none_is_the_eldest() -> None:
    assert eldest([]) is None


def test_descriptors_that_are_closed_meanwhile_hide_no_socket() -> None:
    stop = threading.Event()

    def open_and_close() -> None:
        while not stop.is_set():
            for fd in [os.open("/dev/null", os.O_RDONLY) for _ in range(20)]:
                os.close(fd)

    with socket.socket(socket.AF_UNIX) as kept:
        busy = threading.Thread(target=open_and_close)
        busy.start()
        try:
            found = [Process(Path("/proc"), os.getpid()).sockets() for _ in range(300)]
        finally:
            stop.set()
            busy.join()
        inode = str(os.fstat(kept.fileno()).st_ino)

    assert all(inode in sockets for sockets in found)


def test_a_process_that_chooses_its_name_chooses_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "status").write_text("Name:\ta\x0bUid:\t0\t0\nUid:\t1000\t1000\n")

    assert Process(tmp_path, 7).user == 1000
