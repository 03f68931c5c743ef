"""Every link of the rendered manual that stays within it leads somewhere."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from rendered_manual import Page


@pytest.mark.timeout(300)
def test_links_within_the_manual_lead_somewhere(html: Path) -> None:
    pages = {path: Page(path) for path in html.rglob("*.html")}
    checked = 0

    broken = []
    for path, page in pages.items():
        for link in page.links:
            address = urlsplit(link)
            if address.scheme:
                continue
            checked += 1
            target = (path.parent / unquote(address.path)).resolve() if address.path else path
            if target in pages:
                found = unquote(address.fragment) in pages[target].places
            else:
                found = target.is_file()
            if not found:
                broken.append(f"{path.relative_to(html)}: {link}")

    assert checked > len(pages)
    assert broken == []
