"""Command lines of qemu-pr-helper, their words ended by zero bytes, as in /proc/PID/cmdline.

What is read without argparse means the same to argparse, and what a mistake ends in is one line.
"""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO

from qemu_pr.cli import plain_options, qemu_pr_helper
from qemu_pr.cli.qemu_pr_helper import OPTIONS
from qemu_pr.helper import StartError
from targets._replaced import replaced

SIZE_MAX = 120
WORDS = [name.encode() for names in OPTIONS for name in names]
WORDS += [b"\0-k\0/run/a.sock\0", b"\0", b"--", b"=", b"4096", b"1e3", b"nan", b"nobody", b"naa."]

_parser = qemu_pr_helper.build_parser()
_parser.print_help = lambda *_: None  # the same text each time, and long


def check(data: bytes) -> None:
    words = data.decode(errors="surrogateescape").split("\0")
    arguments = words[:-1] if words[-1] == "" else words
    plain = plain_options.read(OPTIONS, arguments)
    if plain is not None:
        options, rest = _parser.parse_known_args(arguments)
        assert not rest
        assert plain == {"help": None, "version": None, **vars(options)}
    errors = StringIO()
    try:
        with (
            redirect_stderr(errors),
            redirect_stdout(StringIO()),
            replaced(qemu_pr_helper, "build_parser", lambda: _parser),
        ):
            options = qemu_pr_helper._parse(arguments)
    except SystemExit as end:
        failed = bool(end.code)
        assert failed == errors.getvalue().endswith("for more information.\n")
        return
    try:
        settings = qemu_pr_helper._settings(options)
    except StartError:
        return
    assert settings.max_connections >= 1
    assert settings.request_timeout > 0
    assert settings.socket is None or settings.socket.startswith("/")
