"""Write multipath.conf: the inverse of the parser."""

from collections.abc import Iterable, Iterator

from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.model import Section
from qemu_pr.multipath_conf.words import LINE_SIZE_MAX, quote

_INDENT = "    "


def render(sections: Iterable[Section]) -> str:
    """Write sections, so that parsing the text gives them back.

    Returns:
        Lines, each with its line feed; the empty string if there is no section.

    Raises:
        MultipathConfError: A value has a line end or a NUL character, or is too long for a line.
    """
    lines = [line for section in sections for line in _lines(section, "")]
    for line in lines:
        if len(line.encode(errors="replace")) > LINE_SIZE_MAX:
            raise MultipathConfError(
                line.strip()[:40] + "…",
                f"multipath reads {LINE_SIZE_MAX} bytes of a line, and this would have more",
            )
    return "".join(line + "\n" for line in lines)


def _lines(section: Section, indent: str) -> Iterator[str]:
    yield f"{indent}{section.name} {{"
    for entry in section.entries:
        if isinstance(entry, Section):
            yield from _lines(entry, indent + _INDENT)
        else:
            yield f"{indent}{_INDENT}{entry.name} {quote(entry.value)}"
    yield f"{indent}}}"
