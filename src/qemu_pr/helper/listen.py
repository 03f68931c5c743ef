"""The helper's socket: handed over by systemd, or created without taking it from a live helper."""

import errno
import fcntl
import os
import socket
import stat
import time

from qemu_pr.helper import StartError
from qemu_pr.helper.events import Events

MAX_PATH_SIZE = 107  # sun_path of struct sockaddr_un has 108 bytes and ends with a zero
LOCK_PATIENCE = 5.0  # seconds
_FIRST_PASSED_FD = 3
_REMEDIES = {
    errno.ENOENT: "; make its directory first",
    errno.EACCES: "; run as root, or choose another path with -k",
}


class Listener:
    """A listening socket, and the file that has to be removed with it.

    Args:
        listening: The socket; from here on it does not block.
        path: Its file, if this process created it.
        events: Where to report that the file could not be removed.
    """

    def __init__(self, listening: socket.socket, path: str | None, events: Events) -> None:
        listening.setblocking(False)
        self.socket = listening
        self.path = path
        self._events = events
        self._file = os.stat(path) if path else None

    def close(self) -> None:
        """Stop listening, for good. Remove the socket's file, unless another took its place.

        The file goes first: nobody replaces the socket of a helper that still listens.
        """
        if self.path and self._file:
            try:
                if os.path.samestat(os.lstat(self.path), self._file):
                    os.unlink(self.path)
            except FileNotFoundError:
                pass
            except OSError as error:
                self._events("pr_helper_leave_file", self.path, error.strerror)
        self.socket.close()
        self.path = None


def activated(events: Events) -> Listener | None:
    """Take the socket that systemd passed to this process, if it did (sd_listen_fds(3)).

    Raises:
        StartError: There is more than one, or it is no listening Unix stream socket.
    """
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = os.environ.get("LISTEN_FDS", "")
    if not count.isdigit() or count == "0":
        return None
    if count != "1":
        raise StartError("qemu-pr-helper does not support socket activation with LISTEN_FDS > 1")
    try:
        os.set_inheritable(_FIRST_PASSED_FD, False)
        passed = socket.socket(fileno=_FIRST_PASSED_FD)
    except OSError as error:
        raise StartError(f"Failed to use socket activation: {error.strerror}") from None
    if (
        passed.family != socket.AF_UNIX
        or passed.type != socket.SOCK_STREAM
        or not passed.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        raise StartError(
            "Failed to use socket activation: descriptor 3 is no listening Unix stream socket"
        )
    return Listener(passed, None, events)


def checked_path(path: str) -> str:
    """Give a path that a Unix socket can have.

    Raises:
        StartError: It is relative or too long.
    """
    if not path.startswith("/"):
        raise StartError("socket path must be absolute")
    if (size := len(os.fsencode(path))) > MAX_PATH_SIZE:
        raise StartError(
            f"UNIX socket path '{path}' is too long: {size} bytes, at most {MAX_PATH_SIZE} fit"
        )
    return path


def listen(path: str, events: Events) -> Listener:
    """Create the socket; replace what a dead helper left behind.

    Args:
        path: Where, absolute.
        events: Handed to the listener.

    Raises:
        StartError: A helper listens there, something else is there, or the system refuses.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        directory = _lock_directory(os.path.dirname(path))
        try:
            _remove_dead(path)
            listening.bind(path)
            listening.listen()
            return Listener(listening, path, events)
        finally:
            os.close(directory)
    except OSError as error:
        listening.close()
        why = f"{error.strerror}{_REMEDIES.get(error.errno or 0, '')}"
        raise StartError(f"Failed to bind socket to {path}: {why}") from None
    except StartError:
        listening.close()
        raise


def _lock_directory(path: str) -> int:
    """Keep other helpers from looking, removing and binding in this directory.

    The lock is on the directory itself, so no lock file stays behind. Any user who can read the
    directory can hold that lock, too; a helper holds it for less than a millisecond. So whoever
    holds it for seconds is none, and must not keep one from starting.

    Returns:
        The descriptor that keeps them out until it is closed.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    deadline = time.monotonic() + LOCK_PATIENCE
    while time.monotonic() < deadline:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.01)
    return fd


def _remove_dead(path: str) -> None:
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StartError(f"{path} exists and is no socket; choose another path with -k")
    if _is_live(path):
        raise StartError(
            f"another helper listens on {path}; stop it first, or choose another path with -k"
        )
    os.unlink(path)


def _is_live(path: str) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    probe.setblocking(False)
    result = probe.connect_ex(path)
    probe.close()
    if result in (errno.ECONNREFUSED, errno.ENOENT):
        return False
    if result in (0, errno.EAGAIN):  # EAGAIN: so many clients wait that no further one can
        return True
    raise StartError(f"cannot tell whether a helper listens on {path}: {os.strerror(result)}")
