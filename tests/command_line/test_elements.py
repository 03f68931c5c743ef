"""Elements know where in a text they end."""

import pytest

from qemu_pr.command_line import elements


@pytest.mark.parametrize(
    "element",
    ["<a/>", "<a b='/>'/>", "<a></a>", "<a>x/></a >", "<a><a/></a>", "<a\n b = 'c'\n/>"],
)
@pytest.mark.parametrize("behind", ["", "</z>", "\n</z>", "<y/></z>", " text</z>"])
def test_an_element_ends_behind_its_last_tag(element: str, behind: str) -> None:
    text = f"<z>{element}{behind}" if behind else element

    found = next(elements.read(text).all("a"))

    assert text[found.start : found.end] == element
