"""Both programs against simulated disks: they do the same to the disk, and see the same."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from both_programs import SgPersist, run_ours
from running_helper import running_helper

HELPER = (sys.executable, "-m", "qemu_pr.cli.qemu_pr_helper")
HOST_A = "naa.6001405000000001"
HOST_B = "iqn.2020-01.com.example:host-b,i,0x00023d000001"


@dataclass(frozen=True)
class Hosts:
    """Two hosts that share disks."""

    folder: Path
    sockets: tuple[str, str]

    def disk(self) -> str:
        """Give them another disk."""
        number, path = tempfile.mkstemp(dir=self.folder)
        with open(number, "wb") as disk:
            disk.write(bytes(512))
        return path


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    with ExitStack() as running:
        folder = running.enter_context(tempfile.TemporaryDirectory(prefix="pr", dir="/tmp"))
        sockets = (f"{folder}/a.sock", f"{folder}/b.sock")
        for socket, name in zip(sockets, (HOST_A, HOST_B), strict=True):
            options = ("--simulate", f"{folder}/state", "--initiator", name)
            running.enter_context(running_helper(HELPER, socket, *options))
        yield Hosts(Path(folder), sockets)


keys = st.sampled_from(["0", "1", "2", "123abc"])
types = st.sampled_from(["0", "1", "2", "3", "5", "6", "7", "8"])
commands = st.one_of(
    st.sampled_from(
        [
            ("-k",),
            ("-r",),
            ("-c",),
            ("-s",),
            ("-sHH",),
            ("-o", "-M", "-K1", "-S2", "-T5", "-X", "sas,6001405000000001"),
            ("-o", "-M", "-K1", "-S2", "-T5", "-U", "-X", HOST_B),
            ("-o", "-G", "-S1", "-X", "sas,6001405000000009"),
        ]
    ),
    st.builds(
        lambda action, key, new_key, type_, more: (
            *("-o", action, "-K", key, "-S", new_key, "-T", type_),
            *more,
        ),
        st.sampled_from(["-G", "-I", "-R", "-L", "-C", "-P", "-A", "-z"]),
        keys,
        keys,
        types,
        st.sampled_from([(), ("-Z",), ("-Y",), ("-y",)]),
    ),
)


@settings(deadline=None, max_examples=40)
@given(steps=st.lists(st.tuples(st.integers(0, 1), commands), min_size=1, max_size=12))
def test_two_hosts_see_and_do_the_same_with_either(
    sg_persist: SgPersist, hosts: Hosts, steps: list[tuple[int, tuple[str, ...]]]
) -> None:
    their_disk, our_disk = hosts.disk(), hosts.disk()

    theirs = [sg_persist.run(hosts.sockets[host], *args, their_disk) for host, args in steps]
    ours = [run_ours(hosts.sockets[host], *args, our_disk) for host, args in steps]

    assert ours == [*map(sg_persist.as_in_1_48, theirs, ours)]


def test_a_reservation_from_beginning_to_end(sg_persist: SgPersist, hosts: Hosts) -> None:
    a, b = hosts.sockets
    steps = [
        (a, "-o -G -S 123abc", 0),
        (a, "-k", 0),
        (b, "-o -G -S 456def", 0),
        (a, "-o -R -K 123abc -T 5", 0),
        (b, "-o -R -K 456def -T 5", 24),
        (b, "-s", 0),
        (b, "-r", 0),
        (b, "-o -P -K 456def -S 123abc -T 5", 0),
        (a, "-r", 6),
        (a, "-r", 0),
        (a, "-o -L -K 123abc -T 5", 24),
        (b, "-o -C -K 456def", 0),
        (b, "-k", 0),
    ]
    their_disk, our_disk = hosts.disk(), hosts.disk()

    theirs = [sg_persist.run(socket, *line.split(), their_disk) for socket, line, _ in steps]
    ours = [run_ours(socket, *line.split(), our_disk) for socket, line, _ in steps]

    assert ours == theirs
    assert [outcome.status for outcome in ours] == [status for _, _, status in steps]


def test_an_answer_that_is_cut_is_the_same_as_far_as_it_arrived(
    sg_persist: SgPersist, hosts: Hosts
) -> None:
    socket, disk = hosts.sockets[0], hosts.disk()
    run_ours(socket, "-o", "-G", "-S", "1", disk)

    theirs = sg_persist.run(socket, "-k", "-l", "8", "-HHH", disk)
    ours = run_ours(socket, "-k", "-l", "8", "-HHH", disk)

    # Behind these eight bytes sg_persist prints what was in its memory.
    arrived = len("00 00 00 01 00 00 00 08")
    assert ours.stdout[:arrived] == theirs.stdout[:arrived] == b"00 00 00 01 00 00 00 08"
    assert ours.status == theirs.status == 0


def test_programs_take_turns_on_one_disk(sg_persist: SgPersist, hosts: Hosts) -> None:
    socket, disk = hosts.sockets[0], hosts.disk()

    registered = sg_persist.run(socket, "-o", "-G", "-S", "1", disk)
    reserved = run_ours(socket, "-o", "-R", "-K", "1", "-T", "8", disk)
    seen = [sg_persist.run(socket, "-r", disk), run_ours(socket, "-r", disk)]

    assert (registered.status, reserved.status) == (0, 0)
    assert seen[0] == seen[1]
    assert b"type: Exclusive Access, all registrants" in seen[0].stdout
