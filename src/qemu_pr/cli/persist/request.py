"""From the options to the command that they ask for."""

import argparse
import os

from qemu_pr.cli.persist import transport_ids
from qemu_pr.client.failures import CONTRADICTION, USAGE
from qemu_pr.protocol import MAX_DATA_SIZE
from qemu_pr.record import Record
from qemu_pr.scsi.commands import (
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.parameter_lists import BASIC_SIZE, ParameterList

_TYPED = (
    OutServiceAction.RESERVE,
    OutServiceAction.RELEASE,
    OutServiceAction.PREEMPT,
    OutServiceAction.PREEMPT_AND_ABORT,
)


class OptionsError(Exception):
    """The options ask for nothing that can be sent.

    Args:
        message: What is wrong with them, in one line.
        exit_status: That of sg_persist: 1, or 31 where they contradict each other.
    """

    def __init__(self, message: str, exit_status: int = USAGE) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class Request(Record):
    """What to send, and how to open the disk for it.

    Attributes:
        device: Path of the disk.
        readonly: Open it read-only.
        action: The command's service action.
        command: The command.
        data_out: Its parameter list; empty with PERSISTENT RESERVE IN.
        transport_ids: The TransportIDs that were given.
    """

    device: str
    readonly: bool
    action: InServiceAction | OutServiceAction
    command: PersistentReserveIn | PersistentReserveOut
    data_out: bytes = b""
    transport_ids: tuple[bytes, ...] = ()

    @property
    def lacks_type(self) -> bool:
        """Whether the command needs a reservation type, and has 0, which is none."""
        return (
            isinstance(self.command, PersistentReserveOut)
            and self.action in _TYPED
            and self.command.type == 0
        )

    @property
    def name(self) -> str:
        """The service action as SPC-4 spells it."""
        return self.action.name.replace("_", " ")


def build(args: argparse.Namespace) -> Request:
    """Build what the options ask for.

    Raises:
        OptionsError: They ask for nothing, or for too much.
    """
    devices = [path for path in (args.device, args.operand) if path is not None]
    if len(devices) != 1:
        raise OptionsError(f"{'two DEVICEs' if devices else 'no DEVICE'} given")
    ports = _read_transport_ids(args.transport_id)
    if args.json and args.hex:
        raise OptionsError("--json and --hex: choose one", CONTRADICTION)
    if args.out and args.in_:
        raise OptionsError("--in and --out: choose one", CONTRADICTION)
    action = _out_action(args) if args.out else _in_action(args)
    moves = action is OutServiceAction.REGISTER_AND_MOVE
    if not moves and (args.unreg or args.relative_target_port):
        raise OptionsError(
            "--unreg and --relative-target-port go with --register-move only", CONTRADICTION
        )
    if moves and len(ports) != 1:
        raise OptionsError(
            "--register-move needs one --transport-id: where the reservation goes", CONTRADICTION
        )
    if isinstance(action, InServiceAction):
        allow_write = args.readonly > 1 or "SG_PERSIST_IN_RDONLY" not in os.environ
        return Request(
            device=devices[0],
            readonly=args.readonly == 1 or not allow_write,
            action=action,
            command=PersistentReserveIn(action, args.allocation_length),
            transport_ids=ports,
        )
    data_out = _moving_list(args, ports[0]) if moves else _parameter_list(args, ports)
    if len(data_out) > MAX_DATA_SIZE:
        raise OptionsError(f"--transport-id: {len(data_out)} bytes, at most {MAX_DATA_SIZE} fit")
    return Request(
        device=devices[0],
        readonly=args.readonly == 1,
        action=action,
        command=PersistentReserveOut(action, len(data_out), type=args.prout_type),
        data_out=data_out,
        transport_ids=ports,
    )


def _in_action(args: argparse.Namespace) -> InServiceAction:
    if args.out_actions:
        raise OptionsError("what changes reservations needs --out, as a safeguard", CONTRADICTION)
    match args.in_actions or [InServiceAction.READ_KEYS]:
        case [InServiceAction() as action]:
            return action
        case _:
            raise OptionsError("several service actions: choose one", CONTRADICTION)


def _out_action(args: argparse.Namespace) -> OutServiceAction:
    match args.in_actions, args.out_actions:
        case [], [OutServiceAction() as action]:
            return action
        case _:
            raise OptionsError(
                "--out needs one service action of PERSISTENT RESERVE OUT, such as --register",
                CONTRADICTION,
            )


def _read_transport_ids(argument: str | None) -> tuple[bytes, ...]:
    try:
        return () if argument is None else transport_ids.read(argument)
    except (MalformedError, OSError) as error:
        raise OptionsError(f"--transport-id: {error}") from error


# The TransportIDs go into the parameter list as given, even if they make no sense: what a target
# does then is worth testing.


def _parameter_list(args: argparse.Namespace, ports: tuple[bytes, ...]) -> bytes:
    parameters = ParameterList(
        reservation_key=args.param_rk,
        service_action_reservation_key=args.param_sark,
        aptpl=args.param_aptpl,
        all_tg_pt=args.param_alltgpt,
        initiator_ports=() if ports else None,
    )
    if not ports:
        return parameters.encode()
    return parameters.encode()[:BASIC_SIZE] + _with_length(b"".join(ports))


def _moving_list(args: argparse.Namespace, port: bytes) -> bytes:
    keys = ParameterList(args.param_rk, args.param_sark).encode()[:16]
    flags = args.unreg << 1 | args.param_aptpl
    target_port: int = args.relative_target_port
    return keys + bytes((0, flags)) + target_port.to_bytes(2, "big") + _with_length(port)


def _with_length(ports: bytes) -> bytes:
    return len(ports).to_bytes(4, "big") + ports
