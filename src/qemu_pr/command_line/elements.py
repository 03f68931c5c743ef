"""XML elements that know where in a text they stand."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from xml.parsers import expat

from qemu_pr.command_line.errors import CommandLineError

_ROOT = b"<elements>"  # around the text, so that it may have several elements on top
START_TAG = re.compile(r"<(?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_DECLARATION = re.compile(r"\A\s*<\?xml[^>]*\?>")


@dataclass(slots=True)
class Element:
    """An element and what is in it.

    Attributes:
        tag: Its name.
        attributes: Its attributes.
        line: The line that it starts on, counted from 1.
        start: The place of its ``<`` in the text.
        end: The place behind its end tag, or behind its start tag if that is its end too.
        inside: The elements in it, in order.
    """

    tag: str
    attributes: Mapping[str, str]
    line: int
    start: int
    end: int = 0
    inside: list["Element"] = field(default_factory=list)

    def first(self, tag: str) -> "Element":
        """Give the first element of that name in it; one without attributes if there is none."""
        for element in self.inside:
            if element.tag == tag:
                return element
        return Element(tag, {}, self.line, self.start)

    def has(self, tag: str) -> bool:
        """Tell whether an element of that name is in it."""
        return any(element.tag == tag for element in self.inside)

    def all(self, tag: str) -> Iterator["Element"]:
        """Find all elements of that name, however deep."""
        for element in self.inside:
            if element.tag == tag:
                yield element
            yield from element.all(tag)


def read(text: str) -> Element:
    """Read XML text, a whole document or some elements of one.

    Args:
        text: The text.

    Returns:
        An element around what the text has.

    Raises:
        CommandLineError: It is no well-formed XML.
    """
    declared = _DECLARATION.match(text)
    blank = re.sub(r"[^\n]", " ", declared[0]) if declared else ""
    text = blank + text[len(blank) :]
    data = _ROOT + text.encode(errors="surrogateescape") + b"</elements>"
    parser = expat.ParserCreate("utf-8")
    open_elements: list[Element] = []

    def place() -> int:
        return len(data[len(_ROOT) : parser.CurrentByteIndex].decode())

    def start(tag: str, attributes: Mapping[str, str]) -> None:
        element = Element(tag, attributes, parser.CurrentLineNumber, place())
        if open_elements:
            open_elements[-1].inside.append(element)
        open_elements.append(element)

    def end(_tag: str) -> None:
        element = open_elements.pop() if len(open_elements) > 1 else open_elements[0]
        at = place()  # of the end tag, or behind a start tag that is its end too
        is_empty = text[at - 2 : at] == "/>" and START_TAG.fullmatch(text, element.start, at)
        element.end = at if is_empty else text.find(">", at) + 1

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        raise CommandLineError(
            f"line {error.lineno}", f"no XML: {expat.ErrorString(error.code)}"
        ) from None
    return open_elements[0]
