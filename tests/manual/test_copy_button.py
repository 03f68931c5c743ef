"""What the copy button of the rendered manual copies, by its own JavaScript and our conf.py."""

import ast
import json
import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
import sphinx_copybutton
from sphinx.cmd.build import main as sphinx_build

from requirements import require

ROOT = Path(__file__).parents[2]
PAGE = r"""
Page
====

.. console::

   $ echo one
   one
   $ qemu-system-x86_64 \
       -S \
       -nodefaults
   $ cat <<EOF
   > text
   >
   > $ more
   > EOF
   text

   some output
   $ show
   qemu \
       -S
   ... a wildcard
   >>> a prompt that is printed
   ...

.. verified:: shell
   :check: sh -n

   qemu-system-x86_64 \
       -S

>>> for i in range(2):
...     print(i)
...
0
1
>>> i
1
"""
COPIED = [
    "echo one\nqemu-system-x86_64 \\\n    -S \\\n    -nodefaults\n"
    "cat <<EOF\ntext\n\n$ more\nEOF\nshow",
    "qemu-system-x86_64 \\\n    -S",
    "for i in range(2):\n    print(i)\n\ni",
]


class Blocks(HTMLParser):
    """The text of every <pre>, without the elements that the copy button leaves out."""

    def __init__(self, excluded: set[str]) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._excluded = excluded
        self._open: list[bool] = []  # for each open element in <pre>: is it left out?

    def handle_starttag(self, tag, attributes):
        if tag == "pre":
            self.texts.append("")
            self._open = [False]
        elif self._open:
            self._open.append(dict(attributes).get("class") in self._excluded)

    def handle_endtag(self, _tag):
        if self._open:
            self._open.pop()

    def handle_data(self, data):
        if self._open and not any(self._open):
            self.texts[-1] += data


@pytest.fixture
def html(tmp_path):
    (tmp_path / "index.rst").write_text(PAGE)
    assert sphinx_build(["-q", "-c", str(ROOT), str(tmp_path), str(tmp_path / "html")]) == 0
    return tmp_path / "html"


def test_the_copy_button_copies_what_is_typed_and_nothing_else(html, tmp_path):
    node = require("node", package="nodejs")
    button = (html / "_static" / "copybutton.js").read_text()
    arguments = re.search(r"formatCopyText\(text, (.*)\)", button)[1]
    excluded = re.search(r"let exclude = '(.*?)'", button)[1]
    blocks = Blocks({name.strip(" .") for name in excluded.split(",")})
    blocks.feed((html / "index.html").read_text())
    functions = Path(sphinx_copybutton.__file__).parent / "_static" / "copybutton_funcs.js"
    (tmp_path / "copy.mjs").write_text(
        f"{functions.read_text()}\n"
        f"const copy = text => formatCopyText(text, {arguments});\n"
        f"console.log(JSON.stringify({json.dumps(blocks.texts)}.map(copy)))\n"
    )

    done = subprocess.run([node, tmp_path / "copy.mjs"], capture_output=True, text=True, check=True)

    assert ast.literal_eval(done.stdout) == COPIED


def test_the_rendered_manual_loads_nothing_from_the_network(html):
    for page in html.rglob("*.html"):
        loaded = re.findall(
            r"<(?:link|script|img|iframe)[^>]*?(?:href|src)=\"([^\"]*)", page.read_text()
        )

        assert loaded
        assert not [address for address in loaded if "//" in address]
    for style in html.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", style.read_text())
