"""Sense data of both formats: what is decoded and encoded again is the same sense."""

from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.sense import Sense

SIZE_MAX = 96
WORDS = [bytes((code,)) for code in (0x70, 0x71, 0x72, 0x73, 0xF0)]


def check(data: bytes) -> None:
    try:
        sense = Sense.decode(data)
    except MalformedError:
        return
    assert len(data) >= 8
    assert 0 <= sense.key <= 15
    assert len(str(sense)) == 8
    for encoded in (sense.encode_fixed(), sense.encode_descriptor()):
        assert Sense.decode(encoded) == sense
