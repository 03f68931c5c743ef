"""Each rule of the check: what it finds, in which line, and what it leaves alone."""

import pytest
from hypothesis import given

from multipath_conf_strategies import CONFUSED_TEXTS
from qemu_pr.multipath_conf.check import Surroundings, check
from qemu_pr.multipath_conf.configuration import Configuration, File
from qemu_pr.multipath_conf.reservation_key import ReservationKey

A, B = "36001405" + "a" * 25, "36001405" + "b" * 25

DEFAULT = "defaults {\n    reservation_key 0xd\n}\n"
BY_FILE = "defaults {\n    reservation_key file\n}\n"
TWO_MAPS = f"""\
multipaths {{
    multipath {{
        wwid {A}
        reservation_key 0xa
    }}
    multipath {{
        wwid {B}
        reservation_key 0xb
    }}
}}
"""


def read(*texts: str, name: str = "conf") -> Configuration:
    """A host's configuration, of files conf, conf1 and so on."""
    return Configuration.of(
        File.parse(f"{name}{index or ''}", text) for index, text in enumerate(texts)
    )


def found(configuration: Configuration, **known: object) -> list[str]:
    """Where something is found, and what."""
    return [
        f"{finding.file}:{finding.problem.line}: {finding.problem.what}: {finding.problem.why}"
        for finding in check(configuration, Surroundings(**known))  # type: ignore[arg-type]
    ]


@pytest.mark.parametrize("text", [DEFAULT, BY_FILE, TWO_MAPS, DEFAULT + TWO_MAPS])
def test_nothing_is_found_where_all_is_well(text: str) -> None:
    configuration = read(text)

    findings = found(
        configuration,
        disks={A: "/dev/mapper/a"},
        maps=[A, B],
        registered={A: [] if text == BY_FILE else [0xA, 0xD], B: []},
        remembered={},
        running=configuration,
        others=[read(text.replace("0x", "0x5"), name="other")],
    )

    assert findings == []


@given(CONFUSED_TEXTS)
def test_any_file_can_be_checked(text: str) -> None:
    configuration = read(text)

    findings = check(
        configuration,
        Surroundings(
            disks={"a": "x"}, maps=["a"], registered={"a": [7]}, others=[read(text, name="other")]
        ),
    )

    assert all("\n" not in str(finding) for finding in findings)


def test_no_key_at_all() -> None:
    (finding,) = found(read("\ndefaults {\n}\n"))

    assert finding.startswith("conf:2: reservation_key: there is none, so multipathd registers no")


def test_no_key_for_a_map() -> None:
    (finding,) = found(read(TWO_MAPS.replace("reservation_key 0xa", "alias x")))

    assert finding.startswith(f"conf:2: wwid {A}: it has no reservation_key")


def test_no_key_for_a_disk_that_was_named() -> None:
    text = TWO_MAPS.replace(B, "3600")

    (finding,) = found(read(text), disks={A: "/dev/mapper/a", B: "/dev/mapper/b"})

    assert finding.startswith(f"conf:1: /dev/mapper/b ({B}): neither defaults nor an entry")


@pytest.mark.parametrize("value", ["0x0", "00", "0x0000000000000000:aptpl"])
def test_key_0(value: str) -> None:
    (finding,) = found(read(DEFAULT.replace("0xd", value)))

    assert finding.startswith(f"conf:2: reservation_key {value}: key 0 means no key")


def test_a_value_that_is_no_key_is_an_error_of_syntax() -> None:
    (finding,) = check(read(DEFAULT.replace("0xd", "0xyellow")), Surroundings())

    assert (finding.problem.line, finding.problem.syntax) == (2, True)
    assert str(finding).startswith("conf:2: reservation_key 0xyellow: it is no key, and multipathd")


def test_a_flag_that_multipath_ignores() -> None:
    (finding,) = found(read(DEFAULT.replace("0xd", "0xd:APTPL")))

    assert (
        finding == "conf:2: reservation_key 0xd:APTPL: multipath ignores 'APTPL' behind the colon"
    )


def test_a_key_that_another_line_replaces() -> None:
    (finding,) = found(read("defaults {\nreservation_key 0x1\nreservation_key 0x2\n}\n"))

    assert finding == (
        "conf:2: reservation_key 0x1: line 3 sets another one in the same section, which wins"
    )


@pytest.mark.parametrize(
    ("text", "line", "section"),
    [
        ("overrides {\nreservation_key 0x1\n}\n", 2, "overrides"),
        ("overrides {\nprotocol {\nreservation_key 0x1\n}\n}\n", 3, "protocol"),
        ("devices {\ndevice {\nreservation_key 0x1\n}\n}\n", 3, "device"),
        ("multipaths {\nreservation_key 0x1\n}\n", 2, "multipaths"),
    ],
)
def test_a_key_where_multipath_ignores_it(text: str, line: int, section: str) -> None:
    findings = found(read(DEFAULT + text))

    assert findings == [
        f"conf:{line + 3}: reservation_key: multipath ignores it in a section {section}"
    ]


def test_an_entry_without_wwid() -> None:
    (finding,) = found(read(DEFAULT + "multipaths {\nmultipath {\nreservation_key 0x1\n}\n}\n"))

    assert finding == "conf:5: multipath: it has no wwid, so multipath ignores the whole entry"


def test_a_prkeys_file_that_newer_releases_ignore() -> None:
    text = "defaults {\nreservation_key file\nprkeys_file {}\n}}\n"

    (finding,) = found(read(text.replace("{}", "/var/keys").replace("}}", "}")))

    assert finding.startswith("conf:3: prkeys_file /var/keys: multipath-tools from 0.9.7 on ignore")
    assert found(read(text.replace("{}", "/etc/multipath/prkeys").replace("}}", "}"))) == []


def test_an_entry_for_a_map_that_is_not_there() -> None:
    (finding,) = found(read(TWO_MAPS), maps=[A])

    assert finding.startswith(f"conf:6: wwid {B}: no map of this host has it")


def test_a_key_that_multipathd_has_not_read() -> None:
    running = read(TWO_MAPS.replace("0xb", "0xc"), name="running")

    (finding,) = found(read(TWO_MAPS), running=running)

    assert finding == "conf:8: reservation_key 0xb: multipathd runs with 0xc"


def test_a_default_that_multipathd_has_not_read() -> None:
    (finding,) = found(read(DEFAULT), running=read("defaults {\n}\n"), disks={A: "a", B: "b"})

    assert finding == "conf:2: reservation_key 0xd: multipathd runs with no key"


def test_a_key_that_is_not_registered() -> None:
    findings = found(read(TWO_MAPS), disks={A: "/dev/mapper/a"}, registered={A: [0x1, 0x2, 0x1]})

    (finding,) = findings
    assert finding.startswith(
        "conf:4: reservation_key 0xa: /dev/mapper/a has other keys only: 0x1, 0x2;"
    )


def test_a_remembered_key_that_is_not_registered() -> None:
    findings = found(
        read(BY_FILE), registered={A: [0x1]}, remembered={A: ReservationKey(0xA, aptpl=True)}
    )

    (finding,) = findings
    assert finding.startswith(
        "conf:2: reservation_key file, for which multipathd remembers 0xa:aptpl: "
    )


def test_a_remembered_key_that_is_registered() -> None:
    findings = found(read(BY_FILE), registered={A: [0xA]}, remembered={A: ReservationKey(0xA)})

    assert findings == []


def test_a_default_that_another_host_has_too() -> None:
    (finding,) = found(read(DEFAULT), others=[read("\n" + DEFAULT, name="other")])

    assert finding.startswith("conf:2: reservation_key 0xd: other:3 has the same")


def test_a_map_s_key_that_another_host_has_in_its_defaults() -> None:
    other = read(DEFAULT.replace("0xd", "0xa:aptpl"), name="other")

    (finding,) = found(read(TWO_MAPS), others=[other])

    assert finding.startswith("conf:4: reservation_key 0xa: other:2 has the same")


def test_the_same_key_for_different_maps_is_not_shared() -> None:
    other = read(TWO_MAPS.replace("0xa", "0xc").replace("0xb", "0xa"), name="other")

    assert found(read(TWO_MAPS), others=[other]) == []


def test_hosts_that_let_multipathd_remember_share_nothing() -> None:
    assert found(read(BY_FILE), others=[read(BY_FILE, name="other")]) == []


def test_what_is_wrong_in_the_file_of_another_host() -> None:
    (finding,) = found(read(DEFAULT), others=[read("defaults {\nx\n}\n", name="other")])

    assert finding == "other:2: x: it has no value, so multipath ignores it"


def test_a_later_file_wins() -> None:
    (finding,) = found(
        read(DEFAULT, DEFAULT.replace("0xd", "0xe")),
        others=[read(DEFAULT.replace("0xd", "0xe"), name="other")],
    )

    assert finding.startswith("conf1:2: reservation_key 0xe: other:2 has the same")


def test_findings_come_by_file_and_line() -> None:
    findings = found(
        read("x\n\ny\n" + DEFAULT, "z\n"), others=[read("a\n" + DEFAULT, name="other")]
    )

    assert [finding.split(": ")[0] for finding in findings] == [
        *("conf:1", "conf:3", "conf:5", "conf1:1", "other:1")
    ]
