"""Command lines of qemu-pr-helper, their words ended by zero bytes, as in /proc/PID/cmdline.

What a mistake ends in is one line; what is right makes sense.
"""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from qemu_pr.cli import qemu_pr_helper
from qemu_pr.helper import StartError
from targets._replaced import replaced

_parser = qemu_pr_helper.build_parser()
_parser.print_help = lambda *_: None  # the same text each time, and long

SIZE_MAX = 120
WORDS = [name.encode() for name in _parser._option_string_actions]
WORDS += [b"\0-k\0/run/a.sock\0", b"\0", b"--", b"=", b"4096", b"1e3", b"nan", b"nobody", b"naa."]


def check(data: bytes) -> None:
    words = data.decode(errors="surrogateescape").split("\0")
    arguments = words[:-1] if words[-1] == "" else words
    errors = StringIO()
    try:
        with (
            redirect_stderr(errors),
            redirect_stdout(StringIO()),
            replaced(qemu_pr_helper, "build_parser", lambda: _parser),
        ):
            settings = qemu_pr_helper._parse(arguments)
    except SystemExit as end:
        failed = bool(end.code)
        assert failed == errors.getvalue().endswith("for more information.\n")
        return
    except StartError:
        return
    assert settings.max_connections >= 1
    assert settings.request_timeout > 0
    assert settings.socket is None or settings.socket.startswith("/")
