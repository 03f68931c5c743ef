"""Figures: what they show, that they fit, and that whoever does not see them gets them in words."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sphinx.cmd.build import main as sphinx_build

from qemu_pr.manual import drawing, list_tables
from qemu_pr.manual.drawing import Arrow
from qemu_pr.manual.reservation_life import reservation_life

places = st.sampled_from(["Guest", "Host <A>", "Disk", "Kernel & co."])
words = st.text("abc <&>\"'", min_size=1).filter(str.strip)
arrows = st.builds(Arrow, places, places, words).filter(lambda arrow: arrow.start != arrow.end)


@pytest.mark.parametrize("draw", [drawing.sequence, drawing.stack])
@given(drawn=st.lists(arrows, min_size=1, max_size=8, unique=True))
def test_a_drawing_is_xml_that_says_what_it_draws_and_stays_within_its_frame(draw, drawn):
    svg = ElementTree.fromstring(draw(drawn))

    said = "".join("".join(svg.itertext()).split())
    for arrow in drawn:
        assert "".join(arrow.label.split()) in said
    points = [
        float(point.split(",")[0])
        for line in svg.iter("{http://www.w3.org/2000/svg}polyline")
        for point in line.get("points").split()
    ]
    assert len(points) >= 2 * len(drawn)
    assert max(points) <= drawing.WIDTH


def test_an_arrow_is_read_from_a_line():
    assert drawing.read(["", "Host A -> Disk: REGISTER: key 0xa"]) == [
        Arrow("Host A", "Disk", "REGISTER: key 0xa")
    ]


def test_the_life_of_a_reservation_is_what_the_simulated_disk_does():
    ways = {(arrow.start, arrow.end): arrow.label for arrow in reservation_life()}

    assert ways == {
        ("Not registered", "Registered"): "REGISTER",
        ("Registered", "Reservation holder"): "RESERVE, PREEMPT",
        ("Reservation holder", "Registered"): "RELEASE",
        ("Registered", "Not registered"): (
            "REGISTER with key 0, CLEAR; another host: CLEAR, PREEMPT"
        ),
        ("Reservation holder", "Not registered"): (
            "REGISTER with key 0, CLEAR; another host: CLEAR, PREEMPT"
        ),
    }


@pytest.fixture
def build(tmp_path):
    def build(text, builder, *options):
        (tmp_path / "index.rst").write_text(f"Page\n====\n\n{text}")
        (tmp_path / "conf.py").write_text('extensions = ["qemu_pr.manual.figures"]\n')
        out = tmp_path / builder
        status = sphinx_build(["-q", *options, "-b", builder, str(tmp_path), str(out)])
        return status, out

    return build


FIGURE = ".. figure-sequence:: Two hosts\n\n   Host A -> Disk: RESERVE\n"


def test_a_figure_says_in_html_what_it_shows_to_those_who_do_not_see_it(build):
    _, out = build(FIGURE, "html")

    page = (out / "index.html").read_text()
    assert 'role="img" aria-label="Two hosts Host A to Disk: RESERVE."' in page
    assert page.count("<svg") == 1
    assert "Host A to Disk" not in re.sub('aria-label="[^"]*"', "", page)


def test_a_figure_is_words_where_there_is_no_html(build):
    _, out = build(FIGURE, "text")

    assert "Host A to Disk: RESERVE." in (out / "index.txt").read_text()


def test_a_line_that_is_no_arrow_fails_the_build(build, capfd):
    status, _ = build(".. figure-stack:: Two hosts\n\n   Host A: RESERVE\n", "html", "-W")

    assert status != 0
    assert "expected FROM -> TO: LABEL, not 'Host A: RESERVE'" in capfd.readouterr().err


def test_every_sense_has_a_name_and_an_advice():
    header, *rows = list_tables.sense_rows()

    assert header == ["Sense", "Name", "What to do", "Exit status"]
    assert ["06/2A/05", "REGISTRATIONS PREEMPTED"] in [row[:2] for row in rows]
    assert all(all(row) for row in rows)
