"""What a page keeps to besides being true: exact headings, and the words of the standards."""

import re
from pathlib import Path

import pytest

from rendered_manual import PAGES, ROOT, Page

ADORNMENT = re.compile(r"([=\-~^\"'*+#])\1+")

# What SPC-4, SAM-5, QEMU and multipath-tools call a thing, and how it gets misspelt.
TERMS = {
    "persistent reservation": r"persist[ae]nt[- ]reserv(?!ation)\w+|persistant",
    "PERSISTENT RESERVE OUT": r"PERSISTENT RESERVATION OUT|PERSISTENT RESERVE-OUT",
    "PERSISTENT RESERVE IN": r"PERSISTENT RESERVATION IN|PERSISTENT RESERVE-IN",
    "I_T nexus": r"(?i:\bI-T nexus|\bIT nexus|\bI/T nexus)|\bi_t nexus|I_T Nexus",
    "reservation key": r"registration key|(?i:reservationkey)",
    "RESERVATION CONFLICT": r"RESERVATION-CONFLICT|RESERVATION_CONFLICT",
    "unit attention condition": r"Unit Attention|unit-attention",
    "CHECK CONDITION": r"CHECK_CONDITION|Check Condition",
    "Write Exclusive, registrants only": (
        r"(?i:write exclusive,? ?-? registrants only)(?<!Write Exclusive, registrants only)"
    ),
    "PREEMPT AND ABORT": r"PREEMPT & ABORT|PREEMPT-AND-ABORT",
    "TransportID": r"Transport-ID|TransportId\b",
    "logical unit": r"Logical Unit\b|logical-unit",
    "multipath map": r"multi-path|mutlipath|multipath-map",
    "libmpathpersist": r"libmpath-persist|libmpathpersistent",
    "qemu-pr-helper": r"qemu-prhelper|qemu_pr_helper",
    "initiator port": r"initiator-port",
}


def badly_adorned(text: str) -> list[str]:
    lines = text.splitlines()
    bad = []
    for above, title, below in zip(["", *lines], lines, [*lines[1:], ""], strict=False):
        if title.strip() and title == title.lstrip() and ADORNMENT.fullmatch(below):
            overline = ADORNMENT.fullmatch(above)
            lengths = {len(below)} | ({len(above)} if overline else set())
            if not ADORNMENT.fullmatch(title) and lengths != {len(title)}:
                bad.append(title)
    return bad


@pytest.mark.parametrize("page", PAGES)
def test_headings_are_adorned_exactly_as_long_as_they_are(page: str) -> None:
    assert badly_adorned((ROOT / "docs" / f"{page}.rst").read_text()) == []


def test_a_heading_with_a_wrong_adornment_is_found() -> None:
    text = "====\nGood\n====\n\nToo short\n========\n\nToo long\n---------\n\n=====\nAbove\n====\n"

    assert badly_adorned(text) == ["Too short", "Too long", "Above"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("term", TERMS)
def test_the_pages_spell_a_term_as_its_standard_does(term: str, html: Path) -> None:
    pages = {page: Page(html / f"{page}.html") for page in PAGES}

    found = {name: re.findall(TERMS[term], page.prose) for name, page in pages.items()}

    assert {page: words for page, words in found.items() if words} == {}


@pytest.mark.parametrize("term", TERMS)
def test_a_term_is_no_misspelling_of_itself(term: str) -> None:
    assert re.findall(TERMS[term], term) == []
