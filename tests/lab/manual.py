"""The manual's QEMU command lines, as a reader sees and copies them: from the rendered pages."""

import re
from html.parser import HTMLParser
from pathlib import Path

HTML = Path(__file__).resolve().parents[2] / "build/html"
# A command line goes on in the next line as long as lines end with a backslash. In Python's output
# and in transcripts it stands among other text.
COMMAND_LINE = re.compile(r"^qemu-system-\S+ \\\n(?:.*\\\n)*.*$", re.MULTILINE)


class _Blocks(HTMLParser):
    """Collects the text of ``pre`` elements."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002 - given by name
        if tag == "pre":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def command_lines() -> list[str]:
    """Give every QEMU command line of the manual, each once.

    Raises:
        FileNotFoundError: The manual was not rendered (``make html``).
    """
    if not HTML.is_dir():
        raise FileNotFoundError(f"{HTML}: render the manual first: make html")
    found: dict[str, None] = {}
    for page in sorted(HTML.rglob("*.html")):
        blocks = _Blocks()
        blocks.feed(page.read_text())
        for block in blocks.found:
            found |= dict.fromkeys(COMMAND_LINE.findall(block))
    return list(found)
