"""The manual, rendered once for all tests that look at it."""

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

CODE = ("pre", "code", "dt")
ROOT = Path(__file__).parents[1]
PAGES = sorted(
    str(page.relative_to(ROOT / "docs").with_suffix("")) for page in (ROOT / "docs").rglob("*.rst")
)


class Page(HTMLParser):
    """A rendered page: its links, the places that links can lead to, and its prose.

    Attributes:
        links: Addresses, as they are written.
        places: Fragments of this page; the empty one is its beginning.
        prose: What it says in the author's own words: no code, no names of Python's things.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.places: set[str] = {""}
        self.prose = ""
        self._inside = dict.fromkeys(("article", *CODE), 0)
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.places.add(attributes.get("id") or "")
        if tag == "a" and (address := attributes.get("href")):
            self.links.append(address)
        if tag in self._inside:
            self._inside[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag in self._inside:
            self._inside[tag] -= 1

    def handle_data(self, data: str) -> None:
        if self._inside["article"] and not any(self._inside[tag] for tag in CODE):
            self.prose += data


def render(builder: str, folder: Path) -> Path:
    """Render the manual.

    Args:
        builder: Sphinx's, such as ``html``.
        folder: A directory for the pages, and for what Sphinx has read: for all builders.
    """
    pages = folder / builder
    sphinx = [sys.executable, "-m", "sphinx", "-q", "-c", str(ROOT), "-d", str(folder / "doctrees")]
    subprocess.run([*sphinx, "-b", builder, str(ROOT / "docs"), str(pages)], check=True)
    return pages
