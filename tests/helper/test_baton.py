"""One thread polls at a time, and another one takes over while that is held up."""

import threading

from helper_process import PATIENCE, wait_for
from qemu_pr.helper.baton import Baton


def in_thread(function) -> threading.Thread:
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    return thread


def first_holder() -> Baton:
    baton = Baton()
    assert baton.wait() is None
    return baton


def test_a_baton_that_is_picked_up_at_once_stays_with_its_holder():
    baton = first_holder()

    assert all(baton.pick_up(baton.lay_down()) for _ in range(1000))


def test_the_one_who_stands_by_gets_the_baton_that_is_passed_on():
    baton = first_holder()
    taken = []
    standby = in_thread(lambda: taken.append(baton.wait()))

    baton.pass_on()

    standby.join(PATIENCE)
    assert taken == [None]


def test_whoever_is_held_up_loses_the_baton():
    baton = first_holder()
    laid_down = baton.lay_down()

    baton.wait().release()

    assert not baton.pick_up(laid_down)


def test_whoever_is_held_up_goes_on_only_when_the_other_has_taken_over():
    baton = first_holder()
    laid_down = baton.lay_down()
    taken = baton.wait()
    came_back = threading.Event()
    in_thread(lambda: (baton.pick_up(laid_down), came_back.set()))

    assert not came_back.wait(0.05)
    taken.release()

    assert came_back.wait(PATIENCE)


def test_whoever_was_held_up_does_not_get_the_baton_that_the_other_laid_down():
    baton = first_holder()
    first = baton.lay_down()
    baton.wait().release()
    second = baton.lay_down()

    assert not baton.pick_up(first)
    assert baton.pick_up(second)


def test_a_sleeping_standby_wakes_when_there_is_something_to_watch():
    baton = first_holder()
    held_up = []
    in_thread(lambda: held_up.append(baton.wait()))
    wait_for(lambda: baton._sleeping, "the standby sleeps")

    baton.lay_down()

    wait_for(lambda: len(held_up) == 1, "the standby takes over")


def test_whatever_happens_one_thread_holds_the_baton():
    """As in the server: each thread stands by, holds the baton for a while, and starts anew."""
    baton = Baton()
    holders = []
    turns = []
    crowded = []

    def live() -> None:
        while len(turns) < 300:
            taken = baton.wait()
            if taken:
                taken.release()
            holders.append(1)
            if len(holders) > 1:
                crowded.append(len(turns))
            turns.append(1)
            for step in range(20):
                holders.pop()
                laid_down = baton.lay_down()
                if step == 10 and len(turns) % 3:
                    threading.Event().wait(0.005)  # held up
                if not baton.pick_up(laid_down):
                    break
                holders.append(1)
            else:
                holders.pop()
                baton.pass_on()

    threads = [in_thread(live) for _ in range(2)]

    wait_for(lambda: len(turns) >= 300, "300 turns")
    assert crowded == []
    baton.pass_on()
    baton.pass_on()
    for thread in threads:
        thread.join(PATIENCE)
