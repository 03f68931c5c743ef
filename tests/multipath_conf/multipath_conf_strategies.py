"""Hypothesis strategies for what multipath.conf tests are about."""

import re

from hypothesis import strategies as st

from qemu_pr.multipath_conf.model import SECTIONS, Attribute, Section

NAMES = st.from_regex(r"[a-z_][a-z0-9_.-]{0,15}", fullmatch=True).filter(
    lambda name: name not in frozenset().union(*SECTIONS.values())
)

# Anything but line ends and NUL; a value that gets past the parser in quotes only, too.
VALUES = st.text(max_size=40).map(lambda text: re.sub("[\n\r\0]", "", text)) | st.sampled_from(
    ['"', '""', '2.5" SSD', "#", "!", "{", "}", "", " a  b ", "ä", "\t", "\x1c", "\x85"]
)

ATTRIBUTES = st.builds(Attribute, NAMES, VALUES)


def _section(name: str) -> st.SearchStrategy[Section]:
    inner = [_section(sub) for sub in sorted(SECTIONS.get(name, ()))]
    return st.builds(
        Section, st.just(name), st.lists(st.one_of(ATTRIBUTES, *inner), max_size=5).map(tuple)
    )


SECTION_LISTS = st.lists(st.sampled_from(sorted(SECTIONS[None])).flatmap(_section), max_size=5).map(
    tuple
)

_WORDS = st.sampled_from(
    [
        *("defaults", "multipaths", "multipath", "overrides", "protocol", "blacklist", "devices"),
        *("device", "wwid", "reservation_key", "bogus", "{", "}", "#", "!", '"', '""', "\\"),
        *(" ", "  ", "\t", "\r", "ä", "\f", "\v"),
        *("0x1", "0x2:aptpl", "file", "a", "b", "zz", "0", "0x0:x", "12345678901234567", '"a b"'),
    ]
)
_LINES = st.sampled_from(
    [
        *("defaults {", "multipaths {", "multipath {", "}", "}", "}", "}", "defaults", "multipath"),
        *("wwid a", "wwid b", 'wwid "a"', "reservation_key 0x1", "reservation_key 0xA:aptpl"),
        *("reservation_key file", 'reservation_key "0x2"', "reservation_key 3 # comment"),
        *("# comment", "", "overrides {", "protocol {", "{", "bogus {", "bogus 1", "alias x"),
        *("all_tg_pt yes", "all_tg_pt no", "all_tg_pt true", "all_tg_pt 1", "defaults {"),
        *("devices {", "device {", "vendor a", "product b", "overrides", "} reservation_key 5"),
    ]
)

CONFUSED_TEXTS = st.lists(
    st.one_of(_LINES, _LINES, st.lists(_WORDS, max_size=5).map(" ".join)), max_size=14
).map(lambda lines: "".join(f"{line}\n" for line in lines))
"""Texts that are nearly a multipath.conf."""
