"""Reports as others send them: whatever is wrong with one costs that one only."""

import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, cast

from qemu_pr import __version__
from qemu_pr.fleet import model
from qemu_pr.fleet.schema import fault

SIZE_MAX = 64 << 20
"""Bytes of a file or of standard input: 300 disks take some hundred thousand."""

_NEXT = re.compile(r"^\{", re.MULTILINE)  # as qemu-pr report begins its output
_SPACE = re.compile(r"\s*")
_SHOWN = 80  # characters of what a stranger wrote
_NO_REPORT = "send the output of qemu-pr report as it is"


class Unreadable(NamedTuple):
    """What cannot be read as a report.

    Attributes:
        source: Where it is.
        why: What is wrong with it, and what to do.
    """

    source: str
    why: str


def read_file(path: str) -> Iterator[model.Report | Unreadable]:
    """Read the reports of a file, or of the files of a directory whose names end in .json.

    Args:
        path: The file or directory.
    """
    try:
        if os.path.isdir(path):
            files = sorted(Path(path).glob("*.json"))
            if not files:
                yield Unreadable(path, "there is no file in it whose name ends in .json")
            for one in files:
                yield from read_file(str(one))
            return
        with open(path, "rb", opener=_without_waiting) as file:
            content = file.read(SIZE_MAX + 1)
    except OSError as error:
        yield Unreadable(path, f"cannot read it: {error.strerror}")
        return
    if len(content) > SIZE_MAX:
        yield Unreadable(path, f"it has more than {SIZE_MAX >> 20} MB: {_NO_REPORT}")
        return
    yield from read(path, content)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # of a pipe that nobody writes to


def read(source: str, content: bytes) -> Iterator[model.Report | Unreadable]:
    """Read one report after another.

    Args:
        source: What an error calls it.
        content: JSON texts, one behind the other.
    """
    text = content.decode("utf-8-sig", errors="replace")
    decoder = json.JSONDecoder(parse_constant=_refuse)
    start = _after_space(text, 0)
    if start == len(text):
        yield Unreadable(source, f"it is empty: {_NO_REPORT}")
    number = 0
    while start < len(text):
        number += 1
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            # What follows in a line of its own may be sound.
            following = _NEXT.search(text, start + 1)
            end = following.start() if following else len(text)
            yield Unreadable(
                _place(source, number), f"it is no JSON: {_words(error)}; {_NO_REPORT}"
            )
        else:
            yield _report(_place(source, number), value)
        start = _after_space(text, end)


def _report(source: str, value: Any) -> model.Report | Unreadable:
    format_ = value.get("report") if isinstance(value, dict) else None
    if type(format_) is int and format_ != model.FORMAT:
        writer = str(value.get("program", "another program"))[:_SHOWN]
        return Unreadable(
            source,
            f"{writer} wrote it in format {str(format_)[:_SHOWN]}, and qemu-pr {__version__} reads"
            f" format {model.FORMAT}; install the newer one of the two here and on that host",
        )
    if wrong := fault(value) or _wrong_time(value):
        return Unreadable(source, f"it is no report: {wrong.lstrip('.: ')}; {_NO_REPORT}")
    return cast(model.Report, value)


def _wrong_time(report: model.Report) -> str:
    try:
        datetime.fromisoformat(report["time"])
    except ValueError as error:
        return f"time: {error}"
    return ""


def _place(source: str, number: int) -> str:
    return source if number == 1 else f"{source}, report {number}"


def _after_space(text: str, start: int) -> int:
    found = _SPACE.match(text, start)
    return found.end() if found else start


def _words(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no number")
