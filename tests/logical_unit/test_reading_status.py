"""PERSISTENT RESERVE IN: what each service action tells, byte for byte, whole and cut."""

import pytest

from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import InServiceAction as In
from qemu_pr.scsi.commands import ReservationType as Type
from qemu_pr.scsi.parameter_data import ReadKeys
from qemu_pr.scsi.status import Completion, Status
from shared_disk import A, B, Disk, refusal

SAS_1 = "06 00 00 0060 01 40 50 00 00 00 01" + "00" * 12
SAS_2 = "06 00 00 0060 01 40 50 00 00 00 02" + "00" * 12
KEY_A = "00 00 00 00 00 00 00 0a"
KEY_B = "00 00 00 00 00 00 00 0b"


def descriptor(key: str, flags: str, type_: str, port: str, transport_id: str) -> str:
    return key + "00 00 00 00" + flags + type_ + "00 00 00 00" + port + "00 00 00 18" + transport_id


def data(text: str) -> Completion:
    return Completion(Status.GOOD, data=bytes.fromhex(text))


def test_an_unregistered_host_may_read_everything():
    disk = Disk()
    [holder] = disk.registered_hosts(A)
    holder.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert all(disk.host(9).read(action).status == Status.GOOD for action in In)


@pytest.mark.parametrize("action", range(4, 32))
def test_an_unknown_service_action_is_an_invalid_field_in_the_cdb(action):
    assert Disk().host(1).read(action) == refusal(sense.INVALID_FIELD_IN_CDB)


@pytest.mark.parametrize("cdb", [bytes(10), b"\x12" + bytes(5), b"\x5e" + bytes(8), b""])
def test_what_is_no_persistent_reserve_command_is_an_invalid_operation_code(cdb):
    disk = Disk()

    answer = disk.unit.execute(disk.host(1).nexus, cdb)

    assert answer == refusal(sense.INVALID_OPERATION_CODE)


def test_nothing_registered():
    host = Disk().host(1)

    assert host.read(In.READ_KEYS) == data("00000000 00000000")
    assert host.read(In.READ_RESERVATION) == data("00000000 00000000")
    assert host.read(In.READ_FULL_STATUS) == data("00000000 00000000")


def test_read_keys_lists_a_key_for_each_registration_the_oldest_first():
    disk = Disk()
    first, *_ = disk.registered_hosts(B, A, A)

    assert first.read(In.READ_KEYS) == data("00000003 00000018" + KEY_B + KEY_A + KEY_A)


@pytest.mark.parametrize("type_", sorted(Type))
def test_read_reservation_tells_key_and_type(type_):
    disk = Disk()
    host, _ = disk.registered_hosts(A, B)
    host.reserve(A, type_)

    key = KEY_A if type_ < 7 else "00" * 8
    expected = data("00000002 00000010" + key + "00000000 00" + f"{type_:02x}" + "0000")
    assert host.read(In.READ_RESERVATION) == expected


def test_report_capabilities_tells_that_everything_is_supported():
    disk = Disk()
    [host] = disk.hosts(1)

    assert host.read(In.REPORT_CAPABILITIES) == data("0008 1d 90 ea01 0000")
    host.register(0, A, aptpl=True)
    assert host.read(In.REPORT_CAPABILITIES) == data("0008 1d 91 ea01 0000")


@pytest.mark.parametrize("type_", [1, 3, 5, 6])
def test_read_full_status_marks_the_one_holder(type_):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    first.reserve(A, type_)

    assert first.read(In.READ_FULL_STATUS) == data(
        "00000002 00000060"
        + descriptor(KEY_A, "01", f"{type_:02x}", "0001", SAS_1)
        + descriptor(KEY_B, "00", "00", "0001", SAS_2)
    )


@pytest.mark.parametrize("type_", [7, 8])
def test_read_full_status_marks_every_registrant_that_shares_the_reservation(type_):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    first.reserve(A, type_)

    assert first.read(In.READ_FULL_STATUS) == data(
        "00000002 00000060"
        + descriptor(KEY_A, "01", f"{type_:02x}", "0001", SAS_1)
        + descriptor(KEY_B, "01", f"{type_:02x}", "0001", SAS_2)
    )


def test_read_full_status_tells_the_target_port():
    disk = Disk(target_ports=(1, 0x0203))
    host = disk.host(1, target_port=0x0203)
    host.register(0, A)

    assert host.read(In.READ_FULL_STATUS) == data(
        "00000001 00000030" + descriptor(KEY_A, "00", "00", "0203", SAS_1)
    )


def test_read_full_status_tells_all_tg_pt():
    disk = Disk()
    [host] = disk.hosts(1)
    host.register(0, A, all_tg_pt=True)

    flags = host.read(In.READ_FULL_STATUS).data[8 + 12]
    assert flags == 0x02


# Cut at the allocation length, as Linux's target cuts.


@pytest.mark.parametrize(
    ("allocation_length", "expected"),
    [
        (0, ""),
        (7, "00000002 000000"),
        (8, "00000002 00000010"),
        (12, "00000002 00000010 00000000"),
        (15, "00000002 00000010 00000000 000000"),
        (16, "00000002 00000010" + KEY_A),
        (23, "00000002 00000010" + KEY_A + "00 00 00 00 00 00 00"),
        (24, "00000002 00000010" + KEY_A + KEY_B),
        (25, "00000002 00000010" + KEY_A + KEY_B),
        (65535, "00000002 00000010" + KEY_A + KEY_B),
    ],
)
def test_read_keys_sends_zeros_for_a_key_that_does_not_fit(allocation_length, expected):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)

    assert first.read(In.READ_KEYS, allocation_length) == data(expected)


def test_read_keys_tells_how_long_all_keys_are_whatever_it_sends():
    disk = Disk()
    hosts = disk.registered_hosts(*range(1, 2001))

    answer = hosts[0].read(In.READ_KEYS, 8192)

    assert answer.data[:8] == bytes.fromhex(f"{2000:08x} {2000 * 8:08x}")
    assert ReadKeys.decode(answer.data).keys == tuple(range(1, 1024))


@pytest.mark.parametrize(
    ("allocation_length", "expected"),
    [
        (0, ""),
        (7, "00000001 000000"),
        (8, "00000001 00000010"),
        (12, "00000001 00000010 00000000"),
        (16, "00000001 00000010 00000000 00000000"),
        (21, "00000001 00000010 00000000 00000000 00000000 00"),
        (22, "00000001 00000010" + KEY_A + "00000000 00 03"),
        (23, "00000001 00000010" + KEY_A + "00000000 00 03 00"),
        (24, "00000001 00000010" + KEY_A + "00000000 00 03 0000"),
        (65535, "00000001 00000010" + KEY_A + "00000000 00 03 0000"),
    ],
)
def test_read_reservation_sends_zeros_for_a_reservation_that_does_not_fit(
    allocation_length, expected
):
    disk = Disk()
    [holder] = disk.registered_hosts(A)
    holder.reserve(A, Type.EXCLUSIVE_ACCESS)

    assert holder.read(In.READ_RESERVATION, allocation_length) == data(expected)


@pytest.mark.parametrize(
    ("allocation_length", "counted"),
    [(8, 0), (12, 0), (16, 0), (23, 0), (24, 1), (56, 1), (71, 1), (72, 2), (8192, 2)],
)
def test_read_full_status_counts_the_descriptors_that_begin_early_enough(
    allocation_length, counted
):
    disk = Disk()
    first, _ = disk.registered_hosts(A, B)
    descriptors = [
        descriptor(KEY_A, "00", "00", "0001", SAS_1),
        descriptor(KEY_B, "00", "00", "0001", SAS_2),
    ]

    answer = first.read(In.READ_FULL_STATUS, allocation_length)

    text = f"00000002 {48 * counted:08x}" + "".join(descriptors[:counted])
    assert answer.data == bytes.fromhex(text)[:allocation_length]


@pytest.mark.parametrize("allocation_length", range(10))
def test_report_capabilities_is_cut_anywhere(allocation_length):
    answer = Disk().host(1).read(In.REPORT_CAPABILITIES, allocation_length)

    assert answer == Completion(
        Status.GOOD, data=bytes.fromhex("00081d90ea010000")[:allocation_length]
    )
