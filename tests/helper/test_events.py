"""The table of events is what the helper reports: no event is missing in it, none is left over."""

import re
from pathlib import Path

import pytest

from qemu_pr import helper
from qemu_pr.helper.events import EVENTS, NORMAL, QUIET, Events

SOURCES = [path.read_text() for path in Path(helper.__file__).parent.rglob("*.py")]


def test_every_event_is_reported_and_every_report_is_an_event():
    reported = {
        name
        for source in SOURCES
        for name in re.findall(r'(?:events|self)\(\s*"(pr_helper_\w+)"', source)
    }

    assert reported == set(EVENTS)


def test_who_listens_hears_the_values_whatever_is_logged():
    events = Events(QUIET)
    heard = []
    events.listen("pr_helper_close", heard.append)
    events.listen("pr_helper_close", lambda client: heard.append(-client))
    events("pr_helper_close", 7)
    events("pr_helper_accept", 8, 0)

    assert heard == [7, -7]


def test_a_listener_that_fails_stops_neither_the_event_nor_the_others(capfd):
    events = Events(NORMAL)
    heard = []
    events.listen("pr_helper_close", {}.__getitem__)
    events.listen("pr_helper_close", heard.append)
    events("pr_helper_close", 7)

    assert heard == [7]
    assert capfd.readouterr().err == (
        "qemu-pr-helper: a defect in the helper: pr_helper_close was not recorded: KeyError(7)\n"
    )


def test_what_a_client_chooses_cannot_break_a_line(capfd):
    events = Events(NORMAL)
    events("pr_helper_command_fail", 7, "/dev/x\n<3>\x1b[2J\udcff", "gone")

    assert capfd.readouterr().err == (
        r"qemu-pr-helper: client 7: /dev/x\n<3>\x1b[2J\udcff: gone" "\n"
    )


@pytest.mark.parametrize("name", EVENTS)
def test_a_text_has_one_line(name):
    assert EVENTS[name][1].isprintable()
