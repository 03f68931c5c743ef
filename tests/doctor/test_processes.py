"""What is read of processes, from a /proc that a test wrote."""

from pathlib import Path

from qemu_pr.doctor.process import Process, eldest


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
