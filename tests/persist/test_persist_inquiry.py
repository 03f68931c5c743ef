"""What the disk is stands before the answer, as with sg_persist; --no-inquiry leaves it out."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from both_programs import Bench, run_ours
from qemu_pr.cli.persist import inquiry
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.sense import COMMAND_IO_PROCESS_TERMINATED
from scripted_helper import Answer, reply

KEYS = reply(0, ReadKeys(7, (0x123ABC,)).encode())
NO_DISK = reply(2, sense=COMMAND_IO_PROCESS_TERMINATED.encode_fixed())


def asked(bench: Bench, answer: Answer, *args: str) -> tuple[int, str]:
    bench.helper.answer = lambda _: answer
    outcome = run_ours(bench.helper.path, *args, bench.disk, inquiry=True)
    return outcome.status, outcome.stdout.decode()


def test_a_simulated_disk_has_a_standard_answer(bench: Bench) -> None:
    _, plain = asked(bench, KEYS, "--no-inquiry", "-k")

    status, told = asked(bench, KEYS, "-k")

    vendor, product, revision = (inquiry.SIMULATED[start:][:width] for start, width in FIELDS)
    assert (status, told) == (0, inquiry.SIMULATED + plain)
    assert inquiry.SIMULATED.startswith(f"  {vendor}  {product}  {revision}\n")
    assert inquiry.SIMULATED.endswith("\n  Peripheral device type: disk\n")


FIELDS = ((2, 8), (12, 16), (30, 4))


@pytest.mark.parametrize("answer", [reply(), reply(0x18)])
def test_it_is_told_whatever_comes_of_the_command(bench: Bench, answer: Answer) -> None:
    _, told = asked(bench, answer, "-o", "-G")

    assert told == inquiry.SIMULATED


def test_it_is_not_told_of_what_is_no_disk(bench: Bench) -> None:
    assert asked(bench, NO_DISK, "-k") == (11, "")


def test_json_has_no_more_than_its_object(bench: Bench) -> None:
    _, told = asked(bench, KEYS, "-k", "--json")

    assert told.startswith("{")


def write(folder: Path, **values: str) -> None:
    folder.mkdir(parents=True)
    for name, value in values.items():
        (folder / name).write_text(f"{value}\n")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A device, and the directory in which a kernel tells of it."""
    fd = os.open(os.devnull, os.O_RDWR)
    number = os.fstat(fd).st_rdev
    yield fd, tmp_path / f"dev/char/{os.major(number)}:{os.minor(number)}"
    os.close(fd)


def test_the_kernel_knows_what_a_disk_is(node: tuple[int, Path], tmp_path: Path) -> None:
    fd, folder = node
    write(folder / "device", vendor="LIO-ORG ", model="FILEIO          ", rev="4.0 ", type="0")

    told = inquiry.lines(fd, tmp_path)

    assert told == "  LIO-ORG   FILEIO            4.0 \n  Peripheral device type: disk\n"


def test_a_map_is_what_its_paths_are(node: tuple[int, Path], tmp_path: Path) -> None:
    fd, folder = node
    write(folder / "slaves/sdb/device", vendor="A", model="B", rev="1", type="13")

    told = inquiry.lines(fd, tmp_path)

    assert told == "  A         B                 1   \n  Peripheral device type: 0xd\n"


def test_of_what_is_no_scsi_device_nothing_is_told(node: tuple[int, Path], tmp_path: Path) -> None:
    fd, folder = node
    write(folder / "device", model="a disk without a vendor")

    assert inquiry.lines(fd, tmp_path) == ""


@pytest.mark.parametrize(
    "line",
    [
        "--in --read_keys",
        "--out --register --param_sark=a1",
        "--out --reserve --param_rk=a1 --prout_type=5",
        "--out --register_ignore --param_sark a1",
        "--read_ke",
    ],
)
def test_long_options_may_have_underscores(bench: Bench, line: str) -> None:
    theirs, ours = bench.both(reply() if "--out" in line else KEYS, line.split())

    assert ours == theirs
