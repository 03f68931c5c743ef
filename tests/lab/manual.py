"""The manual's command lines and transcripts, as a reader sees them: from the rendered pages."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

HTML = Path(__file__).resolve().parents[2] / "build/html"
# A command line goes on in the next line as long as lines end with a backslash. In Python's output
# and in transcripts it stands among other text.
COMMAND_LINE = re.compile(r"^qemu-system-\S+ \\\n(?:.*\\\n)*.*$", re.MULTILINE)
QMP_COMMAND = '{"execute":'  # how a block of them begins


class _Blocks(HTMLParser):
    """Collects the text of ``pre`` elements, and which of them are for the lab."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_lab: list[str] = []
        self._inside = self._for_lab = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = (dict(attrs).get("class") or "").split()
        self._for_lab = self._for_lab or "in-lab" in classes
        if tag == "pre":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            if self._for_lab:
                self.in_lab.append(self.found[-1])
            self._inside = self._for_lab = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found[-1] += data


def command_lines() -> list[str]:
    """Give every QEMU command line of the manual, each once."""
    found: dict[str, None] = {}
    for page in _pages():
        for block in page.found:
            found |= dict.fromkeys(COMMAND_LINE.findall(block))
    return list(found)


def qmp_sequences() -> list[str]:
    """Give the sequences of QMP commands of the manual, in the order of its pages."""
    return _blocks(QMP_COMMAND)


def transcripts() -> list[str]:
    """Give the transcripts that the manual leaves to the lab."""
    return [transcript for page in _pages() for transcript in page.in_lab]


def _blocks(beginning: str) -> list[str]:
    return [
        block.strip() for page in _pages() for block in page.found if block.startswith(beginning)
    ]


@cache
def _pages() -> list[_Blocks]:
    """Read the manual.

    Raises:
        FileNotFoundError: It was not rendered (``make html``).
    """
    if not HTML.is_dir():
        raise FileNotFoundError(f"{HTML}: render the manual first: make html")
    pages = []
    for page in sorted(HTML.rglob("*.html")):
        blocks = _Blocks()
        blocks.feed(page.read_text())
        pages.append(blocks)
    return pages
