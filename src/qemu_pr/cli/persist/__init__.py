"""``qemu-pr persist``: ``sg_persist`` over a helper's socket."""

import argparse
import errno
import os
import sys

from qemu_pr.cli.guessing_parser import GuessingParser
from qemu_pr.cli.nearest_path import nearest_path
from qemu_pr.cli.persist import inquiry, options, text
from qemu_pr.cli.persist.request import OptionsError, Request, build
from qemu_pr.cli.progress import progress
from qemu_pr.client.failures import (
    FILE_ERROR,
    MALFORMED,
    Failure,
    explain,
)
from qemu_pr.manager import ConnectError, PRManagerHelper
from qemu_pr.scsi.commands import InServiceAction, OutServiceAction
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.names import status_name
from qemu_pr.scsi.sense import COMMAND_IO_PROCESS_TERMINATED
from qemu_pr.scsi.sense_codes import name_of
from qemu_pr.scsi.status import Completion

_START = "start qemu-pr-helper, or say with --socket where its socket is"
_NO_HELPER = {
    errno.ENOENT: _START,
    errno.ECONNREFUSED: f"no helper listens there: {_START}",
    errno.EACCES: "the socket's permissions keep you out: be root, or in its group",
}


def add_options(parser: GuessingParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    options.add_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Carry the subcommand out.

    Args:
        args: The options.

    Returns:
        The exit status, as sg_persist has it.
    """
    try:
        request = build(args)
    except OptionsError as error:
        return _complain(f"{error} (try 'qemu-pr persist --help')", error.exit_status)
    _announce(args, request)
    try:
        with progress("waiting for the helper"):
            completion, broken, disk = _execute(args.socket, request)
    except ConnectError as error:
        advice = _NO_HELPER.get(error.errno or 0, "see that qemu-pr-helper runs well")
        return _complain(f"{error}{_meant(error, error.filename)}; {advice}", FILE_ERROR)
    except OSError as error:
        message = f"cannot open {request.device}: {error.strerror}{_meant(error, request.device)}"
        may_look = isinstance(request.action, InServiceAction) and not request.readonly
        readable = os.access(request.device, os.R_OK, effective_ids=True)
        if may_look and readable and error.errno in (errno.EACCES, errno.EROFS):
            message += "; -y opens it read-only, which is enough to look"
        elif error.errno == errno.EACCES:
            message += "; be root, or in the group that the device belongs to"
        return _complain(message, FILE_ERROR)
    failure = explain(request.command, completion)
    if not args.no_inquiry and not args.json and not _is_no_disk(failure):
        _write(disk.encode(errors="surrogateescape"))
    if failure is None and args.verbose and isinstance(request.action, OutServiceAction):
        print(_succeeded(request.action), file=sys.stderr)
    fields: dict[str, object] = {}
    if failure is None and isinstance(request.action, InServiceAction):
        if args.json:
            fields, failure = _decode(request.action, completion.data)
        else:
            failure = _print_text(args, request.action, completion.data)
        _warn_if_cut(request, completion.data)
    if args.json:
        _print_json(request, completion, fields, failure)
    if failure is None:
        return 0
    reason = "; ".join(filter(None, (failure.reason, broken, failure.advice)))
    return _complain(f"{request.device}: {request.name}: {reason}", failure.exit_status)


def _announce(args: argparse.Namespace, request: Request) -> None:
    """Print what will be sent: with -v the CDB, with -vv the parameters, with -vvv TransportIDs."""
    if request.lacks_type:
        _complain(f"warning: {request.name} without --prout-type asks for type 0, which is none")
    if args.verbose > 0:
        print(f"    {request.name} cdb: [{request.command.encode().hex(' ')}]", file=sys.stderr)
    if args.verbose > 1 and request.data_out:
        print(f"    {request.name} parameters:", file=sys.stderr)
        print("".join(text.dump(request.data_out, addresses=False)), end="", file=sys.stderr)
    if args.verbose > 2 and not args.json:
        ports = "".join(text.render_transport_id(port) for port in request.transport_ids)
        _write(ports.encode(errors="surrogateescape"))


def _execute(socket_path: str, request: Request) -> tuple[Completion, str, str]:
    """Execute the command; tell also why the connection broke, if it did, and what the disk is."""
    access = os.O_RDONLY if request.readonly else os.O_RDWR
    fd = os.open(request.device, access | os.O_NONBLOCK)
    try:
        with PRManagerHelper(socket_path) as manager:
            completion = manager.execute(fd, request.command.encode(), request.data_out)
            return completion, str(manager.last_error or ""), inquiry.lines(fd)
    finally:
        os.close(fd)


def _succeeded(action: OutServiceAction) -> str:
    """Say what sg_persist of sg3_utils 1.48 says of a command that was carried out."""
    if action is OutServiceAction.REGISTER_AND_MOVE:
        return "PR out (register and move): command successful"
    return f"PR out: command ({action.name.replace('_', ' ').capitalize()}) successful"


def _is_no_disk(failure: Failure | None) -> bool:
    """Tell whether the helper says that it is no SCSI disk: a file that nobody simulates."""
    return failure is not None and failure.sense == COMMAND_IO_PROCESS_TERMINATED


def _decode(action: InServiceAction, data: bytes) -> tuple[dict[str, object], Failure | None]:
    from qemu_pr.cli.persist import as_json  # seldom asked for, as is json

    try:
        return as_json.describe(action, data), None
    except MalformedError as error:
        return {}, Failure(MALFORMED, f"the disk's answer makes no sense: {error}")


def _print_text(args: argparse.Namespace, action: InServiceAction, data: bytes) -> Failure | None:
    output = text.render(
        action,
        data,
        allocation_length=args.allocation_length,
        hexadecimal=args.hex,
        verbose=args.verbose > 0,
    )
    _write(output)
    if action is InServiceAction.REPORT_CAPABILITIES and data[1:2] != b"\x08":
        return Failure(MALFORMED, "the disk's answer makes no sense: its LENGTH is not 8")
    return None


def _warn_if_cut(request: Request, data: bytes) -> None:
    """Tell of data that did not arrive; the output has zeros in its place."""
    size = 8
    if request.action is not InServiceAction.REPORT_CAPABILITIES:
        size += int.from_bytes(data[4:8], "big")
    if len(data) < size:
        _complain(
            f"warning: {request.device}: {request.name}: the answer is cut, "
            f"{len(data)} of {size} bytes arrived"
        )


def _print_json(
    request: Request, completion: Completion, fields: dict[str, object], failure: Failure | None
) -> None:
    import json

    answer: dict[str, object] = {
        "device": request.device,
        "service_action": request.name,
        "status": status_name(completion.status),
        **fields,
    }
    if failure is not None:
        sense = failure.sense
        answer |= {
            "exit_status": failure.exit_status,
            "reason": failure.reason,
            "advice": failure.advice,
            "sense": sense
            and {
                "sense_key": sense.key,
                "additional_sense_code": sense.asc,
                "additional_sense_code_qualifier": sense.ascq,
                "text": name_of(sense),
            },
        }
    _write(json.dumps(answer, indent=2).encode() + b"\n")


def _write(output: bytes) -> None:
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()


def _meant(error: OSError, path: str) -> str:
    return nearest_path(path) if error.errno == errno.ENOENT else ""


def _complain(message: str, exit_status: int = 0) -> int:
    print(f"qemu-pr: persist: {message}", file=sys.stderr)
    return exit_status
