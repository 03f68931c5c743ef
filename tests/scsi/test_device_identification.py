"""The Device Identification VPD page, as disks send it."""

import pytest

from qemu_pr.scsi.device_identification import DeviceIdentification
from qemu_pr.scsi.errors import MalformedError

T10 = bytes([2, 1, 0, 12]) + b"LIO-ORG disk"
EUI = bytes([1, 2, 0, 8]) + bytes.fromhex("0123456789abcdef")
NAA_8 = bytes([1, 3, 0, 8]) + bytes.fromhex("5000c500a0b1c2d3")
NAA_16 = bytes([1, 3, 0, 16]) + bytes.fromhex("60014050000000000000000000000001")
NAA_OF_PORT = bytes([0x61, 0x93, 0, 8]) + bytes.fromhex("5001405000000001")
PORT_3 = bytes([0x61, 0x94, 0, 4, 0, 0, 0, 3])
VENDOR = bytes([2, 0, 0, 4]) + b"mine"


def page(*designators: bytes) -> DeviceIdentification:
    data = b"".join(designators)
    return DeviceIdentification.decode(bytes([0, 0x83]) + len(data).to_bytes(2, "big") + data)


@pytest.mark.parametrize(
    ("designators", "identity"),
    [
        ((T10, EUI, NAA_8, NAA_16), "naa.60014050000000000000000000000001"),
        ((T10, NAA_8), "naa.5000c500a0b1c2d3"),
        ((T10, EUI), "eui.0123456789abcdef"),
        ((T10,), "t10.LIO-ORG disk"),
        ((VENDOR, NAA_OF_PORT), None),
        ((), None),
    ],
)
def test_the_best_name_of_the_logical_unit_is_its_identity(
    designators: tuple[bytes, ...], identity: str | None
) -> None:
    assert page(*designators).identity == identity


def test_it_tells_the_target_port_of_the_path() -> None:
    assert page(NAA_16, NAA_OF_PORT, PORT_3).relative_target_port_identifier == 3
    assert page(NAA_16).relative_target_port_identifier is None


@pytest.mark.parametrize(
    "data", [b"", b"\0\x80\0\0", b"\0\x83\0\x05\1\3\0\x10\1", b"\0\x83\0\x02\1\3"]
)
def test_another_page_or_a_cut_one_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedError, match="Device Identification VPD page"):
        DeviceIdentification.decode(data)
