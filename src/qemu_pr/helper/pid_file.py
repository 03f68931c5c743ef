"""The pid file: as long as it is locked, its helper runs."""

import errno
import fcntl
import os
import stat

from qemu_pr.helper import StartError
from qemu_pr.helper.events import Events
from qemu_pr.helper.own_file import OWN_FILE, is_at, why_not_opened

_ADVICE = "; run as root, or name another with -f"
_STOP_IT = ": stop it first, or name another with -f"


class PidFile:
    """A pid file, created and locked as QEMU does it, so that the two respect each other.

    Args:
        path: The file; mode 0600 if it has to be created.
        events: Where to report that it could not be removed.

    Raises:
        StartError: Another process holds the lock, or the file cannot be written.
    """

    def __init__(self, path: str, events: Events) -> None:
        self._path = path
        self._events = events
        self._fd = _open_locked(path)
        try:
            os.ftruncate(self._fd, 0)
            os.write(self._fd, f"{os.getpid()}\n".encode())
        except OSError as error:
            self.remove()
            raise StartError(f"Failed to write pid file '{path}': {error.strerror}") from None

    def remove(self) -> None:
        """Remove the file, unless another took its place; then unlock it."""
        try:
            if is_at(self._path, self._fd):
                os.unlink(self._path)
        except OSError as error:
            # After -u the directory may be out of reach. An empty file misleads nobody.
            os.ftruncate(self._fd, 0)
            self._events("pr_helper_leave_file", self._path, error.strerror)
        os.close(self._fd)


def _open_locked(path: str) -> int:
    """Open and lock the file at the path; again, if its last owner removed it meanwhile."""
    while True:
        try:
            fd = os.open(path, OWN_FILE | os.O_RDWR, 0o600)
        except OSError as error:
            advice = _ADVICE if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS) else ""
            raise StartError(
                f"Could not create '{path}': {why_not_opened(error)}{advice}"
            ) from None
        try:
            _lock(fd, path)
        except StartError:
            os.close(fd)
            raise
        if is_at(path, fd):
            return fd
        os.close(fd)


def _lock(fd: int, path: str) -> None:
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise StartError(f"pid file '{path}' exists and is no regular file; name another with -f")
    if status.st_nlink > 1:
        raise StartError(f"pid file '{path}' is a file of another name, too; remove it")
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        why = f"Cannot lock pid file: {error.strerror}"  # to the letter what the C helper says
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise StartError(f"{why}; '{path}' is that of a helper that runs{_STOP_IT}") from None
        raise StartError(f"{why}: '{path}'") from None
