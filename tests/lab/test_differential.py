"""Our helper against the one that comes with QEMU: the same commands on the same disk."""

import random
from dataclasses import dataclass

from lab_helper import Helper, StartHelper
from target import create_disk
from wire import Client, parameter_list, persistent_reserve_in, persistent_reserve_out

SEED = 20240915
COMMANDS = 500
HOSTS = 3
KEYS = [0, 0xA, 0xB, 0xC]
PREEMPT_AND_ABORT = 5


@dataclass(frozen=True)
class Command:
    host: int
    cdb: bytes
    data: bytes


def random_commands(choose: random.Random) -> list[Command]:
    """Choose commands that mostly make sense, so that reservations come, change and go."""
    return [
        _random_in(choose) if choose.random() < 0.3 else _random_out(choose)
        for _ in range(COMMANDS)
    ]


def _random_in(choose: random.Random) -> Command:
    action = choose.choice([0, 1, 2, 3, 3, 3, 4, 0x1F])
    length = choose.choice([0, 1, 7, 8, 16, 24, 255, 4096, 8192])
    return Command(choose.randrange(HOSTS), persistent_reserve_in(action, length), b"")


def _random_out(choose: random.Random) -> Command:
    action = choose.choice([0, 0, 0, 1, 1, 2, 3, 4, 4, 6, 6, 7, 8, 0x1F])
    type_ = choose.choice([0, 1, 3, 5, 6, 7, 8, 0x15])
    data = parameter_list(choose.choice(KEYS), choose.choice(KEYS), choose.choice([0, 0, 0, 1, 4]))
    data = data[: choose.choice([24] * 9 + [0, 23])]
    return Command(choose.randrange(HOSTS), persistent_reserve_out(action, type_, len(data)), data)


def replies(helper: Helper, commands: list[Command]) -> list[bytes]:
    """Send commands to a disk that is new every time, and the same every time."""
    disk = create_disk("differential", HOSTS, first=11)
    with Client(helper.socket) as client:
        received = [
            client.command(disk.hosts[command.host].generic, command.cdb, command.data)
            for command in commands
        ]
    disk.remove()
    return received


def test_our_helper_and_qemu_s_give_the_same_replies(start_helper: StartHelper) -> None:
    commands = random_commands(random.Random(SEED))

    ours = replies(start_helper("ours", "/run/lab/ours.sock"), commands)
    theirs = replies(start_helper("c", "/run/lab/theirs.sock"), commands)

    different = [
        f"{number}: {command.cdb.hex()} {command.data.hex()} from host {command.host}:\n"
        f"  ours   {mine.hex()}\n  theirs {other.hex()}"
        for number, (command, mine, other) in enumerate(zip(commands, ours, theirs, strict=True))
        if mine != other
    ]
    assert not different, "\n".join(different)
    assert len({reply[:8] + reply[8:24] for reply in theirs}) > 5  # the commands were no monotony
