"""Which examples a page has, in the order in which it shows them."""

import os
from collections.abc import Iterator
from itertools import zip_longest

from docutils import nodes
from sphinx.transforms import SphinxTransform

from qemu_pr.verified_examples.examples import Block, Example, Python, Unmarked

_GENERATED = "generated"
_OUTPUT = "testoutput"


def blocks_of(doctree: nodes.document, file: str) -> list[Block]:
    """List the blocks of a page, and the hidden ones that prepare for them.

    Every literal block counts, whichever directive made it, except those that an extension wrote (a
    usage that sphinx-argparse gets from the parser, for example).

    Args:
        doctree: The page, as Sphinx read it.
        file: Its source file, for blocks that do not know theirs.
    """
    return [block for _, block in nodes_and_blocks(doctree, file)]


def nodes_and_blocks(
    doctree: nodes.document, file: str
) -> Iterator[tuple[nodes.FixedTextElement, Block]]:
    """The same, each with its node in the page."""
    found = [node for node in doctree.findall(nodes.FixedTextElement) if _is_block(node)]
    for before, node, after in zip_longest([None, *found], found, found[1:]):
        if node is not None and not (_kind(node) == _OUTPUT and _kind(before) == "testcode"):
            shown = not isinstance(node, nodes.comment)
            source = os.path.relpath(node.source or file)
            example = _example(node, after)
            yield node, Block(source, node.line or 1, shown, node.astext(), example)


class MarkGenerated(SphinxTransform):
    """Marks the blocks that an extension wrote: they were made from no source.

    It has to run before the transforms of Sphinx that fill in the missing source.
    """

    default_priority = 1

    def apply(self, **_: object) -> None:
        """Mark the blocks."""
        for node in self.document.findall(nodes.literal_block):
            if not node.rawsource:
                node[_GENERATED] = True


def _is_block(node: nodes.FixedTextElement) -> bool:
    marked = "example" in node or "testnodetype" in node
    block = isinstance(node, nodes.literal_block | nodes.doctest_block)
    return marked or (block and _GENERATED not in node)


def _kind(node: nodes.Element | None) -> str:
    return "" if node is None else node.get("testnodetype", "")


def _example(node: nodes.FixedTextElement, after: nodes.FixedTextElement | None) -> Example:
    if "example" in node:
        example: Example = node["example"]
        return example
    if _kind(node) == _OUTPUT:
        return Unmarked("put it directly behind the `testcode` that prints it")
    prompts = isinstance(node, nodes.doctest_block) or _kind(node) == "doctest"
    if not prompts and not _kind(node):
        return Unmarked()
    output = after if after is not None and _kind(after) == _OUTPUT and not prompts else None
    return Python(
        code=node.get("test") or node.astext(),
        prompts=prompts,
        output="" if output is None else f"{output.astext()}\n",
        options=(node if output is None else output).get("options", {}),
        groups=tuple(node.get("groups", ["default"])),
        skip_if=node.get("skipif", "False"),
    )
