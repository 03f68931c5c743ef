"""``qemu-pr persist`` against the real sg_persist: same stdout, same exit status, same command.

Both talk to a helper that answers as the test tells it to. What sg_persist reads beyond its buffer
is not compared: it is whatever its heap held. Where we differ on purpose is in
test_persist_differences.py.
"""

import struct

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from both_programs import Bench
from qemu_pr.scsi.commands import ReservationType
from qemu_pr.scsi.parameter_data import (
    FullStatus,
    ReadFullStatus,
    ReadKeys,
    ReadReservation,
    ReportCapabilities,
    Reservation,
)
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.transport_ids import (
    FibreChannelTransportID,
    ISCSITransportID,
    SASTransportID,
)
from scripted_helper import HangUp, reply
from scsi_strategies import bits, transport_ids

KEYS = reply(0, ReadKeys(7, (0x123ABC, 2**64 - 1, 1)).encode())
NO_KEYS = reply(0, ReadKeys(0).encode())
RESERVATION = reply(0, ReadReservation(9, Reservation(0x123ABC, 5)).encode())
NO_RESERVATION = reply(0, ReadReservation(9).encode())
CAPABILITIES = reply(0, ReportCapabilities(frozenset(ReservationType), ptpl_c=True).encode())
NO_CAPABILITIES = reply(0, ReportCapabilities(None).encode())
STATUS = reply(
    0,
    ReadFullStatus(
        3,
        (
            FullStatus(0x123ABC, SASTransportID(0x5000C50005B32001), 1, holder=True, type=5),
            FullStatus(1, FibreChannelTransportID(0x10000000C9F3A571), all_tg_pt=True),
            FullStatus(2, ISCSITransportID("iqn.2020-01.com.example:host", 0x23D000001), 0xFFFF),
        ),
    ).encode(),
)
NO_STATUS = reply(0, ReadFullStatus(3).encode())
GOOD = reply()

CHANGES = ("-G", "-I", "-R", "-L", "-C", "-P", "-A", "-z")
LONG_CHANGES = (
    "--register",
    "--register-ignore",
    "--reserve",
    "--release",
    "--clear",
    "--preempt",
    "--preempt-abort",
    "--replace-lost",
)
MOVE = ("-o", "-M", "-X", "sas,5000c50005b32001")
HEX_AND_VERBOSE = ("", "-H", "-HH", "-HHH", "-HHHH", "-v", "-vv", "-vvv")


def words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        (KEYS, ""),
        (KEYS, "-k"),
        (NO_KEYS, "--read-keys"),
        (RESERVATION, "-r"),
        (NO_RESERVATION, "--read-reservation"),
        (CAPABILITIES, "-c"),
        (NO_CAPABILITIES, "--report-capabilities"),
        (STATUS, "-s"),
        (STATUS, "--read-full-status"),
        (NO_STATUS, "--read-status"),
    ],
)
@pytest.mark.parametrize("more", HEX_AND_VERBOSE)
def test_data_is_printed_the_same(bench: Bench, answer: bytes, action: str, more: str) -> None:
    theirs, ours = bench.both(answer, words(f"{action} {more}"))

    assert ours == theirs
    assert ours.status == 0


@pytest.mark.parametrize(
    "line",
    [
        *(f"-o {short} -K 123abc -S 1 -T 5" for short in CHANGES),
        *(
            f"--out {name} --param-rk=0x123ABC --param-sark=1 --prout-type=5"
            for name in LONG_CHANGES
        ),
        *(f"-o {short}" for short in CHANGES),
        "-oG",
        "-oGK123abc -Sffffffffffffffff",
        "-oIYZ -S1",
        "-o -I --param-alltgpt --param-aptpl",
        "-o -G -Y",
        "-o -G -Z",
        "-o -R -T 0xf",
        "-on -G -vvv",
        "-o -G --alloc-length=100",
        "-y -o -G",
        "-yy -o -G",
        "-y",
        "-yy",
        "-yyy",
        "--readonly",
        "-i",
        "--in -k",
        "-n -k",
        "--alloc-len=100",
        "-l 100",
        "-l 0x100",
        "--alloc-length 2000",
        "-m 256",
        "--maxlen=0x100",
        "-m 100h",
        "-m 8k",
        "-m 2x33",
        "-m 0xfx0x2",
        "-m 3+1k",
        "-m 2b",
        "--read-res",
        "--read-f",
    ],
)
def test_options_send_the_same_command(bench: Bench, line: str) -> None:
    theirs, ours = bench.both(GOOD, words(line))

    assert ours == theirs
    assert ours.status == 0
    assert len(ours.received) == 1


@pytest.mark.parametrize("line", ["", "-k", "-o -G", "-yy -k"])
def test_the_environment_variable_is_obeyed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    monkeypatch.setenv("SG_PERSIST_IN_RDONLY", "")

    theirs, ours = bench.both(GOOD, words(line))

    assert ours == theirs


def test_the_device_may_be_given_as_an_option(bench: Bench) -> None:
    outcomes = [
        run(KEYS, *option, bench.disk)
        for run in (bench.real, bench.ours)
        for option in (("-d",), ("--device",))
    ]

    assert outcomes == 4 * outcomes[:1]
    assert outcomes[0].status == 0


@pytest.mark.parametrize(
    "line",
    [
        "-K zz",
        "-S",
        "-T q",
        "-Q 10000",
        "-Q zz",
        "-l 2001",
        "-l zz",
        "-m 8193",
        "-m 9k",
        "-m 1z",
        "-m 10h+1",
        "-X zz",
        "-X sas,123",
        "-X file=/nonexistent/transport-ids",
        "/dev/null",
        "-d /dev/null",
    ],
)
def test_wrong_options_are_refused_with_the_same_status(bench: Bench, line: str) -> None:
    theirs, ours = bench.both(GOOD, words(line))

    assert ours == theirs
    assert (ours.status, ours.stdout, ours.received) == (1, b"", ())


@pytest.mark.parametrize(
    "line",
    [
        "-i -o",
        "-i -o -G",
        "-o",
        "-o -k",
        "-o -G -k",
        "-o -G -R",
        "-o -G -G",
        "-G",
        "-i -G",
        "-k -r",
        "-k -k",
        "-U",
        "-Q 1",
        "-o -G -U",
        "-o -G -Q 1",
        "-o -M",
        "-o -M -X -",
        "-M -X sas,5000c50005b32001",
    ],
)
def test_options_that_contradict_each_other_are_refused_with_the_same_status(
    bench: Bench, line: str
) -> None:
    theirs, ours = bench.both(GOOD, words(line))

    assert ours == theirs
    assert ours.status == 31


TRANSPORT_IDS = (
    "sas,5000c50005b32001",
    "SAS,5000C50005B32001",
    "fcp,10000000C9F3A571",
    "FCP,10000000c9f3a571",
    "sbp,0011223344556677",
    "SBP,0011223344556677",
    "spi,1,2",
    "SPI,65535,7",
    "iqn.a",
    "iqn.2020-01.com.example:host",
    "iqn.2020-01.com.example:host,i,0x23d000000",
    "iqn.2020-01.com.example:h\N{LATIN SMALL LETTER O WITH DIAERESIS}st",
    "iqn." + "x" * 230,
    "6,0,0,0,5,0,c5,0,5,b3,20,1",
    "6 0 0 0 5 0 c5 0 5 b3 20 1",
    "5,0,0,14,69,71,6e",
    "5,0,0,0",
    "45,0,0,18,69,71,6e",
    "f",
    ",".join(["7"] * 24),
)


@pytest.mark.parametrize("argument", TRANSPORT_IDS)
@pytest.mark.parametrize(
    "line", ["-o -G -S 1", "-o -I -S 1", "-o -R -T 5", "-o -M -Q 1f -U -Z -K 1 -S 2 -T 5"]
)
def test_transport_ids_are_sent_the_same(bench: Bench, argument: str, line: str) -> None:
    theirs, ours = bench.both(GOOD, (*words(line), "-X", argument))

    assert ours == theirs
    assert ours.status == 0
    assert len(ours.received) == 1


@pytest.mark.parametrize("argument", TRANSPORT_IDS)
@pytest.mark.parametrize("action", ["-o -G", "-k"])
def test_transport_ids_are_printed_the_same(bench: Bench, argument: str, action: str) -> None:
    theirs, ours = bench.both(GOOD, (*words(action), "-vvv", "-X", argument))

    assert ours == theirs


TRANSPORT_ID_FILE = b"""\
# hosts that share the disk
sas,5000c50005b32001

 \tfcp,10000000c9f3a571 # with a comment
6,0, 0\t0   7 # bytes
iqn.2020-01.com.example:host,i,0x1
6
"""


@pytest.mark.parametrize(
    "data", [TRANSPORT_ID_FILE, b"", b"\n# nothing\n", b"sas,5000c50005b32001\n" * 31]
)
@pytest.mark.parametrize("line", ["-o -G -X -", "-o -G -vvv --transport-id=-"])
def test_transport_ids_are_read_from_stdin(bench: Bench, data: bytes, line: str) -> None:
    theirs, ours = bench.both(GOOD, words(line), stdin=data)

    assert ours == theirs
    assert ours.status == 0


@pytest.mark.parametrize("name", ["file=", "FILE="])
def test_transport_ids_are_read_from_a_file(
    bench: Bench, tmp_path_factory: pytest.TempPathFactory, name: str
) -> None:
    path = tmp_path_factory.mktemp("ids") / "ids"
    path.write_bytes(TRANSPORT_ID_FILE)

    theirs, ours = bench.both(GOOD, ("-o", "-G", "-X", f"{name}{path}"))

    assert ours == theirs
    assert len(ours.received[0].data_out) == 24 + 4 + 4 * 24 + 40


@pytest.mark.parametrize("data", [b"sas,5000c50005b32001\n" * 32, b"sas,1\n", b"6,100\n", b"6;0\n"])
def test_wrong_transport_id_files_are_refused(bench: Bench, data: bytes) -> None:
    theirs, ours = bench.both(GOOD, ("-o", "-G", "-X", "-"), stdin=data)

    assert ours == theirs
    assert ours.status == 1


def sense(key: int, asc: int, ascq: int) -> bytes:
    return Sense(SenseKey(key), asc, ascq).encode_fixed()


@pytest.mark.parametrize("line", ["-k", "-kH", "-c", "-o -G", "-o -M -X sas,5000c50005b32001"])
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (reply(0x04), 25),
        (reply(0x08), 26),
        (reply(0x18), 24),
        (reply(0x28), 27),
        (reply(0x30), 28),
        (reply(0x40), 29),
        (reply(2), 98),
        (reply(2, sense=sense(0x2, 0x04, 0x01)), 2),
        (reply(2, sense=sense(0x2, 0x04, 0x0B)), 12),
        (reply(2, sense=sense(0x2, 0x04, 0x0C)), 13),
        (reply(2, sense=sense(0x3, 0x11, 0x00)), 3),
        (reply(2, sense=sense(0x4, 0x44, 0x00)), 3),
        (reply(2, sense=sense(0x5, 0x20, 0x00)), 9),
        (reply(2, sense=sense(0x5, 0x21, 0x00)), 22),
        (reply(2, sense=sense(0x5, 0x24, 0x00)), 5),
        (reply(2, sense=sense(0x5, 0x26, 0x00)), 19),
        (reply(2, sense=sense(0x5, 0x26, 0x04)), 5),
        (reply(2, sense=sense(0x6, 0x29, 0x00)), 6),
        (reply(2, sense=sense(0x6, 0x2A, 0x03)), 6),
        (reply(2, sense=sense(0x7, 0x27, 0x00)), 7),
        (reply(2, sense=sense(0xA, 0x00, 0x00)), 10),
        (reply(2, sense=sense(0xB, 0x08, 0x00)), 11),
        (reply(2, sense=sense(0xB, 0x10, 0x01)), 40),
        (reply(2, sense=sense(0xE, 0x1D, 0x00)), 14),
        (reply(2, sense=Sense(SenseKey(5), 0x20, 0).encode_descriptor()), 9),
    ],
)
def test_failures_have_the_same_status(bench: Bench, line: str, answer: bytes, status: int) -> None:
    theirs, ours = bench.both(answer, words(line))

    assert ours == theirs
    assert (ours.status, ours.stdout) == (status, b"")
    assert ours.stderr.startswith(f"qemu-pr: persist: {bench.disk}: ")
    assert ours.stderr.count("\n") == 1


@settings(deadline=None)
@given(
    response_code=st.sampled_from([0x70, 0x71, 0x72, 0x73, 0xF0, 0xF1]) | bits(8),
    rest=st.binary(min_size=95, max_size=95),
    additional_length=st.integers(10, 244),
    line=st.sampled_from(["-k", "-o -G"]),
)
def test_any_sense_data_has_the_same_status(
    bench: Bench, response_code: int, rest: bytes, additional_length: int, line: str
) -> None:
    data = bytearray((response_code, *rest))
    data[7] = additional_length
    if line == "-k" and data[1 if response_code & 2 else 2] & 0x0F < 2:
        data[1:3] = b"\5\5"  # NO SENSE and RECOVERED ERROR lose the data: see the differences

    theirs, ours = bench.both(reply(2, sense=bytes(data)), words(line))

    assert ours == theirs


actions = st.sampled_from(["-k", "-r", "-c", "-s"])
dumps = st.sampled_from(["", "-H", "-HH", "-HHH", "-v"])
reservation_fields = {"type": bits(4), "scope": bits(4)}
full_statuses = st.builds(
    FullStatus,
    key=bits(64),
    transport_id=transport_ids,
    relative_target_port_identifier=bits(16),
    all_tg_pt=st.booleans(),
    holder=st.booleans(),
    **reservation_fields,
)
parameter_data = st.one_of(
    st.tuples(
        st.just("-k"), st.builds(ReadKeys, bits(32), st.lists(bits(64), max_size=40).map(tuple))
    ),
    st.tuples(
        st.just("-r"),
        st.builds(
            ReadReservation,
            bits(32),
            st.none() | st.builds(Reservation, bits(64), **reservation_fields),
        ),
    ),
    st.tuples(
        st.just("-c"),
        st.builds(
            ReportCapabilities,
            st.none() | st.frozensets(st.sampled_from(ReservationType)),
            *6 * [st.booleans()],
            allow_commands=bits(3),
        ),
    ),
    st.tuples(
        st.just("-s"),
        st.builds(ReadFullStatus, bits(32), st.lists(full_statuses, max_size=6).map(tuple)),
    ),
)


@settings(deadline=None, max_examples=300)
@given(answer=parameter_data, more=dumps)
def test_any_well_formed_data_is_printed_the_same(
    bench: Bench,
    answer: tuple[str, ReadKeys | ReadReservation | ReportCapabilities | ReadFullStatus],
    more: str,
) -> None:
    action, data = answer

    theirs, ours = bench.both(reply(0, data.encode()), words(f"{action} {more}"))

    assert ours == theirs
    assert ours.status == 0


@settings(deadline=None, max_examples=200)
@given(answer=parameter_data, more=dumps, arrived=st.integers(0, 8192))
def test_data_that_the_device_cut_is_printed_the_same(
    bench: Bench,
    answer: tuple[str, ReadKeys | ReadReservation | ReportCapabilities | ReadFullStatus],
    more: str,
    arrived: int,
) -> None:
    action, data = answer
    encoded = data.encode()
    cut = encoded[: arrived % (len(encoded) + 1)]

    theirs, ours = bench.both(reply(0, cut), words(f"{action} {more}"))

    assert ours == theirs
    assert ("the answer is cut" in ours.stderr) == (len(cut) < len(encoded))


@settings(deadline=None, max_examples=200)
@given(
    action=actions,
    more=dumps,
    generation=bits(32),
    length=st.integers(0, 8184) | st.integers(-(2**31), -1),
    body=st.binary(max_size=300),
)
@example(action="-k", more="-H", generation=1, length=-1, body=b"")
@example(action="-s", more="", generation=1, length=3, body=b"")
@example(action="-r", more="", generation=1, length=15, body=b"x" * 15)
def test_data_that_makes_no_sense_is_printed_the_same(
    bench: Bench, action: str, more: str, generation: int, length: int, body: bytes
) -> None:
    if action == "-s":  # what the lengths of descriptors do is for the next test
        body = bytes(len(body))
    data = struct.pack(">Ii", generation, length) + body

    theirs, ours = bench.both(reply(0, data), words(f"{action} {more}"))

    assert ours == theirs


def stays_in_the_buffer(data: bytes) -> bool:
    """Whether sg_persist comes to an end with these descriptors, and before its buffer does."""
    offset, end = 8, 8 + int.from_bytes(data[4:8], "big")
    while offset < end:
        field = data[offset + 20 : offset + 24].ljust(4, b"\0")
        size = int.from_bytes(field, "big", signed=True)
        if not -24 < size < 4000:
            return False
        offset += 24 + size
    return True


odd_descriptors = st.builds(
    lambda head, first, port: head + struct.pack(">i", 1 + len(port)) + bytes((first,)) + port,
    st.binary(min_size=20, max_size=20),
    bits(8),
    st.binary(max_size=99),
)
descriptors_without_a_port = st.builds(
    lambda head, size: head + struct.pack(">i", size),
    st.binary(min_size=20, max_size=20),
    st.integers(-23, 0),
)


@settings(deadline=None, max_examples=300)
@given(
    descriptors=st.lists(odd_descriptors, min_size=1, max_size=4),
    last=st.just(b"") | descriptors_without_a_port,
    cut=st.integers(-60, 60),
)
def test_full_status_that_makes_no_sense_is_printed_the_same(
    bench: Bench, descriptors: list[bytes], last: bytes, cut: int
) -> None:
    body = b"".join(descriptors) + last
    data = struct.pack(">II", 1, max(len(body) - cut, 0)) + body
    assume(stays_in_the_buffer(data))

    theirs, ours = bench.both(reply(0, data), ["-s"])

    assert ours == theirs


@pytest.mark.parametrize("action", ["-k", "-r", "-c", "-s"])
@pytest.mark.parametrize("more", ["", "-H", "-HH", "-v"])
@pytest.mark.parametrize("length", ["0", "1", "4", "7", "8", "2000"])
def test_short_allocation_lengths_print_the_same(
    bench: Bench, action: str, more: str, length: str
) -> None:
    empty = bytes(8) if action != "-c" else ReportCapabilities(None).encode()
    answer = reply(0, empty[: int(length, 16)])

    theirs, ours = bench.both(answer, words(f"{action} {more} -l {length}"))

    assert ours == theirs


def test_a_cut_dump_says_so_the_same_way(bench: Bench) -> None:
    data = ReadKeys(7, (1, 2, 3)).encode()

    theirs, ours = bench.both(reply(0, data[:16]), ["-k", "-H", "-l", "10"])

    assert ours == theirs
    assert b"Additional length too large=24, truncate" in ours.stdout


@pytest.mark.parametrize("length", [b"\0\0", b"\0\7", b"\0\x09", b"\1\x08", b"\0\xff"])
@pytest.mark.parametrize("more", ["", "-H", "-HH"])
def test_capabilities_with_a_wrong_length_are_refused_alike(
    bench: Bench, length: bytes, more: str
) -> None:
    theirs, ours = bench.both(reply(0, length + bytes(range(2, 255))), words(f"-c {more}"))

    assert ours == theirs


names = st.sampled_from(["sas,", "fcp,", "sbp,", "SAS,", "FCP,", "SBP,"])
transport_id_arguments = st.one_of(
    st.builds("{}{:016x}".format, names, bits(64)),
    st.builds("spi,{},{}".format, bits(16), bits(16)),
    st.from_regex(r"iqn\.[a-z0-9:.-]{0,225}(,i,0x[0-9a-fA-F]{1,12})?", fullmatch=True).filter(
        lambda name: len(name) < 236
    ),
    st.builds(
        lambda first, rest: ",".join(f"{byte:x}" for byte in (first, *rest)),
        bits(8).filter(lambda byte: byte & 0x0F != 5),
        st.binary(max_size=40),
    ),
    st.builds(
        lambda high, size, rest: " ".join(
            f"{byte:02X}" for byte in (high << 4 | 5, 0, 0, size, *rest)
        ),
        bits(4),
        st.integers(0, 250),
        st.binary(max_size=40),
    ),
)


@settings(deadline=None, max_examples=200)
@given(argument=transport_id_arguments, line=st.sampled_from(["-o -G -S 1", "-o -M -K 1 -S 2"]))
def test_any_transport_id_is_sent_the_same(bench: Bench, argument: str, line: str) -> None:
    theirs, ours = bench.both(GOOD, (*words(line), "-vvv", "-X", argument))

    assert ours == theirs
    assert len(ours.received) == 1


def test_a_helper_that_hangs_up_is_an_error_for_both(bench: Bench) -> None:
    theirs, ours = bench.both(HangUp(), ["-k"])

    assert theirs.status != 0
    assert (ours.status, ours.stdout) == (11, b"")
