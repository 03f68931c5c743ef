"""The manual's command lines and transcripts, as a reader sees them: from the rendered pages."""

import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

HTML = Path(__file__).resolve().parents[2] / "build/html"
# Only these parts of a page are parsed: in an emulated machine that saves many seconds.
BLOCK = re.compile(r"(?:<div [^>]*>\s*)*<pre.*?</pre>", re.DOTALL)
# A command line goes on in the next line as long as lines end with a backslash. In Python's output
# and in transcripts it stands among other text.
COMMAND_LINE = re.compile(r"^qemu-system-\S+ \\\n(?:.*\\\n)*.*$", re.MULTILINE)

# The class of a block that the lab runs, and where it can: see docs/contributing/lab.rst.
IN_LAB = "in-lab-"
PLACES = {"host", "reserved", "guest", "guest-with-python", "paths", "libvirt", "map"}

# How blocks of these kinds begin.
QMP_COMMAND = '{"execute":'
LIBVIRT_DISK = "<controller type='scsi'"
LIBVIRT_HELPER = "pr_helper ="


class _Blocks(HTMLParser):
    """Collects the text of ``pre`` elements, and where in the lab which of them run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_lab: list[tuple[str, str]] = []
        self._inside = False
        self._place = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name in (dict(attrs).get("class") or "").split():
            if name.startswith(IN_LAB):
                self._place = name.removeprefix(IN_LAB)
        if tag == "pre":
            self._inside = True
            self.found.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "pre":
            if self._place:
                self.in_lab.append((self._place, self.found[-1]))
            self._inside = False
            self._place = ""

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


def libvirt_disks() -> list[str]:
    """Give the XML of the manual's disks, each once, as far as libvirt 9.0 knows its attributes."""
    return [xml for xml in dict.fromkeys(_blocks(LIBVIRT_DISK)) if "migration=" not in xml]


def libvirt_helper() -> str:
    """Give the line of qemu.conf that makes libvirt start this project's helper."""
    (line,) = _blocks(LIBVIRT_HELPER)
    return line


def commands_of_a_migration() -> list[str]:
    """Give the commands with which the page about live migration moves a reservation by hand."""
    program = "$ qemu-pr persist -n --socket $PWD/destination.sock --out "
    return [
        line.removeprefix("$ ")
        for page in _pages()
        for block in page.found
        for line in block.splitlines()
        if line.startswith(program)
    ]


def transcripts(place: str) -> list[str]:
    """Give the transcripts that the manual leaves to the lab.

    Args:
        place: Where they run, one of `PLACES`.

    Raises:
        ValueError: A page names a place that the lab does not have.
    """
    found = [transcript for page in _pages() for transcript in page.in_lab]
    if unknown := {name for name, _ in found} - PLACES:
        raise ValueError(f"console-in-lab: no such place: {', '.join(unknown)}")
    return [text for name, text in found if name == place]


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
        blocks.feed("".join(BLOCK.findall(page.read_text())))
        pages.append(blocks)
    return pages
