"""Texts of multipath.conf: any is read to its end, and what was read is written and read again."""

from qemu_pr.multipath_conf.configuration import Configuration, File
from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.parser import parse
from qemu_pr.multipath_conf.renderer import render

SIZE_MAX = 400
_WORDS = (
    "defaults {\n blacklist { devices { device { multipaths { multipath { overrides protocol {"
    ' reservation_key wwid alias prkeys_file 0x1 file :aptpl }\n # ! " "" \r \0'
)
WORDS = _WORDS.encode().split(b" ")


def check(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    parsed = parse(text)
    lines = text.count("\n") + 1
    assert all(1 <= problem.line <= lines for problem in parsed.problems)
    assert list(parsed.problems) == sorted(parsed.problems)
    configuration = Configuration.of([File("multipath.conf", parsed)])
    for wwid, entry in configuration.entries.items():
        assert wwid == entry.wwid
        assert 1 <= entry.line <= lines
    try:
        written = render(parsed.sections)
    except MultipathConfError:
        return
    again = parse(written)
    assert again.sections == parsed.sections
    assert again.problems == ()
