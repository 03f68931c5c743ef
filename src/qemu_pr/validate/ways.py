"""Ways to a disk: each is one I_T nexus that commands are sent through."""

import ctypes
import fcntl
import os
import re
import shlex
import struct
import subprocess

from qemu_pr.devices import FAILED as HELPER_FAILED
from qemu_pr.devices import DeviceError
from qemu_pr.devices.sg_io import (
    ANSWER,
    ANSWER_OFFSET,
    BY_ERRNO,
    FAILED,
    HEADER,
    SENSE_BUFFER_SIZE,
    SG_DXFER_FROM_DEV,
    SG_DXFER_TO_DEV,
    SG_IO,
    TIMEOUT,
    completion,
)
from qemu_pr.devices.simulated import SimulatedDevice
from qemu_pr.manager import PRManagerHelper
from qemu_pr.protocol import CDB_SIZE
from qemu_pr.scsi import parameter_data, sense
from qemu_pr.scsi.commands import (
    PERSISTENT_RESERVE_IN,
    PERSISTENT_RESERVE_OUT,
    InServiceAction,
    OutServiceAction,
    PersistentReserveIn,
    PersistentReserveOut,
)
from qemu_pr.scsi.commands import decode as decode_cdb
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.status import GOOD, RESERVATION_CONFLICT, Completion, Status

_SG_SCSI_RESET = 0x2284
_SG_SCSI_RESET_DEVICE = 1
_SG_SCSI_RESET_NO_ESCALATE = 0x100
_SG_DXFER_NONE = -1
_PR_OPCODES = (PERSISTENT_RESERVE_IN, PERSISTENT_RESERVE_OUT)
_WRITES = (0x2A, 0x89)  # WRITE(10), COMPARE AND WRITE


class LostError(Exception):
    """A way does not lead to the disk any more; the text says why and what to do."""


class NotPossibleError(Exception):
    """A way cannot carry such a command; the text says why."""


class Way:
    """A way to a disk.

    Attributes:
        name: What the operator calls it.
        fd: The disk's descriptor, if it is on this host.
        why_no_medium: Why reads and writes cannot be sent; empty if they can.
        why_no_reset: Why the logical unit cannot be reset; empty if it can.
    """

    name: str
    fd: int
    why_no_medium = ""
    why_no_reset = ""

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        """Send a command.

        Args:
            cdb: The command.
            data_out: What goes with it.
            size_in: How many bytes come back, at most.

        Raises:
            LostError: Nobody knows what became of it.
            NotPossibleError: This way cannot carry it.
        """
        raise NotImplementedError

    def reset(self) -> None:
        """Have the logical unit reset.

        Raises:
            NotPossibleError: This way cannot, or the system refuses.
        """
        raise NotPossibleError(self.why_no_reset)

    def close(self) -> None:
        """Let go of it."""


class KernelWay(Way):
    """A device node of this host: commands go to the kernel with the SG_IO ioctl.

    Args:
        path: The node.
        fd: Its descriptor, which is closed with the way.
    """

    def __init__(self, path: str, fd: int) -> None:
        self.name = path
        self.fd = fd

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        """See `Way.send`."""
        return send_to_kernel(self.fd, cdb, data_out, size_in)

    def reset(self) -> None:
        """See `Way.reset`."""
        request = struct.pack("i", _SG_SCSI_RESET_DEVICE | _SG_SCSI_RESET_NO_ESCALATE)
        try:
            fcntl.ioctl(self.fd, _SG_SCSI_RESET, request)
        except OSError as error:
            raise NotPossibleError(f"the kernel resets no {self.name}: {error.strerror}") from None

    def close(self) -> None:
        """See `Way.close`."""
        os.close(self.fd)


class HelperWay(Way):
    """A helper's socket with a disk: what QEMU does with a guest's commands.

    PERSISTENT RESERVE commands go to the helper, and all else to the kernel, as far as the disk is
    one of the kernel's.

    Args:
        path: The disk.
        fd: Its descriptor, which is closed with the way.
        socket: The helper's socket.

    Raises:
        ConnectError: Nobody listens there.
    """

    def __init__(self, path: str, fd: int, socket: str, *, is_regular: bool) -> None:
        self.name = f"{path} through {socket}"
        self.fd = fd
        self._helper = PRManagerHelper(socket)
        self._kernel = KernelWay(path, fd)
        if is_regular:
            self.why_no_medium = "a helper's socket carries no reads and writes of a simulated disk"
            self.why_no_reset = "a helper's socket carries no reset of a simulated disk"

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        """See `Way.send`."""
        if cdb[0] not in _PR_OPCODES:
            if self.why_no_medium:
                raise NotPossibleError(self.why_no_medium)
            return self._kernel.send(cdb, data_out, size_in)
        before = self._helper.last_error
        answer = self._helper.execute(self.fd, cdb, data_out)
        error = self._helper.last_error
        if answer == HELPER_FAILED and error is not None and error is not before:
            raise LostError(f"{self.name}: {error}; see that qemu-pr-helper runs, and its log")
        return answer

    def reset(self) -> None:
        """See `Way.reset`."""
        if self.why_no_reset:
            raise NotPossibleError(self.why_no_reset)
        self._kernel.reset()

    def close(self) -> None:
        """See `Way.close`."""
        self._helper.close()
        self._kernel.close()


class SimulatedWay(Way):
    """A simulated disk, spoken to without a helper, as one host.

    Args:
        path: The file.
        fd: Its descriptor, which is closed with the way.
        state: The STATE file.
        initiator: The host's initiator port.
        quirk: A quirk's name, or None.

    Raises:
        SimulationError: STATE or the quirk cannot be used.
    """

    def __init__(self, path: str, fd: int, state: str, initiator: str, quirk: str | None) -> None:
        self.name = f"{path} as {initiator}"
        self.fd = fd
        self._device = SimulatedDevice(state, initiator, quirk)

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:
        """See `Way.send`; what reads and writes is answered, and touches nothing."""
        try:
            if cdb[0] in _PR_OPCODES:
                return self._device.execute(self.fd, cdb.ljust(CDB_SIZE, b"\0"), data_out)
            answer = self._device.medium(self.fd, write=cdb[0] in _WRITES)
        except DeviceError as error:
            raise LostError(str(error)) from None
        return Completion(GOOD.status, data=bytes(size_in)) if answer == GOOD else answer

    def reset(self) -> None:
        """See `Way.reset`."""
        try:
            self._device.reset(self.fd)
        except DeviceError as error:
            raise LostError(str(error)) from None

    def close(self) -> None:
        """See `Way.close`."""
        self._device.close()
        os.close(self.fd)


class CommandWay(Way):
    """A command that runs sg_persist, or qemu-pr persist, on another host.

    Nothing else is needed there. It can send what sg_persist can, and reads back what that says:
    its exit status and, of data, the dump that it prints with -HH.

    Args:
        command: What comes before the options, as ``ssh node2``; ``sg_persist`` is added unless it
            names a program that does the same.
        path: The disk, as that host names it.

    Raises:
        ValueError: No shell could read the command.
    """

    why_no_medium = "--peer-command sends PERSISTENT RESERVE commands only"
    why_no_reset = why_no_medium

    def __init__(self, command: str, path: str) -> None:
        words = shlex.split(command)
        self.name = f"{path} by {command}"
        self._path = path
        self.prefix = words
        self._program = [*words] if _runs_persist(words) else [*words, "sg_persist"]

    def send(self, cdb: bytes, data_out: bytes = b"", size_in: int = 0) -> Completion:  # noqa: ARG002
        """See `Way.send`."""
        if cdb[0] not in _PR_OPCODES:
            raise NotPossibleError(self.why_no_medium)
        command = decode_cdb(cdb)
        options = _options(command, data_out)
        done = self._run([*self._program, "--no-inquiry", *options, self._path])
        return self._read(command, done)

    def vpd_page(self, page: int) -> bytes:
        """Ask for a page of vital product data with sg_inq, empty if that cannot be run."""
        command = [*self.prefix, "sg_inq", "--raw", f"--page={page:#x}", self._path]
        if _runs_persist(self.prefix):
            return b""
        try:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL)
        except OSError:
            return b""
        return b"" if done.returncode else done.stdout

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                command,
                capture_output=True,
                stdin=subprocess.DEVNULL,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,  # Ctrl-C is for the run, which ends it after the command
            )
        except OSError as error:
            raise LostError(f"{command[0]}: {error.strerror}; see --peer-command") from None

    def _read(
        self,
        command: PersistentReserveIn | PersistentReserveOut,
        done: subprocess.CompletedProcess[str],
    ) -> Completion:
        if done.returncode == 0:
            if isinstance(command, PersistentReserveIn):
                return Completion(GOOD.status, data=_data(done.stdout, self.name))
            return GOOD
        known = _BY_EXIT_STATUS.get(done.returncode)
        if known is None:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()
            raise LostError(
                f"{shlex.join(self._program)}: exit status {done.returncode}:"
                f" {said[-1] if said else 'it says nothing'}; see --peer-command"
            )
        return known


def send_to_kernel(fd: int, cdb: bytes, data_out: bytes, size_in: int) -> Completion:
    """Send any SCSI command with SG_IO.

    Args:
        fd: A descriptor of the disk.
        cdb: The command.
        data_out: What goes with it.
        size_in: How many bytes come back; with ``data_out`` none do.

    Raises:
        NotPossibleError: The kernel lets this process send no such command.
    """
    size = len(data_out) or size_in
    data = ctypes.create_string_buffer(data_out, size or 1)
    command = ctypes.create_string_buffer(cdb, len(cdb))
    sense_data = ctypes.create_string_buffer(SENSE_BUFFER_SIZE)
    direction = SG_DXFER_TO_DEV if data_out else SG_DXFER_FROM_DEV if size_in else _SG_DXFER_NONE
    header = bytearray(
        HEADER.pack(
            ord("S"),
            direction,
            len(cdb),
            SENSE_BUFFER_SIZE,
            0,
            size,
            *(ctypes.addressof(buffer) for buffer in (data, command, sense_data)),
            TIMEOUT,
            *bytes(12),
        )
    )
    try:
        fcntl.ioctl(fd, SG_IO, header)
    except PermissionError:
        raise NotPossibleError(
            f"the kernel lets this user send no command {cdb[0]:#04x}: run as root"
        ) from None
    except OSError as error:
        return BY_ERRNO.get(error.errno or 0, FAILED)
    status, _, _, sense_size, host_status, driver_status, residual, _, _ = ANSWER.unpack_from(
        header, ANSWER_OFFSET
    )
    received = data.raw[: max(0, size_in - residual)] if not data_out else b""
    return completion(status, sense_data.raw[:sense_size], host_status, driver_status, received)


def _runs_persist(words: list[str]) -> bool:
    return any(os.path.basename(word) in ("sg_persist", "persist") for word in words)


def _options(command: PersistentReserveIn | PersistentReserveOut, data_out: bytes) -> list[str]:
    if isinstance(command, PersistentReserveIn):
        action = InServiceAction(command.service_action).name.lower().replace("_", "-")
        return ["--in", f"--{action}", "-HH"]
    option = _OPTIONS.get(OutServiceAction(command.service_action))
    if option is None or len(data_out) != 24:
        raise NotPossibleError("sg_persist on the other host sends no such parameter list")
    flags = data_out[20]
    return [
        "--out",
        option,
        f"--param-rk={int.from_bytes(data_out[:8], 'big'):#x}",
        f"--param-sark={int.from_bytes(data_out[8:16], 'big'):#x}",
        *([f"--prout-type={command.type:x}"] if command.type else []),
        *(["--param-aptpl"] if flags & 1 else []),
        *(["--param-alltgpt"] if flags & 4 else []),
    ]


def _data(text: str, name: str) -> bytes:
    """Read a dump: an address, then bytes in hex, sixteen a line."""
    data = bytearray()
    for line in text.splitlines():
        if match := re.match(
            r"\s*[0-9a-f]+ {2,}((?:[0-9a-f]{2}[ -]{1,2})*[0-9a-f]{2})(?: |$)", line
        ):
            data += bytes.fromhex(match[1].replace("-", " "))
    if len(data) < parameter_data.HEADER_SIZE:
        raise LostError(f"{name}: its answer cannot be read: {text.strip()[:60]!r}")
    return bytes(data)


_OPTIONS = {
    OutServiceAction.REGISTER: "--register",
    OutServiceAction.RESERVE: "--reserve",
    OutServiceAction.RELEASE: "--release",
    OutServiceAction.CLEAR: "--clear",
    OutServiceAction.PREEMPT: "--preempt",
    OutServiceAction.PREEMPT_AND_ABORT: "--preempt-abort",
    OutServiceAction.REGISTER_AND_IGNORE_EXISTING_KEY: "--register-ignore",
}

# What sg_persist tells of a command that failed; the additional sense code is lost. Releases since
# 1.48 tell some kinds of ILLEGAL REQUEST and NOT READY apart.
_BY_EXIT_STATUS = {
    **dict.fromkeys((2, 12, 13), Completion.check_condition(Sense(0x02, 0x00, 0x00))),
    3: Completion.check_condition(Sense(0x03, 0x00, 0x00)),
    **dict.fromkeys((5, 19, 22), Completion.check_condition(Sense(0x05, 0x00, 0x00))),
    6: Completion.check_condition(Sense(0x06, 0x00, 0x00)),
    9: Completion.check_condition(sense.INVALID_OPERATION_CODE),
    11: Completion.check_condition(Sense(0x0B, 0x00, 0x00)),
    24: RESERVATION_CONFLICT,
    26: Completion(Status.BUSY),
    27: Completion(Status.TASK_SET_FULL),
}
