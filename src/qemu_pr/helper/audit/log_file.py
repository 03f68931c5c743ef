"""Lines at the end of a file that others may rotate, and that never hold a command up in vain."""

import errno
import os

from qemu_pr.helper import StartError
from qemu_pr.helper.events import STANDARD_ERROR, Events, has_room
from qemu_pr.helper.own_file import OWN_FILE, is_at, why_not_opened

# A pipe that nobody empties loses lines; it does not hold up who writes.
_FLAGS = OWN_FILE | os.O_WRONLY | os.O_APPEND


class LogFile:
    """A file that is only appended to.

    When the file is renamed or removed, the next line goes to a new one at its path. If that cannot
    be opened, as when the process gave up the right to, lines still go to the old one.

    Args:
        path: The file, absolute, with mode 0600 if it has to be created; ``-``: standard error.
        events: Where to report that lines are lost.

    Raises:
        StartError: It cannot be opened.

    Attributes:
        lost: How many lines could not be written since the last one that could.
    """

    def __init__(self, path: str, events: Events) -> None:
        self._path = None if path == "-" else path
        self._events = events
        self._is_torn = False  # the last line was not written to its end
        self.lost = 0
        try:
            self._fd = os.open(self._path, _FLAGS, 0o600) if self._path else STANDARD_ERROR
        except OSError as error:
            raise StartError(
                f"cannot write the audit log '{path}': {why_not_opened(error)}"
            ) from None

    def append(self, line: str) -> None:
        """Write a line, or count it as lost.

        Args:
            line: Without its newline.
        """
        try:
            if self._path:
                self._follow(self._path)
            self._write(f"{line}\n".encode())
        except OSError as error:
            self.lost += 1
            if self.lost == 1:
                self._events("pr_helper_audit_fail", self._name, error.strerror)
        else:
            if self.lost:
                self._events("pr_helper_audit_again", self._name, self.lost)
            self.lost = 0

    @property
    def _name(self) -> str:
        return self._path or "standard error"

    def _write(self, line: bytes) -> None:
        if not self._path and not has_room(self._fd):  # other files were opened not to wait
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        data = b"\n" + line if self._is_torn else line
        written = os.write(self._fd, data)
        self._is_torn = written < len(data)
        if self._is_torn:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _follow(self, path: str) -> None:
        """Go on in a new file if the old one was moved."""
        try:
            if is_at(path, self._fd):
                return
            new = os.open(path, _FLAGS, 0o600)
        except OSError:
            return
        # The number stays, so that no other thread writes to what gets it next.
        os.dup2(new, self._fd, inheritable=False)
        os.close(new)
