"""The parser and the real multipath read the same from a file, however wrong it is."""

import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from multipath_conf_strategies import CONFUSED_TEXTS
from multipath_host import Host, multipath_t
from multipath_keys import Keys, keys
from qemu_pr.multipath_conf import this_host
from qemu_pr.multipath_conf.check import Surroundings, check
from qemu_pr.multipath_conf.configuration import Configuration, File
from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.model import Attribute, Section
from qemu_pr.multipath_conf.parser import parse
from qemu_pr.multipath_conf.renderer import render
from qemu_pr.multipath_conf.reservation_key import ReservationKey

REAL = Path(__file__).parent / "real"
REFUSED = "multipath refuses the file"


def read_by_multipath(text: str, drop_ins: dict[str, str] | None = None) -> Keys | str:
    """The keys that multipath reads, by WWID, and the default by None."""
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        host.write("etc/multipath.conf", text)
        for name, drop_in in (drop_ins or {}).items():
            host.write(f"etc/multipath/conf.d/{name}", drop_in)
        shown = multipath_t(host)
    if "error parsing config file" in shown.stderr:
        return REFUSED
    return keys(Configuration.of([File.parse("multipath -t", shown.stdout)]))


def read_by_us(text: str, drop_ins: dict[str, str] | None = None) -> Keys | str:
    file = File.parse("multipath.conf", text)
    if any(not valid(value) for section in file.parsed.sections for value in values(section)):
        return REFUSED
    more = [File.parse(name, drop_in) for name, drop_in in sorted((drop_ins or {}).items())]
    return keys(Configuration.of([file, *more]))


def values(section: Section) -> list[str]:
    """The reservation keys that multipath looks at."""
    inner = [value for entry in section.sections("multipath") for value in values(entry)]
    if section.name not in ("defaults", "multipath"):
        return inner
    return [attribute.value for attribute in section.attributes("reservation_key")] + inner


def valid(value: str) -> bool:
    try:
        ReservationKey.parse(value)
    except MultipathConfError:
        return False
    return True


def test_drop_ins_count_without_the_file_that_is_read_first(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.write("etc/multipath/conf.d/keys.conf", "defaults {\n reservation_key file\n}\n")
    shown = multipath_t(host).stdout

    ours = keys(this_host.read(tmp_path))

    assert ours == {None: "file"}
    assert ours == keys(Configuration.of([File.parse("multipath -t", shown)]))


ONE_MAP = "multipaths {{\nmultipath {{\nwwid a\n{}\n}}\n}}\n"

TEXTS = [
    "",
    "defaults {\n reservation_key 123abc\n}\n",
    "defaults {\n reservation_key 0X123ABC\n}\n",
    "defaults {\n reservation_key 0\n}\n",
    "defaults {\n reservation_key 00\n}\n",
    "defaults {\n reservation_key 0x\n}\n",
    "defaults {\n reservation_key x12\n}\n",
    "defaults {\n reservation_key 0xfedcba9876543210\n}\n",
    "defaults {\n reservation_key 0x12345678901234567\n}\n",
    "defaults {\n reservation_key 01234567890123456\n}\n",
    "defaults {\n reservation_key 12345678901234567\n}\n",
    "defaults {\n reservation_key FILE\n}\n",
    "defaults {\n reservation_key file:aptpl\n}\n",
    'defaults {\n reservation_key "file"\n}\n',
    'defaults {\n reservation_key " 0x1"\n}\n',
    'defaults {\n reservation_key ""\n}\n',
    "defaults {\n reservation_key\n}\n",
    "defaults {\n reservation_key 0x1:APTPL\n}\n",
    "defaults {\n reservation_key 0x1:\n}\n",
    "defaults {\n reservation_key 0x1 :aptpl\n}\n",
    'defaults {\n reservation_key "0x1:aptpl\n}\n',
    'defaults {\n reservation_key"0x1"\n}\n',
    'defaults {\n reservation_key 0x1"2"\n}\n',
    'defaults {\n "reservation_key" 0x1\n}\n',
    "defaults {\n reservation_key 0x1#2\n}\n",
    "defaults {\n reservation_key 0x1!2\n}\n",
    "defaults {\n reservation_key 0x1{\n}\n",
    "defaults {\n reservation_key {\n}\n",
    "defaults {\n reservation_key }\n}\n",
    "defaults {\n reservation_key 0x1\\\n}\n",
    "\ufeffdefaults {\n\u00a0reservation_key\u00a00x1ä2\n}\n",
    "defaults {\r\n reservation_key 0x1\r\n}\r\n",
    "\r\rdefaults {\n reservation_key 0x1\r junk\n}\n",
    "defaults {\r reservation_key 0x1\r}\n",
    "defaults {\n reservation_key 0x1\0 2\n}\n",
    "defaults {\n" + " " * 2000 + "reservation_key 0x1\n}\n",
    "defaults {\n#" + "x" * 1022 + "reservation_key 0x1\n}\n",
    "defaults {\n#" + "x" * 1021 + " reservation_key 0x1\n}\n",
    "defaults {\n reservation_key 0x1",
    "defaults {\n reservation_key 0x1\n} reservation_key 0x2\n",
    'defaults {\n reservation_key 0x1\n"}"\n',
    "defaults { reservation_key 0x1 }\n",
    "defaults\n{\n reservation_key 0x1\n}\n",
    "defaults reservation_key {\n reservation_key 0x1\n}\n",
    "overrides\n{\n}\ndefaults {\n reservation_key 0x1\n}\n",
    "overrides {\n protocol\n type scsi:fcp\n }\n}\ndefaults {\n reservation_key 0x1\n}\n",
    "overrides {\n reservation_key 0x1\n}\n",
    "defaults {\n bogus {\n reservation_key 0x1\n }\n reservation_key 0x2\n}\n",
    "bogus {\n reservation_key 0x1\n}\ndefaults {\n reservation_key 0x2\n}\n",
    "defaults {\n reservation_key 0x1\n reservation_key 0x2\n}\n",
    "defaults {\n reservation_key 0x1\n}\ndefaults {\n reservation_key 0x2\n}\n",
    "multipath {\n wwid a\n reservation_key 0x1\n}\n",
    "multipaths {\n reservation_key 0x1\n}\n",
    "multipaths\nmultipath\nwwid a\nreservation_key 0x1\n",
    ONE_MAP.format("reservation_key 0x1"),
    ONE_MAP.format("wwid b\nreservation_key 0x1\nreservation_key 0x2"),
    ONE_MAP.format("multipath {\nwwid b\nreservation_key 0x1\n}\nreservation_key 0x2"),
    ONE_MAP.format("reservation_key 0x1") + ONE_MAP.format("reservation_key 0x2"),
    ONE_MAP.format("reservation_key 0x1") + ONE_MAP.format("alias x"),
    "multipaths {\nmultipath {\nreservation_key 0x1\n}\n}\n",
    'multipaths {\nmultipath {\nwwid ""\nreservation_key 0x1\n}\n}\n',
    'multipaths {\nmultipath {\nwwid "a ""b"" #{"\nreservation_key 0x1\n}\n}\n',
]


@pytest.mark.parametrize("text", TEXTS)
def test_multipath_reads_the_same_keys(text: str) -> None:
    assert read_by_us(text) == read_by_multipath(text)


@given(CONFUSED_TEXTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_multipath_reads_the_same_keys_from_nearly_right_texts(text: str) -> None:
    assert read_by_us(text) == read_by_multipath(text)


IN_SECTIONS = [
    "defaults {\n%s\n}\n",
    "overrides {\n%s\n}\n",
    "devices {\ndevice {\nvendor A\nproduct B\n%s\n}\n}\n",
    "devices {\n%s\n}\n",
    "multipaths {\nmultipath {\nwwid a\n%s\n}\n}\n",
    "multipaths {\n%s\n}\n",
    "blacklist {\n%s\n}\n",
    "blacklist {\ndevice {\nvendor A\n%s\n}\n}\n",
    "overrides {\nprotocol {\ntype scsi:fcp\n%s\n}\n}\n",
]


@pytest.mark.parametrize("section", IN_SECTIONS)
@pytest.mark.parametrize("value", ["yes", "no", "1", "0", "true", "on", "YES", '"yes"', "2", '""'])
def test_multipath_takes_the_same_all_tg_pt(section: str, value: str) -> None:
    text = section % f"all_tg_pt {value}"

    assert all_tg_pt_lines_we_name(text) == all_tg_pt_lines_multipath_names(text)


@given(CONFUSED_TEXTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_multipath_ignores_the_same_all_tg_pt(text: str) -> None:
    if read_by_multipath(text) != REFUSED:
        assert all_tg_pt_lines_multipath_names(text) <= all_tg_pt_lines_we_name(text)


def all_tg_pt_lines_multipath_names(text: str) -> set[int]:
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        host.write("etc/multipath.conf", text)
        complaints = multipath_t(host).stderr.splitlines()
    ignored = [one for one in complaints if "all_tg_pt" in one and "duplicate" not in one]
    return {int(number) for one in ignored for number in re.findall(r"\bline (\d+)", one)}


def all_tg_pt_lines_we_name(text: str) -> set[int]:
    found = check(Configuration.of([File.parse("multipath.conf", text)]), Surroundings())
    return {one.problem.line for one in found if "all_tg_pt" in one.problem.what}


@pytest.mark.parametrize("name", sorted(path.name for path in REAL.iterdir()))
def test_multipath_reads_the_same_from_real_files(name: str) -> None:
    text = (REAL / name).read_text()
    expected = {int(line) for line in re.findall(r"\d+", text.split("\n")[0])}

    found = check(Configuration.of([File.parse(name, text)]), Surroundings())

    assert read_by_us(text) == read_by_multipath(text)
    assert {one.problem.line for one in found} == expected


def test_multipath_reads_drop_ins_in_the_same_order() -> None:
    text = "defaults {\nreservation_key 0x1\n}\n" + ONE_MAP.format("reservation_key 0x5")
    drop_ins = {
        "b.conf": "defaults {\nreservation_key 0x99\n}\n" + ONE_MAP.format("alias k"),
        "a.conf": "defaults {\nreservation_key 0x98\n}\n",
    }

    ours = read_by_us(text, drop_ins)

    assert ours == read_by_multipath(text, drop_ins) == {None: "0x99", "a": "0x5"}


def test_multipath_complains_in_the_same_lines() -> None:
    text = (
        "bogus {\n}\ndefaults\n{\n reservation_key\n verbosity 2 3\n}\n}\n"
        'multipaths {\n multipath {\n "wwid" a\n wwid "b\n alias "c" d\n } x\n'
    )
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        host.write("etc/multipath.conf", text)
        complaints = multipath_t(host).stderr
    lines = {int(number) for number in re.findall(r"(?:on|at)? ?line (\d+)", complaints)}

    ours = {problem.line for problem in parse(text).problems}

    assert ours - {9} == lines  # 9: the section without end, for which multipath tells no line


def test_what_multipath_prints_has_no_problems() -> None:
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        host.write("etc/multipath.conf", ONE_MAP.format('alias "2.5"" SSD"\nreservation_key file'))
        printed = multipath_t(host).stdout

    parsed = parse(printed)

    assert parsed.problems == ()
    assert len(parsed.sections) >= 6
    (multipaths,) = (one for one in parsed.sections if one.name == "multipaths")
    assert list(multipaths.sections("multipath")) == [
        Section(
            "multipath",
            (
                Attribute("wwid", "a"),
                Attribute("alias", '2.5" SSD'),
                Attribute("reservation_key", "file"),
            ),
        )
    ]


def test_multipath_has_nothing_to_say_about_what_is_rendered() -> None:
    entry = Section(
        "multipath",
        (
            Attribute("wwid", "36001405"),
            Attribute("alias", 'a name {} # "q"'),
            Attribute("reservation_key", "0x123abc:aptpl"),
        ),
    )
    with tempfile.TemporaryDirectory() as directory:
        host = Host(Path(directory))
        host.write("etc/multipath.conf", render([Section("multipaths", (entry,))]))
        shown = multipath_t(host)

    multipaths = [one for one in parse(shown.stdout).sections if one.name == "multipaths"]
    assert "multipath.conf" not in shown.stderr
    assert multipaths == [Section("multipaths", (entry,))]
