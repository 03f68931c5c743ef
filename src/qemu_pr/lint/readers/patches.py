"""Patches: what their lines say once they are applied, at the same places."""

import re

_HUNK = re.compile(
    r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@[^\n]*\n(?P<lines>(?:[ +\\-][^\n]*\n?|\n)+)", re.MULTILINE
)
_REMOVED = re.compile(r"^[-\\][^\n]*", re.MULTILINE)
_ADDED = re.compile(r"^\+", re.MULTILINE)


def as_patched(text: str) -> str:
    """Blank the lines that a unified diff takes out, and the marks of those that it puts in.

    Args:
        text: Any text; what is no hunk of a diff stays as it is.
    """
    return _HUNK.sub(lambda hunk: _patched(hunk[0]), text)


def _patched(hunk: str) -> str:
    head, newline, lines = hunk.partition("\n")
    lines = _REMOVED.sub(lambda line: " " * len(line[0]), lines)
    return head + newline + _ADDED.sub(" ", lines)
