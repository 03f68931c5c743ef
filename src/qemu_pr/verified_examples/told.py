"""Pages tell which of their examples this build has run: what it says of itself must be true.

For manuals whose ``conf.py`` names, in ``verify_results``, the file that ``-b verify`` leaves in
its output directory. A block that was not run has a line below it that says so, and why; at the end
of a page stands how many were run.
"""

from hashlib import sha256
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from qemu_pr.verified_examples.blocks import nodes_and_blocks
from qemu_pr.verified_examples.builder import VerifyBuilder
from qemu_pr.verified_examples.results import Outcome, Told, digest, load

NOTE = "of-example"
"""The class of what is told below a block."""

SUMMARY = "of-examples"
"""The class of what is told at the end of a page."""

_NOTES = {
    Outcome.IN_LAB: "Run in the lab: {why}.",
    Outcome.LEFT_TO_LAB: "This build did not run it: it takes the lab.",
    Outcome.OF_OTHER_RELEASE: "This build did not run it: {why}.",
    Outcome.SKIPPED: "This build did not run it: {why}.",
    Outcome.NOT_VERIFIED: "Not verified: {why}.",
    Outcome.UNMARKED: "Not verified.",
    Outcome.FAILED: "This build found it to be untrue.",
}
_NOT_RUN = "This build did not run it."


def setup(app: Sphinx) -> None:
    """Register the setting, and tell it of each page that is rendered."""
    app.add_config_value("verify_results", "", "env", str)
    app.add_config_value("verify_digest", "", "html", str)  # what makes pages be rendered again
    app.connect("config-inited", _note_digest)
    app.connect("doctree-resolved", _tell)


def _note_digest(app: Sphinx, config: Config) -> None:
    if config.verify_results:
        file = Path(app.confdir, config.verify_results)
        config.verify_digest = sha256(file.read_bytes() if file.exists() else b"").hexdigest()


def _tell(app: Sphinx, doctree: nodes.document, page: str) -> None:
    if not app.config.verify_results or isinstance(app.builder, VerifyBuilder):
        return
    results = load(Path(app.confdir, app.config.verify_results)).get(page, {})
    file = str(app.env.doc2path(page))
    shown = [(node, block) for node, block in nodes_and_blocks(doctree, file) if block.shown]
    told = [results.get(digest(block.text)) for _, block in shown]
    for (node, _), one in zip(shown, told, strict=True):
        if one is None or one.outcome != Outcome.VERIFIED:
            _add_behind(node, _note(one))
    if shown and app.builder.format == "html":
        run = sum(one is not None and one.outcome == Outcome.VERIFIED for one in told)
        doctree.append(nodes.paragraph(text=_summary(run, len(shown)), classes=[SUMMARY]))


def _note(told: Told | None) -> nodes.paragraph:
    text = _NOTES[told.outcome].format(why=told.why) if told else _NOT_RUN
    return nodes.paragraph(text=text, classes=[NOTE])


def _summary(run: int, count: int) -> str:
    if count == 1:
        said = "ran the example" if run else "did not run the example"
    elif run == count:
        said = f"ran all {count} examples"
    else:
        said = f"ran {run or 'none'} of the {count} examples"
    return f"This build {said} on this page."


def _add_behind(node: nodes.Element, note: nodes.paragraph) -> None:
    block = node
    while isinstance(block.parent, nodes.container):  # with a caption
        block = block.parent
    block.parent.insert(block.parent.index(block) + 1, note)
