"""A multipath map: two paths of this host to a disk that another host uses as well."""

import itertools
import os
import random
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from guest import BootGuest
from lab_helper import Helper, StartHelper
from manual import command_lines, transcripts
from multipathd import Map, multipath_map
from qemu_pr.scsi.parameter_lists import ParameterList, RegisterAndMoveParameterList
from qemu_pr.scsi.transport_ids import parse as parse_initiator
from target import Host, create_disk
from transcript import assert_true, first_line, shell
from waiting import wait_for
from wire import (
    Client,
    out,
    parameter_list,
    persistent_reserve_in,
    persistent_reserve_out,
    registered_keys,
    status,
)

REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, PREEMPT_AND_ABORT, REGISTER_AND_IGNORE = range(7)
REGISTER_AND_MOVE = 7
READ_KEYS, READ_RESERVATION = 0, 1
REGISTRANTS_ONLY, ALL_REGISTRANTS = 5, 7  # write exclusive
GOOD, CHECK_CONDITION, RESERVATION_CONFLICT = 0, 2, 0x18
OURS, THEIRS = 0xA1, 0xB2
PERSIST = "sg_persist --no-inquiry"
MAP_COMMAND_LINES = [line for line in command_lines() if "/dev/mapper/" in line]


@pytest.fixture(scope="module")
def disk_hosts() -> list[Host]:
    return create_disk("multipathed", hosts=3, first=21).hosts


@pytest.fixture(scope="module")
def other_host(disk_hosts: list[Host]) -> Host:
    """Another host of the disk, without multipathd."""
    return disk_hosts[2]


@pytest.fixture(scope="module")
def shared_map(disk_hosts: list[Host], output: Path) -> Iterator[Map]:
    with multipath_map(disk_hosts[:2], output / "multipathd.log") as found:
        yield found


@pytest.fixture
def client(helper: Helper) -> Iterator[Client]:
    with Client(helper.socket) as client:
        yield client


@pytest.fixture
def the_map(shared_map: Map, client: Client, other_host: Host) -> Map:
    """The map, with all paths up and nothing registered."""
    out(client, other_host.disk, REGISTER_AND_IGNORE, 0, THEIRS)
    out(client, other_host.disk, CLEAR, THEIRS)
    out(client, shared_map.node, REGISTER_AND_IGNORE, 0, 0)
    return shared_map


@pytest.fixture
def map_beside(the_map: Map) -> Iterator[str]:
    """Another map, of a disk of its own."""
    disk = create_disk("beside", hosts=1, first=31)
    before = set(Path("/dev/mapper").iterdir())
    replace(the_map, beside=disk.hosts).configure(defaults="reservation_key file")
    (node,) = wait_for(lambda: set(Path("/dev/mapper").iterdir()) - before, "another map")
    yield str(node)
    the_map.configure(defaults="reservation_key file")
    wait_for(lambda: not node.exists(), f"{node} to go")
    disk.remove()


def keys(client: Client, host: Host) -> list[int]:
    """List the keys that a host sees; a map's key is there once a path."""
    reply = client.command(host.disk, persistent_reserve_in(READ_KEYS))
    while status(reply) == CHECK_CONDITION:
        reply = client.command(host.disk, persistent_reserve_in(READ_KEYS))
    return sorted(registered_keys(reply))


def wait_for_keys(client: Client, host: Host, expected: list[int]) -> None:
    """Wait until a host sees these keys and no others."""
    wait_for(
        lambda: keys(client, host) == expected, lambda: f"keys {expected}: {keys(client, host)}"
    )


def is_reserved(client: Client, host: Host) -> bool:
    reply = client.command(host.disk, persistent_reserve_in(READ_RESERVATION))
    while status(reply) == CHECK_CONDITION:
        reply = client.command(host.disk, persistent_reserve_in(READ_RESERVATION))
    return len(reply) > 104 + 8


def write(node: str) -> bool:
    command = ["dd", "if=/dev/zero", "bs=512", "count=1", "oflag=direct", f"of={node}"]
    return subprocess.run(command, capture_output=True).returncode == 0


def test_a_key_is_registered_on_every_path(the_map: Map, client: Client, other_host: Host) -> None:
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD

    assert keys(client, other_host) == [OURS, OURS]


def test_qemu_s_helper_registers_one_path_of_two(
    the_map: Map, client: Client, other_host: Host, start_helper: StartHelper
) -> None:
    with Client(start_helper("c", "/run/lab/one-path.sock").socket) as c:
        assert out(c, the_map.node, REGISTER, 0, OURS) == GOOD

    assert keys(client, other_host) == [OURS]


def test_a_map_reserves_and_is_preempted_as_one_nexus(
    the_map: Map, client: Client, other_host: Host
) -> None:
    node = the_map.node
    assert out(client, node, REGISTER, 0, OURS) == GOOD
    assert out(client, node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD
    assert out(client, node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD
    assert write(node)
    assert not write(other_host.disk)

    out(client, other_host.disk, REGISTER, 0, THEIRS)
    assert out(client, other_host.disk, PREEMPT, THEIRS, OURS, REGISTRANTS_ONLY) == GOOD

    assert keys(client, other_host) == [THEIRS]
    assert not write(node)
    assert out(client, node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == RESERVATION_CONFLICT


def test_a_map_preempts_and_releases(the_map: Map, client: Client, other_host: Host) -> None:
    node = the_map.node
    assert out(client, other_host.disk, REGISTER_AND_IGNORE, 0, THEIRS) == GOOD
    assert out(client, other_host.disk, RESERVE, THEIRS, type_=REGISTRANTS_ONLY) == GOOD
    assert out(client, node, REGISTER, 0, OURS) == GOOD

    assert out(client, node, PREEMPT, OURS, THEIRS, REGISTRANTS_ONLY) == GOOD
    assert keys(client, other_host) == [OURS, OURS]
    assert is_reserved(client, other_host)
    assert out(client, node, RELEASE, OURS, type_=REGISTRANTS_ONLY) == GOOD

    assert not is_reserved(client, other_host)
    assert keys(client, other_host) == [OURS, OURS]


def test_a_map_that_preempts_its_own_key_stays_registered_on_every_path(
    the_map: Map, client: Client, other_host: Host
) -> None:
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    assert out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD

    assert out(client, the_map.node, PREEMPT, OURS, OURS, REGISTRANTS_ONLY) == GOOD

    assert keys(client, other_host) == [OURS, OURS]
    assert is_reserved(client, other_host)
    assert write(the_map.node)


def test_a_registration_for_other_ports_reaches_them_and_all_paths(
    the_map: Map, client: Client, other_host: Host
) -> None:
    port = parse_initiator(other_host.initiator)
    parameters = ParameterList(0, OURS, initiator_ports=(port,)).encode()

    command = persistent_reserve_out(REGISTER, length=len(parameters))
    reply = client.command(the_map.node, command, parameters)

    assert status(reply) == GOOD
    assert keys(client, other_host) == [OURS, OURS, OURS]


def test_a_map_moves_its_reservation_to_another_host(
    the_map: Map, client: Client, other_host: Host
) -> None:
    out(client, the_map.node, REGISTER, 0, OURS)
    out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY)
    port = parse_initiator(other_host.initiator)
    parameters = RegisterAndMoveParameterList(OURS, THEIRS, 3, port, unreg=True).encode()

    command = persistent_reserve_out(REGISTER_AND_MOVE, REGISTRANTS_ONLY, len(parameters))
    reply = client.command(the_map.node, command, parameters)

    assert status(reply) == GOOD
    assert keys(client, other_host) == [THEIRS]
    assert is_reserved(client, other_host)
    assert write(other_host.disk)
    assert not write(the_map.node)


def test_a_release_of_another_type_changes_nothing(
    the_map: Map, client: Client, other_host: Host
) -> None:
    out(client, other_host.disk, REGISTER_AND_IGNORE, 0, THEIRS)
    out(client, the_map.node, REGISTER, 0, OURS)
    out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY)

    refused = out(client, the_map.node, RELEASE, OURS, type_=6)

    assert refused != GOOD
    assert keys(client, other_host) == [OURS, OURS, THEIRS]
    assert is_reserved(client, other_host)


@pytest.mark.parametrize("down", [0, 1])
def test_with_a_path_down_a_map_does_what_it_did(
    the_map: Map, client: Client, other_host: Host, down: int
) -> None:
    node = the_map.node
    assert out(client, node, REGISTER, 0, OURS) == GOOD
    assert out(client, node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD
    out(client, other_host.disk, REGISTER_AND_IGNORE, 0, THEIRS)

    with the_map.path_down(down):
        assert out(client, node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD
        assert out(client, node, RELEASE, OURS, type_=REGISTRANTS_ONLY) == GOOD
        assert not is_reserved(client, other_host)
        assert out(client, node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD
        assert out(client, node, PREEMPT, OURS, THEIRS, REGISTRANTS_ONLY) == GOOD
        assert THEIRS not in keys(client, other_host)
        assert write(node)

    wait_for_keys(client, other_host, [OURS, OURS])
    assert write(node)
    assert not write(other_host.disk)
    assert out(client, node, RELEASE, OURS, type_=REGISTRANTS_ONLY) == GOOD
    assert not is_reserved(client, other_host)


@pytest.mark.parametrize(
    ("defaults", "multipaths"),
    [
        ("reservation_key file", ""),
        ("", "reservation_key file"),
        ("", "reservation_key 0xa1"),
    ],
)
def test_a_path_that_was_deleted_and_found_again_is_registered_again(
    the_map: Map, client: Client, other_host: Host, defaults: str, multipaths: str
) -> None:
    the_map.configure(defaults, multipaths)
    assert out(client, other_host.disk, REGISTER_AND_IGNORE, 0, THEIRS) == GOOD
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    assert out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD

    with the_map.path_deleted(1):
        assert write(the_map.node)

    everybody = [OURS, OURS, THEIRS]
    wait_for_keys(client, other_host, everybody)
    assert write(the_map.node)
    assert out(client, the_map.node, PREEMPT, OURS, THEIRS, REGISTRANTS_ONLY) == GOOD
    assert keys(client, other_host) == [OURS, OURS]
    the_map.configure(defaults="reservation_key file")


@pytest.mark.parametrize("command_line", MAP_COMMAND_LINES)
def test_a_map_works_in_a_guest_started_with_the_manual_s_command_line(
    the_map: Map, client: Client, other_host: Host, boot_guest: BootGuest, command_line: str
) -> None:
    with boot_guest(command_line) as guest:
        registered = guest.run(f"{PERSIST} --out --register --param-sark=0xa1 /dev/sda")
        reserved = guest.run(f"{PERSIST} --out --reserve --param-rk=0xa1 --prout-type=5 /dev/sda")
        listed = guest.run(f"{PERSIST} --in --read-full-status /dev/sda")

    assert registered.status == 0, registered.output
    assert reserved.status == 0, reserved.output
    assert listed.output.count("Key=0xa1") == 2
    assert keys(client, other_host) == [OURS, OURS]
    assert not write(other_host.disk)


@pytest.mark.parametrize("transcript", transcripts("map"), ids=first_line)
def test_what_the_manual_shows_of_a_map_is_true(
    the_map: Map, client: Client, tmp_path: Path, transcript: str
) -> None:
    out(client, the_map.node, REGISTER, 0, OURS)
    out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY)

    with shell(tmp_path) as run:
        assert_true(transcript, run)


def test_malformed_lists_leave_the_helper_as_it_was(
    the_map: Map, helper: Helper, client: Client, other_host: Host
) -> None:
    choose = random.Random(20261122)
    open_before = helper.descriptors()

    replies = []
    for _ in range(25):
        length = choose.choice([0, 1, 8, 23, 25, 28, 52, 255, 8192])
        command = persistent_reserve_out(choose.randrange(32), 0, length)
        replies.append(client.command(the_map.node, command, choose.randbytes(length)))

    assert {status(reply) for reply in replies} <= {CHECK_CONDITION, RESERVATION_CONFLICT}
    assert helper.descriptors() == open_before
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    assert keys(client, other_host) == [OURS, OURS]


@pytest.mark.parametrize("holder", [REGISTRANTS_ONLY, ALL_REGISTRANTS])
def test_a_map_that_preempts_all_that_have_its_key_stays_registered_on_every_path(
    the_map: Map, client: Client, other_host: Host, holder: int
) -> None:
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    assert out(client, the_map.node, RESERVE, OURS, type_=holder) == GOOD

    preempted = 0 if holder == ALL_REGISTRANTS else OURS
    assert out(client, the_map.node, PREEMPT, OURS, preempted, holder) == GOOD

    assert keys(client, other_host) == [OURS, OURS]
    assert write(the_map.node)


COMMANDS = {
    "register": (REGISTER, 0, OURS, 0),
    "reserve": (RESERVE, OURS, 0, REGISTRANTS_ONLY),
    "release": (RELEASE, OURS, 0, REGISTRANTS_ONLY),
    "unregister": (REGISTER, OURS, 0, 0),
}
# What is done before a path goes away: it is the one that holds the reservation, if there is one.
BEFORE = {
    "register": [],
    "reserve": ["register"],
    "release": ["register", "reserve"],
    "unregister": ["register", "reserve"],
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("away", ["before", "shortly", "after", "deleted", "restart"])
def test_keys_are_on_every_path_once_it_is_back(
    the_map: Map, client: Client, other_host: Host, command: str, away: str
) -> None:
    def do(name: str) -> None:
        action, key, other, type_ = COMMANDS[name]
        assert out(client, the_map.node, action, key, other, type_) == GOOD

    for earlier in BEFORE[command]:
        do(earlier)

    if away == "before":  # multipathd knows it
        with the_map.path_down(0):
            do(command)
    elif away == "shortly":  # multipathd does not
        the_map.set_state(0, "offline")
        do(command)
        the_map.set_state(0, "running")
    elif away == "after":
        do(command)
        with the_map.path_down(0):
            pass
    elif away == "deleted":
        do(command)
        with the_map.path_deleted(0):
            pass
    else:
        do(command)
        the_map.restart_daemon()
        with the_map.path_deleted(0):
            pass

    expected = [] if command == "unregister" else [OURS, OURS]
    wait_for_keys(client, other_host, expected)
    assert is_reserved(client, other_host) == (command == "reserve")
    assert the_map.hold() != ("unset" if command == "reserve" else "set")


@pytest.mark.parametrize("notices", ["a command", "the guest leaves"])
def test_a_host_whose_guest_migrated_away_is_not_let_in_again(
    the_map: Map, client: Client, other_host: Host, notices: str
) -> None:
    with open(the_map.node, "rb"):  # the guest
        assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
        assert out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD
        # As QEMU does it on the host that the guest comes to.
        assert out(client, other_host.disk, REGISTER_AND_IGNORE, 0, OURS) == GOOD
        assert out(client, other_host.disk, PREEMPT, OURS, OURS, REGISTRANTS_ONLY) == GOOD
        if notices == "a command":
            again = out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY)
            assert again == RESERVATION_CONFLICT

    wait_for(lambda: the_map.key() == "none", lambda: f"multipathd to forget: {the_map.key()}")
    with the_map.path_deleted(1):
        pass

    assert keys(client, other_host) == [OURS]
    assert is_reserved(client, other_host)
    assert other_host.can_write()
    assert not write(the_map.node)


def test_without_a_path_a_map_is_told_so_and_keeps_nobody_waiting(
    the_map: Map, client: Client, other_host: Host
) -> None:
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    read_keys = persistent_reserve_in(READ_KEYS)

    with the_map.path_down(0):
        one_left = client.command(the_map.node, read_keys)
    with the_map.paths_down():
        none_left = [
            client.command(the_map.node, read_keys),
            client.command(the_map.node, persistent_reserve_out(RESERVE), parameter_list(OURS, 0)),
        ]
    back = client.command(the_map.node, read_keys)

    assert registered_keys(one_left) == [OURS, OURS]
    assert {status(reply) for reply in none_left} == {CHECK_CONDITION}
    assert registered_keys(back) == [OURS, OURS]


def test_another_multipath_conf_counts_at_the_next_command(
    the_map: Map, client: Client, other_host: Host
) -> None:
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    assert out(client, the_map.node, REGISTER_AND_IGNORE, 0, 0) == GOOD

    the_map.configure(defaults=f"reservation_key {THEIRS:#x}")
    refused = out(client, the_map.node, REGISTER, 0, OURS)
    taken = out(client, the_map.node, REGISTER, 0, THEIRS)
    out(client, the_map.node, REGISTER_AND_IGNORE, 0, 0)
    the_map.configure(defaults="reservation_key file")

    assert (refused, taken) == (CHECK_CONDITION, GOOD)
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD


def is_at_work_on(process: int, node: str) -> bool:
    """Tell whether a map's process carries out a command: it has the map open only meanwhile."""
    device = os.stat(node).st_rdev
    with suppress(OSError):  # closed meanwhile
        return any(file.stat().st_rdev == device for file in Path(f"/proc/{process}/fd").iterdir())
    return False


def test_a_crash_of_a_map_s_process_at_rest_costs_nothing(
    the_map: Map, helper: Helper, client: Client, other_host: Host
) -> None:
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    processes = helper.map_processes()
    assert processes

    for process in processes:
        os.kill(process, signal.SIGSEGV)
    reserved = out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY)

    assert reserved == GOOD
    assert not set(processes) & set(helper.map_processes())
    assert keys(client, other_host) == [OURS, OURS]


def test_a_crash_of_a_map_s_process_costs_the_command_that_is_under_way_only(
    the_map: Map, map_beside: str, helper: Helper, client: Client, other_host: Host
) -> None:
    read_keys = persistent_reserve_in(READ_KEYS)
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD

    def at_work() -> int | None:
        return next((p for p in helper.map_processes() if is_at_work_on(p, the_map.node)), None)

    with Client(helper.socket) as unlucky, ThreadPoolExecutor() as thread:
        with the_map.daemon_stopped():  # the map's process asks it
            under_way = thread.submit(out, unlucky, the_map.node, REGISTER, OURS, OURS)
            process = wait_for(at_work, "the command to begin")
            os.kill(process, signal.SIGSTOP)
        meanwhile = [
            status(client.command(node, read_keys)) for node in (map_beside, other_host.disk)
        ]
        was_under_way = not under_way.done()
        os.kill(process, signal.SIGSEGV)
        os.kill(process, signal.SIGCONT)
        ended = under_way.result()

    assert was_under_way
    assert meanwhile == [GOOD, GOOD]
    assert ended == CHECK_CONDITION
    assert keys(client, other_host) == [OURS, OURS]
    assert out(client, the_map.node, RESERVE, OURS, type_=REGISTRANTS_ONLY) == GOOD
    assert write(the_map.node)


@pytest.mark.hangs
def test_a_map_that_hangs_costs_its_own_guests_only(
    the_map: Map, helper: Helper, client: Client, other_host: Host, hosts: list[Host]
) -> None:
    read_keys = persistent_reserve_in(READ_KEYS)
    assert out(client, the_map.node, REGISTER, 0, OURS) == GOOD
    assert out(client, other_host.disk, REGISTER_AND_IGNORE, 0, THEIRS) == GOOD
    preempt_and_abort = "--out --preempt-abort --param-rk=0xb2 --param-sark=0xa1 --prout-type=5"
    # Hangs the disk for all hosts, and itself.
    subprocess.Popen([*PERSIST.split(), *preempt_and_abort.split(), other_host.disk])

    with Client(helper.socket, seconds=5) as stuck, Client(helper.socket) as bystander:
        with pytest.raises(TimeoutError):
            all(stuck.command(the_map.node, read_keys) for _ in itertools.count())
        served = [status(bystander.command(host.disk, read_keys)) for host in hosts]
        stopped = helper.stop()

    helper.start()
    assert served == [GOOD, GOOD, GOOD]
    assert stopped == 0
