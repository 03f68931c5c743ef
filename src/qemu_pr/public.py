"""The public names: ``from qemu_pr import parse``. All else may change from release to release."""

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.formats import FORMATS, shell_text
from qemu_pr.command_line.model import ReservedDisks
from qemu_pr.lint.check import Report, check
from qemu_pr.lint.parse import parse
from qemu_pr.logical_unit.state import MemoryState, Nexus
from qemu_pr.logical_unit.unit import LogicalUnit
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.protocol import ProtocolError, ReplyReader, Request, RequestReader, encode_reply
from qemu_pr.reservation_status import CommandError, ReservationStatus, query
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
    ReservationType,
)
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_lists import ParameterList, RegisterAndMoveParameterList
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import Completion, Status

__all__ = [
    "FORMATS",
    "CommandError",
    "CommandLineError",
    "Completion",
    "ConnectError",
    "InServiceAction",
    "LogicalUnit",
    "MalformedError",
    "MemoryState",
    "Nexus",
    "OutServiceAction",
    "PRManagerHelper",
    "ParameterList",
    "PersistentReserveIn",
    "PersistentReserveOut",
    "ProtocolError",
    "RegisterAndMoveParameterList",
    "ReplyReader",
    "Report",
    "Request",
    "RequestReader",
    "ReservationStatus",
    "ReservationType",
    "ReservedDisks",
    "Sense",
    "Status",
    "check",
    "encode_reply",
    "parse",
    "query",
    "shell_text",
]
