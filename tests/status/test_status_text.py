"""The section of one disk, for disks that tell less or stranger things than simulated ones."""

from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.cli.status.text import render
from qemu_pr.reservation_status import (
    CommandError,
    KnownAccess,
    Registrant,
    ReservationStatus,
)
from qemu_pr.scsi import sense
from qemu_pr.scsi.commands import InServiceAction, PersistentReserveIn
from qemu_pr.scsi.parameter_data import FullStatus, ReportCapabilities, Reservation
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion
from scsi_strategies import transport_ids

ALL = KnownAccess(read=True, write=True)
UNSUPPORTED = CommandError(
    PersistentReserveIn(InServiceAction.READ_FULL_STATUS, 8192),
    Completion.check_condition(sense.INVALID_FIELD_IN_CDB),
)
EMPTY = ReservationStatus(
    generation=0,
    reservation=None,
    registrants=(),
    registered=0,
    complete=True,
    others=ALL,
    consistent=True,
    full_status_error=None,
    capabilities=None,
    unit_attentions=(),
)


def test_keys_without_hosts() -> None:
    maybe = Registrant(0xA, None, None, KnownAccess(read=True, write=None))
    status = EMPTY.but(
        reservation=Reservation(0xA, 1),
        registrants=(maybe, maybe),
        registered=2,
        others=KnownAccess(read=True, write=False),
        full_status_error=UNSUPPORTED,
    )

    assert render("DISK", status) == (
        "DISK: RESERVED by the host with key 0xa, type 1 (Write Exclusive)\n"
        "  HOST           PORT  KEY  HOLDER  READ  WRITE\n"
        "  ?              ?     0xa  ?       yes   ?\n"
        "  ?              ?     0xa  ?       yes   ?\n"
        "  everyone else  -     -    -       yes   no\n"
        "  PR generation: 0x0\n"
        "  Capabilities: unknown, the disk does not say\n"
        "  Note: hosts cannot be told apart, keys only (READ FULL STATUS: sense 05/24/00)\n"
    )


def test_a_type_that_no_standard_has() -> None:
    status = EMPTY.but(reservation=Reservation(0xA, 4), others=KnownAccess(None, None))

    lines = render("DISK", status).splitlines()

    assert lines[0] == "DISK: RESERVED by the host with key 0xa, type 4 (obsolete [4])"
    assert lines[2].split() == ["everyone", "-", "-", "-", "?", "?"]


def test_answers_that_contradict_each_other() -> None:
    text = render("DISK", EMPTY.but(consistent=False))

    assert text.splitlines()[-1] == (
        "  Note: the disk's answers contradict each other: hosts are changing it; run this again"
    )


def test_registrations_that_are_not_all_are_counted_as_such() -> None:
    text = render("DISK", EMPTY.but(registered=200, complete=False))

    assert text.startswith("DISK: not reserved, at least 200 registrations\n")


def test_capabilities_of_a_simple_disk() -> None:
    text = render("DISK", EMPTY.but(capabilities=ReportCapabilities(types=None)))

    assert text.splitlines()[-1] == (
        "  Capabilities: persists through power loss: no; ALL_TG_PT: no; SPEC_I_PT: no;"
        " types: unknown"
    )


def test_a_unit_attention_that_has_no_name_here() -> None:
    attention = Sense(SenseKey.UNIT_ATTENTION, 0x80, 0x01)

    text = render("DISK", EMPTY.but(unit_attentions=(attention,)))

    assert "  Note: the disk told this host: UNIT ATTENTION (06/80/01)\n" in text


@given(st.lists(transport_ids, max_size=4), st.text())
def test_no_name_of_a_host_or_disk_breaks_out_of_its_line(ports: list, disk: str) -> None:
    registrants = tuple(Registrant(1, FullStatus(1, port), False, ALL) for port in ports)
    status = EMPTY.but(registrants=registrants, registered=len(ports))

    text = render(disk, status)

    lines = text.split("\n")
    assert len(lines) == len(ports) + 6
    assert all(line.isprintable() for line in lines)
