"""`qemu-pr persist` and `qemu-pr status` on a real disk, beside the real sg_persist."""

import json
import re
import subprocess
from collections.abc import Callable

import pytest

from in_process import Done, qemu_pr
from lab_helper import Helper
from target import Host

# It counts on from one play to the next; in a hex dump it is the first four bytes.
GENERATION = re.compile(r"PR generation=0x[0-9a-f]+|^(?: 00     )?00 00 00 [0-9a-f]{2}(?= 00)")

# A life of two hosts: the host that sends, and sg_persist's arguments. Errors are part of it.
SCENARIO = [
    (0, "--in --read-keys"),
    (0, "--in --read-reservation"),
    (0, "--in --report-capabilities"),
    (0, "--in --read-full-status"),
    (0, "--out --reserve --param-rk=0xa --prout-type=1"),  # not registered
    (0, "--out --register --param-sark=0xa"),
    (1, "--out --register --param-sark=0xb --param-aptpl"),
    (2, "--out --register-ignore --param-sark=0xc --param-alltgpt"),
    (0, "-i -k"),
    (0, "-i -s"),
    (0, "-i -c"),
    (0, "--in --read-keys --hex"),
    (0, "-i -k -HH"),
    (0, "-i -k -HHH"),
    (0, "-i -c -H"),
    (0, "-i -s -H"),
    (0, "--in --read-keys --alloc-length=20"),  # with less, sg_persist prints its own memory
    (0, "--out --reserve --param-rk=0xa --prout-type=5"),
    (1, "-i -r"),
    (1, "-i -s"),
    (1, "--out --reserve --param-rk=0xb --prout-type=5"),  # conflict
    (1, "--out --register --param-rk=0x99 --param-sark=0xd"),  # conflict
    (1, "--out --release --param-rk=0xb --prout-type=5"),  # not the holder: nothing happens
    (0, "--out --release --param-rk=0xa --prout-type=1"),  # another type
    (0, "--out --reserve --param-rk=0xa --prout-type=2"),  # no such type
    (1, "--out --preempt --param-rk=0xb --param-sark=0xa --prout-type=6"),
    (0, "--in --read-keys"),  # unit attention
    (0, "--in --read-keys"),
    (2, "--in --read-keys"),  # unit attention: the type changed
    (1, "-i -r"),
    (1, "--out --release --param-rk=0xb --prout-type=6"),
    (1, "--out --clear --param-rk=0xb"),
    (2, "--in --read-keys"),  # unit attention
    (2, "--in --read-keys"),
    (1, "--out --replace-lost --param-rk=0xb"),  # not supported
    (0, "--in --read-keys -y"),
]


Run = Callable[[list[str], str], Done]


def sg_persist(*arguments: str) -> Done:
    done = subprocess.run(
        ["sg_persist", "--no-inquiry", *arguments], capture_output=True, text=True
    )
    return Done(done.returncode, done.stdout, done.stderr)


def live(hosts: list[Host], run: Run) -> list[tuple[str, int, str]]:
    """Play the scenario; give each command's exit status and output."""
    played = []
    for number, arguments in SCENARIO:
        done = run(arguments.split(), hosts[number].disk)
        printed = GENERATION.sub("PR generation=N", done.stdout)
        played.append((f"host {number}: {arguments}", done.status, printed))
    return played


def test_persist_is_sg_persist_through_a_helper(helper: Helper, hosts: list[Host]) -> None:
    def ours(arguments: list[str], disk: str) -> Done:
        return qemu_pr("persist", "--no-inquiry", "--socket", helper.socket, *arguments, disk)

    def theirs(arguments: list[str], disk: str) -> Done:
        return sg_persist(*arguments, disk)

    expected = live(hosts, theirs)
    got = live(hosts, ours)

    assert got == expected
    assert {0, 5, 6, 24} <= {status for _, status, _ in expected}


@pytest.mark.parametrize("through_helper", [True, False], ids=["helper", "device"])
def test_status_shows_the_holder_and_who_may_write(
    helper: Helper, hosts: list[Host], through_helper: bool
) -> None:
    for number, key in ((0, "0xa"), (1, "0xb")):
        sg_persist("--out", "--register", f"--param-sark={key}", hosts[number].disk)
    sg_persist("--out", "--reserve", "--param-rk=0xa", "--prout-type=1", hosts[0].disk)
    socket = ["--socket", helper.socket] if through_helper else []

    text = qemu_pr("status", *socket, hosts[2].disk)
    data = qemu_pr("status", "--json", *socket, hosts[2].disk)

    first = text.stdout.splitlines()[0]
    assert (text.status, data.status) == (0, 0), text.stderr + data.stderr
    assert first.endswith(f"RESERVED by {hosts[0].initiator}, type 1 (Write Exclusive)")
    rows = [line.split() for line in text.stdout.splitlines()]
    assert [hosts[0].initiator, "1", "0xa", "yes", "yes", "yes"] in rows
    assert [hosts[1].initiator, "2", "0xb", "no", "yes", "no"] in rows
    assert ["everyone", "else", "-", "-", "-", "yes", "no"] in rows
    assert len(json.loads(data.stdout)) == 1
