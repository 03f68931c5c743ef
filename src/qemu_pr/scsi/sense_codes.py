"""Sense keys and additional sense codes: their names, what to do about them, and how to exit.

One table, which the manual prints. It is for those who describe: who serves does not load it.

The names are those of SPC-4, table F.2. The exit statuses are those of sg3_utils 1.48, so that
scripts written for sg_persist stay right. Releases before it know 12, 13 and 19 as 2, 2 and 5.
"""

from qemu_pr.record import Record
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import Completion, Status

OTHER = 98
"""The exit status of sense data that has none of its own."""

_AGAIN = "run the command again"
_NO_DATA = f"the helper passed no data on; {_AGAIN}"
_OTHER_PATH = "the disk takes no command through this port: use another path, or the multipath map"


class Guidance(Record):
    """What sense data tells an operator.

    Attributes:
        exit_status: How a program exits that met it.
        advice: What to do about it; may be empty.
    """

    exit_status: int
    advice: str = ""


KEYS: dict[int, Guidance] = {
    SenseKey.NO_SENSE: Guidance(20, _NO_DATA),
    SenseKey.RECOVERED_ERROR: Guidance(21, _NO_DATA),
    SenseKey.NOT_READY: Guidance(2, "wait until the disk is ready, then run the command again"),
    SenseKey.MEDIUM_ERROR: Guidance(3),
    SenseKey.HARDWARE_ERROR: Guidance(3),
    SenseKey.ILLEGAL_REQUEST: Guidance(5),
    SenseKey.UNIT_ATTENTION: Guidance(
        6, f"the device tells this once and did nothing else; {_AGAIN}"
    ),
    SenseKey.DATA_PROTECT: Guidance(7),
    SenseKey.BLANK_CHECK: Guidance(3),
    SenseKey.COPY_ABORTED: Guidance(10),
    SenseKey.ABORTED_COMMAND: Guidance(11, _AGAIN),
    SenseKey.MISCOMPARE: Guidance(14),
}
"""What a sense key tells, where its additional sense code tells no more."""


class Code(Record):
    """An additional sense code with its qualifier.

    Attributes:
        key: The sense key that it comes with. It may come with others, and has its name then, too;
            what follows holds with this one.
        asc: ADDITIONAL SENSE CODE.
        ascq: ADDITIONAL SENSE CODE QUALIFIER.
        name: In the words of SPC-4.
        advice: What to do about it; empty if that is what the sense key says.
        exit_status: None if it is that of the sense key.
    """

    key: int
    asc: int
    ascq: int
    name: str
    advice: str = ""
    exit_status: int | None = None


CODES = (
    Code(
        0xB,
        0x00,
        0x06,
        "I/O process terminated",
        advice=(
            "the helper cannot send SCSI commands to it: it is no SCSI disk "
            "(a regular file needs qemu-pr-helper --simulate), or the helper lacks CAP_SYS_RAWIO"
        ),
    ),
    Code(0x2, 0x04, 0x00, "logical unit not ready, cause not reportable"),
    Code(0x2, 0x04, 0x01, "logical unit is in process of becoming ready"),
    Code(0x2, 0x04, 0x02, "logical unit not ready, initializing command required"),
    Code(0x2, 0x04, 0x03, "logical unit not ready, manual intervention required"),
    Code(0x2, 0x04, 0x0A, "logical unit not accessible, asymmetric access state transition"),
    Code(
        0x2,
        0x04,
        0x0B,
        "logical unit not accessible, target port in standby state",
        advice=_OTHER_PATH,
        exit_status=12,
    ),
    Code(
        0x2,
        0x04,
        0x0C,
        "logical unit not accessible, target port in unavailable state",
        advice=_OTHER_PATH,
        exit_status=13,
    ),
    Code(0xB, 0x05, 0x00, "logical unit does not respond to selection"),
    Code(
        0xB,
        0x08,
        0x00,
        "logical unit communication failure",
        advice=(
            "no answer came, and the command may have been carried out: "
            "see --read-full-status before you run it again"
        ),
    ),
    Code(0xB, 0x08, 0x01, "logical unit communication time-out"),
    Code(0x3, 0x11, 0x00, "unrecovered read error"),
    Code(
        0x5,
        0x1A,
        0x00,
        "parameter list length error",
        advice="the device takes no TransportIDs with this service action: leave out "
        "--transport-id",
    ),
    Code(
        0x5,
        0x20,
        0x00,
        "invalid command operation code",
        advice="the device has no persistent reservations, or it was opened read-only: leave out "
        "-y",
        exit_status=9,
    ),
    Code(0x5, 0x21, 0x00, "logical block address out of range", exit_status=22),
    Code(
        0x5,
        0x24,
        0x00,
        "invalid field in CDB",
        advice=(
            "it is no SCSI disk, or does not know this service action or --prout-type: "
            "--report-capabilities tells"
        ),
    ),
    Code(0x5, 0x25, 0x00, "logical unit not supported"),
    Code(
        0x5,
        0x26,
        0x00,
        "invalid field in parameter list",
        advice=(
            "check the keys, --transport-id, --param-alltgpt and --param-aptpl: "
            "--report-capabilities tells what the device knows"
        ),
        exit_status=19,
    ),
    Code(
        0x5,
        0x26,
        0x04,
        "invalid release of persistent reservation",
        advice="--prout-type must be the type of the reservation: --read-reservation shows it",
    ),
    Code(0x7, 0x27, 0x00, "write protected"),
    Code(0x7, 0x27, 0x07, "space allocation failed write protect"),
    Code(0x6, 0x29, 0x00, "power on, reset, or bus device reset occurred"),
    Code(0x6, 0x29, 0x01, "power on occurred"),
    Code(0x6, 0x29, 0x02, "SCSI bus reset occurred"),
    Code(0x6, 0x29, 0x03, "bus device reset function occurred"),
    Code(0x6, 0x29, 0x04, "device internal reset"),
    Code(0xB, 0x29, 0x07, "I_T nexus loss occurred"),
    Code(0x6, 0x2A, 0x01, "mode parameters changed"),
    Code(0x6, 0x2A, 0x03, "reservations preempted"),
    Code(0x6, 0x2A, 0x04, "reservations released"),
    Code(0x6, 0x2A, 0x05, "registrations preempted"),
    Code(0x6, 0x2A, 0x06, "asymmetric access state changed"),
    Code(0x6, 0x2A, 0x09, "capacity data has changed"),
    Code(0xB, 0x2E, 0x02, "command timeout during processing"),
    Code(0x6, 0x2F, 0x00, "commands cleared by another initiator"),
    Code(0xB, 0x2F, 0x02, "commands cleared by device server"),
    Code(0x2, 0x3A, 0x00, "medium not present"),
    Code(0x6, 0x3F, 0x03, "inquiry data has changed"),
    Code(0x6, 0x3F, 0x0E, "reported LUNs data has changed"),
    Code(0x4, 0x44, 0x00, "internal target failure"),
    Code(0x5, 0x55, 0x02, "insufficient reservation resources"),
    Code(0x5, 0x55, 0x03, "insufficient resources"),
    Code(
        0x5,
        0x55,
        0x04,
        "insufficient registration resources",
        advice="the device has no room for another key: --read-keys shows those it has",
    ),
)
"""The additional sense codes that a reservation command meets, with the sense key of each."""

_BY_CODE = {(code.asc, code.ascq): code for code in CODES}


def sense_of(completion: Completion) -> Sense | None:
    """Give the sense data of a completion; None if there is none that can be read."""
    if completion.status != Status.CHECK_CONDITION:
        return None
    try:
        return Sense.decode(completion.sense)
    except MalformedError:
        return None


def name_of(sense: Sense) -> str:
    """Give the additional sense code and its qualifier in words; empty if they are not known."""
    code = _BY_CODE.get((sense.asc, sense.ascq))
    return code.name if code else ""


def told_by(sense: Sense) -> Guidance:
    """Give what sense data tells, by its additional sense code, or else by its sense key."""
    if (sense.key, sense.asc) == (SenseKey.ABORTED_COMMAND, 0x10):  # protection information
        return Guidance(40, _AGAIN)
    of_key = KEYS.get(sense.key, Guidance(OTHER))
    code = _BY_CODE.get((sense.asc, sense.ascq))
    if code is None or code.key != sense.key:
        return of_key
    exit_status = of_key.exit_status if code.exit_status is None else code.exit_status
    return Guidance(exit_status, code.advice or of_key.advice)


def in_words(sense: Sense) -> str:
    """Give all of it in words, as far as they are known, and the codes."""
    key = SenseKey(sense.key).name.lower().replace("_", " ")
    return ": ".join(filter(None, (key, name_of(sense)))) + f" ({sense})"
