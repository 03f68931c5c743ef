"""What the helper tells about itself: a table of events, logged by verbosity, traced by name."""

import os
import select
from _thread import allocate_lock
from collections.abc import Callable, Collection
from time import monotonic

QUIET, NORMAL, VERBOSE, DEBUG = range(4)

STANDARD_ERROR = 2  # without the locks of sys.stderr: who waits to write keeps nobody else waiting

# The journal's priorities (syslog(3)): of the log, by verbosity, and of all else.
_PRIORITIES = {NORMAL: 4, VERBOSE: 6, DEBUG: 7}
ERROR, NOTICE = 3, 5

# Event: the verbosity from which on it is logged, and its text.
EVENTS = {
    "pr_helper_listen": (VERBOSE, "listening on {}"),
    "pr_helper_powerless": (NORMAL, "no CAP_SYS_RAWIO, so no disk: be root, or try --simulate"),
    "pr_helper_accept": (VERBOSE, "client {}: connected, user {}"),
    "pr_helper_deny": (
        NORMAL,
        "client {0}: refused: user {1} may not connect; to let it, add --allow-user {1}",
    ),
    "pr_helper_accept_fail": (NORMAL, "cannot take a connection: {}"),
    "pr_helper_crowd": (NORMAL, "client {}: has {} of {} connections; its oldest are closed"),
    "pr_helper_server_end": (NORMAL, "the process that serves has ended by itself; start it again"),
    "pr_helper_fail": (NORMAL, "a defect of the helper, which stops: {}"),
    "pr_helper_request": (DEBUG, "client {}: CDB {}, {} bytes of parameter list"),
    "pr_helper_reply": (
        DEBUG,
        "client {0.client}: {0.path}: status {0.completion.status:#04x}, sense {0.sense},"
        " {0.data_size} bytes of data, after {0.seconds:.6f} s",
    ),
    "pr_helper_device_fail": (NORMAL, "client {}: a command failed in the helper: {}"),
    "pr_helper_command_fail": (NORMAL, "client {}: {}: {}"),
    "pr_helper_audit_fail": (NORMAL, "cannot write to {}: {}; commands are carried out unaudited"),
    "pr_helper_audit_again": (NORMAL, "{} is written again; lines lost: {}"),
    "pr_helper_metrics_fail": (NORMAL, "cannot write metrics to {}: {}"),
    "pr_helper_listener_fail": (NORMAL, "a defect in the helper: {} was not recorded: {}"),
    "pr_helper_refuse": (NORMAL, "client {}: connection closed: {}"),
    "pr_helper_close": (VERBOSE, "client {}: disconnected"),
    "pr_helper_stop": (VERBOSE, "told to stop; connections open: {}"),
    "pr_helper_abandon": (NORMAL, "told to stop again; connections abandoned: {}"),
    "pr_helper_overdue": (NORMAL, "not finished within {:g} s; connections abandoned: {}"),
    "pr_helper_left_out": (NORMAL, "{} lines like these were left out"),
    "pr_helper_leave_file": (NORMAL, "cannot remove {}: {}; the next helper replaces it"),
}


# What clients can cause as often as they like: so many lines of these a period, and no more.
_OFTEN = frozenset(
    f"pr_helper_{name}" for name in ("deny", "crowd", "refuse", "device_fail", "command_fail")
)
_LINES_A_PERIOD, _PERIOD = 100, 10.0  # seconds


class Events:
    """Writes events down, one line each. Safe in any thread.

    Args:
        verbosity: Which events are logged on stderr, QUIET to DEBUG.
        traced: Names of the events that are traced, whatever the verbosity.
        trace_file: Where traced events are written, a descriptor.

    Attributes:
        heard: Names of the events that are written down at all; no other has to be reported.
    """

    def __init__(
        self,
        verbosity: int = NORMAL,
        traced: Collection[str] = (),
        trace_file: int = STANDARD_ERROR,
    ) -> None:
        self._logged = {name for name, (level, _) in EVENTS.items() if level <= verbosity}
        self._traced = frozenset(traced)
        self._trace_file = trace_file
        self._listeners: dict[str, tuple[Callable[..., None], ...]] = {}
        self._lock = allocate_lock()
        self._period_ends = 0.0
        self._room = 0  # lines
        self._left_out = 0  # lines
        self.heard = self._logged | self._traced

    def listen(self, name: str, listener: Callable[..., None]) -> None:
        """Have a function called with the values of an event. Not for when threads report.

        Args:
            name: A name of the table.
            listener: What to call, in the thread that reports; its failure stops nobody.
        """
        self._listeners[name] = (*self._listeners.get(name, ()), listener)
        self.heard.add(name)

    def __call__(self, name: str, *values: object) -> None:
        """Report an event.

        Args:
            name: A name of the table.
            values: What its text has places for.
        """
        if name not in self.heard:
            return
        for listener in self._listeners.get(name, ()):
            try:
                listener(*values)
            except Exception as error:
                self("pr_helper_listener_fail", name, repr(error))
        if name in self._logged and (name not in _OFTEN or self._has_room()):
            level, text = EVENTS[name]
            prefix = journal_prefix(_PRIORITIES[level])
            _write(STANDARD_ERROR, f"{prefix}qemu-pr-helper: {_line(text, values)}")
        if name in self._traced:
            _write(self._trace_file, f"{name} {_line(EVENTS[name][1], values)}")

    def tell_left_out(self) -> None:
        """Log how many lines were left out since that was logged last."""
        with self._lock:
            left_out, self._left_out = self._left_out, 0
        if left_out:
            self("pr_helper_left_out", left_out)

    def _has_room(self) -> bool:
        """Tell whether one more line fits into this period, and count it."""
        with self._lock:
            is_new = monotonic() >= self._period_ends
            if is_new:
                self._period_ends = monotonic() + _PERIOD
                self._room = _LINES_A_PERIOD
            has_room = self._room > 0
            self._room -= has_room
            self._left_out += not has_room
        if is_new:
            self.tell_left_out()
        return has_room


def _line(text: str, values: tuple[object, ...]) -> str:
    """Fill in the values. A client chooses its disk's path: it must not break the line."""
    line = text.format(*values)
    return line if line.isprintable() else line.encode("unicode_escape").decode()


def journal_prefix(priority: int) -> str:
    """Give what tells the journal a line's priority (sd-daemon(3)); nothing if it does not listen.

    Args:
        priority: 3 (error) to 7 (debug).
    """
    journal = os.environ.get("JOURNAL_STREAM")
    if journal is None:
        return ""
    try:
        status = os.fstat(2)
    except OSError:
        return ""
    return f"<{priority}>" if journal == f"{status.st_dev}:{status.st_ino}" else ""


def has_room(fd: int) -> bool:
    """Tell whether a line can be written at once: into a pipe that is full it cannot.

    Args:
        fd: Where to. It may be another program's, too, so it is not made to never wait.
    """
    poller = select.poll()
    poller.register(fd, select.POLLOUT)
    return bool(poller.poll(0))


def _write(fd: int, line: str) -> None:
    # A log that nobody reads, or a full disk, is no reason to stop serving.
    try:
        if has_room(fd):
            os.write(fd, f"{line}\n".encode())
    except OSError:
        pass
