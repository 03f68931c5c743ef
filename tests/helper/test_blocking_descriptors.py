"""Descriptors whose close() waits as long as their sender likes cost nobody else anything.

`blocking_descriptors` has the kinds of descriptors and the ways to pass them.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from blocking_descriptors import (
    KINDS,
    LIMIT,
    WAYS,
    Attacker,
    Descriptors,
    NotPermitted,
    attacked,
    half_sent_then_the_end,
    half_sent_until_it_times_out,
    two_with_one_command,
    with_a_good_request,
    with_the_handshake,
    worst_wait,
)
from helper_process import exists, wait_for
from process_tree import tree_of
from requirements import unavailable

pytestmark = pytest.mark.slow

TRIES = 8
STOP = 40  # seconds: longer than what the manual promises


def make(kind: str) -> Descriptors:
    try:
        return KINDS[kind]()
    except NotPermitted as error:
        unavailable(str(error))
        raise


@pytest.mark.parametrize(("way", "kind"), [(way, kind) for way in WAYS for kind in WAYS[way].kinds])
def test_an_innocent_is_always_answered(folder, way, kind):
    options, user = WAYS[way].options, WAYS[way].innocent_user
    if user is not None and os.geteuid() != 0:
        unavailable("only root can have clients of two users")
    with attacked(folder, options, make(kind), user) as (_, attacker, innocent):
        worst_wait(WAYS[way], attacker, innocent, TRIES, LIMIT)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "way",
    [
        half_sent_then_the_end,
        half_sent_until_it_times_out,  # it does not before the stop: it is half-sent then
        two_with_one_command,
        with_a_good_request,
        with_the_handshake,
    ],
)
def test_one_sigterm_ends_the_helper(folder: Path, kind: str, way: Callable[[Attacker], None]):
    with attacked(folder, (), make(kind)) as (process, attacker, _):
        way(attacker)
        if way is not half_sent_until_it_times_out:
            wait_for(lambda: attacker.descriptors.blocking() > 0, "a descriptor that blocks")
        processes = tree_of(process.pid)

        process.terminate()

        assert process.wait(STOP) in (0, 1)
        assert sorted(os.listdir(folder)) == ["disk", "log"]
        attacker.descriptors.release()
        wait_for(lambda: not any(map(exists, processes)), "all its processes end")


def test_one_sigterm_ends_the_helper_while_many_wait(folder):
    ways = (half_sent_then_the_end, two_with_one_command, with_a_good_request)
    with attacked(folder, (), make("linger")) as (process, attacker, _):
        for way in ways * 10:
            with suppress(OSError, EOFError):
                way(attacker)
        wait_for(lambda: attacker.descriptors.blocking() > 0, "descriptors that block")

        process.terminate()

        assert process.wait(STOP) in (0, 1)
        assert sorted(os.listdir(folder)) == ["disk", "log"]
