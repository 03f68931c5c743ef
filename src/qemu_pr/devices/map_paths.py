"""A multipath map's paths, and commands that go to them or to the map by the kernel alone."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from qemu_pr.devices import FAILED
from qemu_pr.devices.device_mapper import directory
from qemu_pr.devices.dm_status import has_active_path
from qemu_pr.devices.sg_io import BY_HOST_STATUS, ScsiDisk
from qemu_pr.devices.sg_io import FAILED as TERMINATED
from qemu_pr.protocol import CDB_SIZE
from qemu_pr.scsi.commands import InServiceAction, PersistentReserveIn, PersistentReserveOut
from qemu_pr.scsi.errors import MalformedError
from qemu_pr.scsi.sense import Sense
from qemu_pr.scsi.sense_keys import SenseKey
from qemu_pr.scsi.status import RESERVATION_CONFLICT, Completion

# With these a command may have failed before a logical unit saw it: another path is tried.
TRANSPORT_FAILURES = {TERMINATED, *BY_HOST_STATUS.values()} - {RESERVATION_CONFLICT}

_UNIT_ATTENTIONS_MAX = 8

_disk = ScsiDisk()


class Path(NamedTuple):
    """A path, as it answers at the moment.

    Attributes:
        node: Its block node, ``/dev/sdX``.
        inode: Of its folder in sysfs: another one if it was deleted and found again.
        answer: To READ KEYS, without the keys.
    """

    node: str
    inode: int
    answer: Completion

    @property
    def is_usable(self) -> bool:
        """Whether commands reach the disk."""
        return self.answer not in TRANSPORT_FAILURES


def nodes(device: int) -> list[str]:
    """List the block nodes of a map's paths, ``/dev/sdX``."""
    return sorted(f"/dev/{name}" for name in os.listdir(f"{directory(device)}/slaves"))


def name(device: int) -> str:
    """Give a device's name, which multipath calls its alias."""
    with open(f"{directory(device)}/dm/name") as file:
        return file.read().removesuffix("\n")


def look(device: int) -> tuple[Path, ...]:
    """Ask each path of a map whether it answers."""
    return tuple(_look_at(node) for node in nodes(device))


def answers(node: str) -> bool:
    """Tell whether a path reaches the disk."""
    return _look_at(node).is_usable


def _look_at(node: str) -> Path:
    answer = next((answer for _, answer in on_each([node], _READ_KEYS)), FAILED)
    return Path(node, _inode(node), Completion(answer.status, answer.sense))


def _inode(node: str) -> int:
    try:
        return os.stat(f"/sys/class/block/{os.path.basename(node)}").st_ino
    except OSError:  # it is being deleted
        return 0


def encode(command: PersistentReserveIn | PersistentReserveOut) -> bytes:
    """Give the 16 bytes of a command's CDB that paths take."""
    return command.encode().ljust(CDB_SIZE, b"\0")


_READ_KEYS = encode(PersistentReserveIn(InServiceAction.READ_KEYS, 8192))


def on_each(
    paths: Iterable[str], cdb: bytes, data: bytes = b""
) -> Iterator[tuple[str, Completion]]:
    """Send a command to each of these block nodes in turn, but for those that cannot be opened.

    Args:
        paths: The nodes.
        cdb: 16 bytes.
        data: The parameter list.
    """
    for path in paths:
        with suppress(OSError):  # gone meanwhile
            # For reading: udev looks at a disk again when somebody closes it who could write.
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                yield path, on_this(fd, cdb, data)
            finally:
                os.close(fd)


def on_one(
    fd: int, cdb: bytes, data: bytes = b"", *, until_not: Completion | None = None
) -> Completion:
    """Send a command to the path that the kernel picks, then to others until one carries it out.

    Args:
        fd: The map.
        cdb: 16 bytes.
        data: The parameter list.
        until_not: A completion for which the next path is tried as well.
    """
    completion = FAILED
    for completion in _on_map_then_paths(fd, cdb, data):
        if completion != until_not and completion not in TRANSPORT_FAILURES:
            break
    return completion


def _on_map_then_paths(fd: int, cdb: bytes, data: bytes) -> Iterator[Completion]:
    device = os.fstat(fd).st_rdev
    if has_active_path(device):
        yield on_this(fd, cdb, data)
    for _, completion in on_each(nodes(device), cdb, data):
        yield completion


def on_this(fd: int, cdb: bytes, data: bytes = b"") -> Completion:
    """Send a command, past unit attentions.

    A path has them for what the guest did on another path: nothing that one I_T nexus would see.
    The library takes them in the same way.
    """
    completion = _disk.execute(fd, cdb, data)
    for _ in range(_UNIT_ATTENTIONS_MAX):
        if not _is_unit_attention(completion):
            break
        completion = _disk.execute(fd, cdb, data)
    return completion


def _is_unit_attention(completion: Completion) -> bool:
    try:
        return bool(completion.sense) and (
            Sense.decode(completion.sense).key == SenseKey.UNIT_ATTENTION
        )
    except MalformedError:
        return False
