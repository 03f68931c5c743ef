"""Argument vectors, as lint reads them: a JSON array, or the zero bytes of /proc/PID/cmdline."""

from targets._lint import check_reports
from targets.lint_text import WORDS as TEXT_WORDS

SIZE_MAX = 500
WORDS = [*TEXT_WORDS, b"\0", b'["', b'", "', b'"]', b"\\u", b"\\ud800", b'\\"', b"[1]"]


def check(data: bytes) -> None:
    check_reports(data.decode(errors="surrogateescape"))
