"""The options of ``qemu-pr persist``: those of ``sg_persist``, and two more."""

import argparse
import re
from collections.abc import Callable

from qemu_pr import __version__
from qemu_pr.cli.guessing_parser import GuessingParser
from qemu_pr.cli.persist.text import BUFFER_SIZE
from qemu_pr.manager import DEFAULT_PATH
from qemu_pr.scsi.commands import InServiceAction, OutServiceAction

_DESCRIPTION = """\
Read and change the persistent reservations of a SCSI disk through a helper. The options, the
output and the exit status are those of sg_persist, but the PERSISTENT RESERVE command goes to the
socket of qemu-pr-helper, as a virtual machine's do: what works here works for QEMU, and whoever may
use the socket and open DEVICE needs no privileges.

Without options it reads the registered keys. What changes something needs --out, as a safeguard.
Like sg_persist it prints what the disk is first (INQUIRY data, which the kernel has), unless told
--no-inquiry. Long options may have _ for -.
"""

_EPILOG = """\
DEVICE is a SCSI disk, such as /dev/sdb or /dev/mapper/mpatha; for a helper that simulates disks it
is a regular file.

A TransportID names an initiator port. TIDS is one of:

  sas,5000c50005b32001      a SAS address, 16 hex digits
  fcp,10000000c9f3a571      a Fibre Channel N_Port name, 16 hex digits
  iqn.2020-01.com.example:host-a,i,0x00023d000001
                            an iSCSI name, and behind ",i,0x" the session ID, if one port is meant
  sbp,EUI-64  srp,PORT  spi,ADDRESS,PORT  sop,ROUTING-ID
                            16 hex digits, 32 hex digits, two decimal numbers, a hex number
  6,0,0,0,50,0,c5,0,5,b3,20,1
                            the bytes in hex; zeros are added up to 24
  file=NAME                 a file with one TransportID a line; "#" begins a comment
  -                         the same from standard input

With --json the output is one object. Its names are those of the fields in SPC-4:

  always                    device, service_action, status
  --read-keys               prgeneration, complete, reservation_keys
  --read-reservation        prgeneration, complete, reservation (null, or an object with
                            reservation_key, scope, type, type_name)
  --report-capabilities     rlr_c, crh, sip_c, atp_c, ptpl_c, tmv, allow_commands, ptpl_a,
                            persistent_reservation_type_mask (null, or an object with wr_ex, ex_ac,
                            wr_ex_ro, ex_ac_ro, wr_ex_ar, ex_ac_ar)
  --read-full-status        prgeneration, complete, full_status_descriptors (objects with
                            reservation_key, all_tg_pt, r_holder, scope, type, type_name,
                            relative_target_port_identifier, transport_id)
  transport_id              protocol_identifier and n_port_name, sas_address, data, or iscsi_name
                            and iscsi_initiator_session_id
  if the command failed     exit_status, reason, advice, and sense (null, or an object with
                            sense_key, additional_sense_code, additional_sense_code_qualifier, text)

Keys and addresses are strings in hex. complete is false if the allocation length cut the answer.

Exit status:

   0  the command was carried out
   1  wrong options
   2  the disk is not ready
   3  medium or hardware error
   5  illegal request: the disk does not know the command, or a field of it
   6  unit attention: something else happened to the disk first; run the command again
   7  data protect
   9  the disk does not know PERSISTENT RESERVE, or DEVICE was opened read-only
  11  aborted command; also if the helper broke off
  15  DEVICE cannot be opened, or no helper answers on the socket
  24  reservation conflict
  26  busy
  27  task set full
  29  task aborted
  31  options that contradict each other, or one that is missing
  97  the disk's answer makes no sense
  98  other sense data
  99  any other error

Environment: if SG_PERSIST_IN_RDONLY is set, DEVICE is opened read-only for PERSISTENT RESERVE IN.

Examples:

  qemu-pr persist /dev/sdb
  qemu-pr persist --out --register --param-sark=123abc /dev/sdb
  qemu-pr persist --out --reserve --param-rk=123abc --prout-type=5 /dev/sdb
  qemu-pr persist --in --read-full-status --json /dev/sdb
"""


_IN_ACTIONS = (
    (("-k", "--read-keys"), InServiceAction.READ_KEYS, "READ KEYS (default)"),
    (("-r", "--read-reservation"), InServiceAction.READ_RESERVATION, "READ RESERVATION"),
    (("-c", "--report-capabilities"), InServiceAction.REPORT_CAPABILITIES, "REPORT CAPABILITIES"),
    (
        ("-s", "--read-full-status", "--read-status"),
        InServiceAction.READ_FULL_STATUS,
        "READ FULL STATUS: every registration with its initiator port",
    ),
)

_OUT_ACTIONS = (
    (
        ("-G", "--register"),
        OutServiceAction.REGISTER,
        "REGISTER: add (RK 0), change or remove (SARK 0) this host's key",
    ),
    (
        ("-I", "--register-ignore"),
        OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY,
        "REGISTER AND IGNORE EXISTING KEY: the same without RK",
    ),
    (
        ("-M", "--register-move"),
        OutServiceAction.REGISTER_AND_MOVE,
        "REGISTER AND MOVE: hand the reservation to another initiator port",
    ),
    (("-R", "--reserve"), OutServiceAction.RESERVE, "RESERVE"),
    (("-L", "--release"), OutServiceAction.RELEASE, "RELEASE"),
    (
        ("-C", "--clear"),
        OutServiceAction.CLEAR,
        "CLEAR: remove the reservation and every registration",
    ),
    (
        ("-P", "--preempt"),
        OutServiceAction.PREEMPT,
        "PREEMPT: remove the registrations that have the key SARK, and take over their reservation",
    ),
    (
        ("-A", "--preempt-abort"),
        OutServiceAction.PREEMPT_AND_ABORT,
        "PREEMPT AND ABORT: the same, and abort their commands",
    ),
    (
        ("-z", "--replace-lost"),
        OutServiceAction.REPLACE_LOST_RESERVATION,
        "REPLACE LOST RESERVATION",
    ),
)

_HEX = "dump the data in hex; -HH with its header, -HHH also without addresses"
_READONLY = "open DEVICE read-only; -yy: for reading and writing, whatever the environment says"
_VERBOSE = "print the command to stderr; -vv also its parameters"
_RK = "RESERVATION KEY: the key that this host has registered; hex, up to 64 bits (default: 0)"
_SARK = "SERVICE ACTION RESERVATION KEY: the new key, or the one to preempt; hex (default: 0)"
_TYPE = (
    "TYPE of the reservation: 1 write exclusive, 3 exclusive access; 5 and 6 the same, registrants "
    "only; 7 and 8 the same, all registrants"
)


def add_options(parser: GuessingParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.allow_abbrev = True  # as sg_persist, whose help says --alloc-len
    parser.allow_underscores = True  # as sg_persist, where --read_keys is --read-keys
    option = parser.add_argument
    option("operand", metavar="DEVICE", nargs="?", help="the disk")
    option("-d", "--device", metavar="DEVICE", help="the disk, given as an option")
    option(
        "--socket",
        metavar="PATH",
        default=DEFAULT_PATH,
        help="the helper's socket (default: %(default)s)",
    )
    option("--json", action="store_true", help="print JSON")
    option("-H", "--hex", action="count", default=0, help=_HEX)
    option(
        "-i", "--in", dest="in_", action="store_true", help="send PERSISTENT RESERVE IN (default)"
    )
    option("-o", "--out", action="store_true", help="send PERSISTENT RESERVE OUT")
    option(
        "-n", "--no-inquiry", action="store_true", help="print no INQUIRY data before the answer"
    )
    option("-y", "--readonly", action="count", default=0, help=_READONLY)
    option("-v", "--verbose", action="count", default=0, help=_VERBOSE)
    version = f"qemu-pr {__version__}"
    option("-V", "--version", action="version", version=version, help="print the version and exit")

    group = parser.add_argument_group("service actions of PERSISTENT RESERVE IN")
    for names, in_action, text in _IN_ACTIONS:
        group.add_argument(
            *names,
            dest="in_actions",
            action="append_const",
            const=in_action,
            default=[],
            help=text,
        )
    option = group.add_argument
    option(
        *("-l", "--alloc-length"),
        metavar="LEN",
        dest="allocation_length",
        type=allocation_length_in_hex,
        default=BUFFER_SIZE,
        help=f"ALLOCATION LENGTH in hex (default: {BUFFER_SIZE:x})",
    )
    option(
        *("-m", "--maxlen"),
        metavar="LEN",
        dest="allocation_length",
        type=allocation_length,
        help="the same in decimal, or in hex with 0x before or h behind it; 8k is 8192",
    )

    group = parser.add_argument_group("service actions of PERSISTENT RESERVE OUT")
    for names, out_action, text in _OUT_ACTIONS:
        group.add_argument(
            *names,
            dest="out_actions",
            action="append_const",
            const=out_action,
            default=[],
            help=text,
        )

    option = parser.add_argument_group("parameters of PERSISTENT RESERVE OUT").add_argument
    option("-K", "--param-rk", metavar="RK", type=hexadecimal(64), default=0, help=_RK)
    option("-S", "--param-sark", metavar="SARK", type=hexadecimal(64), default=0, help=_SARK)
    option("-T", "--prout-type", metavar="TYPE", type=hexadecimal(4), default=0, help=_TYPE)
    option("-X", "--transport-id", metavar="TIDS", help="TransportIDs, see below")
    option("-Y", "--param-alltgpt", action="store_true", help="ALL_TG_PT: for all target ports")
    option(
        *("-Z", "--param-aptpl"),
        action="store_true",
        help="APTPL: keep registrations and reservation through a loss of power",
    )
    option(
        *("-Q", "--relative-target-port"),
        metavar="RTPI",
        type=hexadecimal(16),
        default=0,
        help="RELATIVE TARGET PORT IDENTIFIER to move to, with --register-move; hex",
    )
    option(
        *("-U", "--unreg", "--param-unreg"),
        action="store_true",
        help="UNREG: unregister this host after --register-move",
    )


def hexadecimal(bits: int) -> Callable[[str], int]:
    """Give a reader of hexadecimal numbers, with or without ``0x``.

    Args:
        bits: How large the field is that the number is for.
    """

    def read(text: str) -> int:
        if re.fullmatch("(0[xX])?[0-9A-Fa-f]+", text) and int(text, 16) < 1 << bits:
            return int(text, 16)
        raise argparse.ArgumentTypeError(f"{text!r} is no hexadecimal number of {bits} bits")

    return read


def allocation_length_in_hex(text: str) -> int:
    """Read an allocation length in hex.

    Raises:
        argparse.ArgumentTypeError: It is no number, or more than 8192.
    """
    return _check_allocation_length(hexadecimal(32)(text))


def allocation_length(text: str) -> int:
    """Read an allocation length as all of sg3_utils do.

    Args:
        text: A decimal number, maybe with a multiplier behind it (``8k``), or a hexadecimal one as
            ``0x2000`` or ``2000h``; two numbers may be joined by ``x`` (product) or ``+`` (sum).

    Raises:
        argparse.ArgumentTypeError: It is no number, or more than 8192.
    """
    try:
        return _check_allocation_length(_number(text.lower()))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error


_MULTIPLIERS = {"": 1, "c": 1, "w": 2, "b": 512, "k": 1024, "kib": 1024, "kb": 1000}


def _number(text: str) -> int:
    if match := re.fullmatch("(0x[0-9a-f]+|(?!0x)[0-9]+)([x+])(.+)", text):
        left, operator, right = int(match[1], 0), match[2], _number(match[3])
        return left * right if operator == "x" else left + right
    if match := re.fullmatch("0x([0-9a-f]+)|([0-9a-f]+)h", text):
        return int(match[1] or match[2], 16)
    if (match := re.fullmatch("([0-9]+)([a-z]*)", text)) and match[2] in _MULTIPLIERS:
        return int(match[1]) * _MULTIPLIERS[match[2]]
    raise ValueError(text)


def _check_allocation_length(length: int) -> int:
    if length > BUFFER_SIZE:
        raise argparse.ArgumentTypeError(f"{length} bytes, at most {BUFFER_SIZE}")
    return length
