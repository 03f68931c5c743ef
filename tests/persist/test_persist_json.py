"""``qemu-pr persist --json``: the names that scripts rely on."""

import json
from typing import Any

import pytest

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
from qemu_pr.scsi.sense import RESERVATIONS_PREEMPTED
from qemu_pr.scsi.transport_ids import (
    FibreChannelTransportID,
    ISCSITransportID,
    OtherTransportID,
    SASTransportID,
)
from scripted_helper import reply


def answer(bench: Bench, wire: bytes, *args: str) -> tuple[int, dict[str, Any]]:
    outcome = bench.ours(wire, *args, "--json", bench.disk)
    decoded = json.loads(outcome.stdout)
    assert decoded.pop("device") == bench.disk
    return outcome.status, decoded


def test_keys(bench: Bench) -> None:
    data = ReadKeys(7, (0x123ABC, 2**64 - 1)).encode()

    assert answer(bench, reply(0, data), "-k") == (
        0,
        {
            "service_action": "READ KEYS",
            "status": "GOOD",
            "prgeneration": 7,
            "complete": True,
            "reservation_keys": ["0x123abc", "0xffffffffffffffff"],
        },
    )


def test_keys_that_the_allocation_length_cut(bench: Bench) -> None:
    data = ReadKeys(7, (1, 2)).encode()[:16]

    status, decoded = answer(bench, reply(0, data), "-k", "--maxlen=16")

    assert status == 0
    assert decoded["reservation_keys"] == ["0x1"]
    assert decoded["complete"] is False


@pytest.mark.parametrize(
    ("reservation", "described"),
    [
        (None, None),
        (
            Reservation(0x123ABC, 5),
            {
                "reservation_key": "0x123abc",
                "scope": 0,
                "type": 5,
                "type_name": "Write Exclusive, registrants only",
            },
        ),
    ],
)
def test_reservation(
    bench: Bench, reservation: Reservation | None, described: dict[str, Any] | None
) -> None:
    data = ReadReservation(9, reservation).encode()

    assert answer(bench, reply(0, data), "-r") == (
        0,
        {
            "service_action": "READ RESERVATION",
            "status": "GOOD",
            "prgeneration": 9,
            "complete": True,
            "reservation": described,
        },
    )


def test_capabilities(bench: Bench) -> None:
    types = frozenset((ReservationType.WRITE_EXCLUSIVE, ReservationType.EXCLUSIVE_ACCESS))
    data = ReportCapabilities(types, atp_c=True, ptpl_a=True, allow_commands=3).encode()

    assert answer(bench, reply(0, data), "-c") == (
        0,
        {
            "service_action": "REPORT CAPABILITIES",
            "status": "GOOD",
            "rlr_c": False,
            "crh": False,
            "sip_c": False,
            "atp_c": True,
            "ptpl_c": False,
            "tmv": True,
            "allow_commands": 3,
            "ptpl_a": True,
            "persistent_reservation_type_mask": {
                "wr_ex": True,
                "ex_ac": True,
                "wr_ex_ro": False,
                "ex_ac_ro": False,
                "wr_ex_ar": False,
                "ex_ac_ar": False,
            },
        },
    )


def test_capabilities_without_a_type_mask(bench: Bench) -> None:
    _, decoded = answer(bench, reply(0, ReportCapabilities(None).encode()), "-c")

    assert decoded["tmv"] is False
    assert decoded["persistent_reservation_type_mask"] is None


def test_full_status(bench: Bench) -> None:
    data = ReadFullStatus(
        3,
        (
            FullStatus(0x123ABC, SASTransportID(0x5000C50005B32001), 1, holder=True, type=5),
            FullStatus(1, FibreChannelTransportID(0x10), all_tg_pt=True),
            FullStatus(2, ISCSITransportID("iqn.2020-01.com.example:h", 0x23D), 2),
            FullStatus(3, ISCSITransportID("iqn.2020-01.com.example:h"), 2),
            FullStatus(4, OtherTransportID(b"\3" + bytes(23))),
        ),
    ).encode()

    status, decoded = answer(bench, reply(0, data), "-s")

    first, second, *rest = decoded.pop("full_status_descriptors")
    assert status == 0
    assert decoded == {
        "service_action": "READ FULL STATUS",
        "status": "GOOD",
        "prgeneration": 3,
        "complete": True,
    }
    assert first == {
        "reservation_key": "0x123abc",
        "all_tg_pt": False,
        "r_holder": True,
        "scope": 0,
        "type": 5,
        "type_name": "Write Exclusive, registrants only",
        "relative_target_port_identifier": 1,
        "transport_id": {"protocol_identifier": 6, "sas_address": "0x5000c50005b32001"},
    }
    assert second == {
        "reservation_key": "0x1",
        "all_tg_pt": True,
        "r_holder": False,
        "scope": None,
        "type": None,
        "type_name": None,
        "relative_target_port_identifier": None,
        "transport_id": {"protocol_identifier": 0, "n_port_name": "0x0000000000000010"},
    }
    assert [descriptor["transport_id"] for descriptor in rest] == [
        {
            "protocol_identifier": 5,
            "iscsi_name": "iqn.2020-01.com.example:h",
            "iscsi_initiator_session_id": "0x00000000023d",
        },
        {
            "protocol_identifier": 5,
            "iscsi_name": "iqn.2020-01.com.example:h",
            "iscsi_initiator_session_id": None,
        },
        {"protocol_identifier": 3, "data": "03" + 23 * "00"},
    ]


def test_a_change(bench: Bench) -> None:
    assert answer(bench, reply(), "-o", "-G", "-S1", "-vvv") == (
        0,
        {"service_action": "REGISTER", "status": "GOOD"},
    )


def test_a_failure_with_sense_data(bench: Bench) -> None:
    wire = reply(2, sense=RESERVATIONS_PREEMPTED.encode_fixed())

    status, decoded = answer(bench, wire, "-o", "-R", "-T5")

    assert status == 6
    assert "run the command again" in decoded.pop("advice")
    assert decoded == {
        "service_action": "RESERVE",
        "status": "CHECK CONDITION",
        "exit_status": 6,
        "reason": "unit attention: reservations preempted (06/2A/03)",
        "sense": {
            "sense_key": 6,
            "additional_sense_code": 0x2A,
            "additional_sense_code_qualifier": 3,
            "text": "reservations preempted",
        },
    }


def test_a_failure_without_sense_data(bench: Bench) -> None:
    status, decoded = answer(bench, reply(0x18), "-o", "-R", "-T5")

    assert status == decoded["exit_status"] == 24
    assert decoded["status"] == "RESERVATION CONFLICT"
    assert decoded["sense"] is None


def test_data_that_makes_no_sense(bench: Bench) -> None:
    status, decoded = answer(bench, reply(0, b"\0\0\0\1\0\0\0\x09" + bytes(9)), "-k")

    assert status == decoded["exit_status"] == 97
    assert "ADDITIONAL LENGTH" in decoded["reason"]


def test_hex_is_no_json(bench: Bench) -> None:
    outcome = bench.ours(reply(), "--json", "-H", bench.disk)

    assert (outcome.status, outcome.stdout, outcome.received) == (31, b"", ())
