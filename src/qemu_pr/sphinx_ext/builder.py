"""The builder that verifies the manual: runs every example, and reports what is not true."""

import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from textwrap import indent

from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.util import logging
from sphinx.util.display import status_iterator

from qemu_pr.sphinx_ext.blocks import blocks_of
from qemu_pr.sphinx_ext.child import in_child
from qemu_pr.sphinx_ext.examples import Block, InLab, Note, NotVerified, Unmarked
from qemu_pr.sphinx_ext.page import Page, start_afresh
from qemu_pr.sphinx_ext.seclusion import in_seclusion, why_not

_logger = logging.getLogger(__name__)

REQUIRE_ALL = "QEMU_PR_REQUIRE_ALL"


class Outcome(StrEnum):
    """What came of a block, in the words and the order of the report."""

    VERIFIED = "verified"
    IN_LAB = "verified in the lab"
    SKIPPED = "skipped"
    NOT_VERIFIED = "not verified"
    UNMARKED = "unmarked"
    FAILED = "failed"


_COUNTED_AS = dict(zip(Outcome, Outcome, strict=True)) | {
    Outcome.VERIFIED: "blocks verified",
    Outcome.NOT_VERIFIED: "not verified (with reasons)",
}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a block, and what there is to say about it."""

    block: Block
    outcome: Outcome
    notes: Sequence[Note] = ()


def verify(block: Block, page: Page, *, require_all: bool) -> Result:
    """Verify a block.

    Args:
        block: The block.
        page: Where it runs: entered, and the blocks before this one verified.
        require_all: Whether an example that cannot run here has failed.
    """
    match block.example:
        case NotVerified(because):
            return Result(block, Outcome.NOT_VERIFIED, [Note(0, because)])
        case InLab():
            return Result(block, Outcome.IN_LAB)
        case Unmarked(advice):
            return Result(block, Outcome.UNMARKED, [Note(0, advice)])
    if reason := page.why_skipped(block):
        if require_all:
            return Result(block, Outcome.FAILED, [Note(0, f"{REQUIRE_ALL}=1, but {reason}")])
        return Result(block, Outcome.SKIPPED, [Note(0, reason)])
    notes = page.verify(block)
    return Result(block, Outcome.FAILED if notes else Outcome.VERIFIED, notes)


def report(results: Sequence[Result]) -> str:
    """Tell what came of the manual's blocks: what needs a reader's eyes last, then the counts.

    Hidden blocks prepare for others and count only if they fail.
    """
    lines = []
    for outcome in Outcome:
        for result in results:
            for note in result.notes if result.outcome is outcome else ():
                place = f"{result.block.file}:{result.block.line + note.line}"
                lines.append(f"{place}: {outcome}: {note.text}")
                if note.details:
                    lines.append(indent(note.details, "    ", lambda _line: True))
    counted = (r for r in results if r.block.shown or r.outcome is Outcome.FAILED)
    counts = Counter(result.outcome for result in counted)
    named = (o for o in Outcome if counts[o] or o is not Outcome.IN_LAB)
    summary = [f"{counts[outcome]} {_COUNTED_AS[outcome]}" for outcome in named]
    return "\n".join([*lines, ", ".join(summary)])


class VerifyBuilder(Builder):
    """``sphinx-build -b verify``: every example of the manual, run; nothing is written."""

    name = "verify"
    allow_parallel = False

    def init(self) -> None:
        """Start with no results."""
        self.results: list[Result] = []

    def get_outdated_docs(self) -> Set[str]:
        """Give all pages: an example can become untrue without a change to its page."""
        return self.env.found_docs

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:  # noqa: ARG002
        """Give no address: nothing is written."""
        return ""

    def write_documents(self, docnames: Set[str]) -> None:
        """Verify the pages."""
        apart = self._apart()
        pages = sorted(docnames)
        for name in status_iterator(pages, "verifying... ", "blue", len(pages)):
            file = str(self.env.doc2path(name))
            blocks = list(blocks_of(self.env.get_doctree(name), file))
            self.results += apart(functools.partial(self._verify_page, blocks))

    def _apart(self) -> Callable[[Callable[[], list[Result]]], list[Result]]:
        """Give what verifies a page in a process of its own, where it can be in seclusion."""
        wanted = [*sys.path, sys.prefix, *os.get_exec_path(), str(self.srcdir)]
        keep = [Path(one).absolute() for one in wanted]
        if reason := why_not(keep):
            _logger.info("examples run in sight of this host's files and processes: %s", reason)
            return in_child
        return functools.partial(in_seclusion, keep=keep)

    def _verify_page(self, blocks: Sequence[Block]) -> list[Result]:
        require_all = os.environ.get(REQUIRE_ALL) == "1"
        start_afresh()
        with Page(self.config.verify_timeout, self.config.doctest_default_flags) as page:
            return [verify(block, page, require_all=require_all) for block in blocks]

    def finish(self) -> None:
        """Print the report."""
        print(report(self.results), flush=True)


def _fail_build(app: Sphinx, _error: Exception | None) -> None:
    bad = {Outcome.FAILED, Outcome.UNMARKED}
    if isinstance(app.builder, VerifyBuilder) and bad & {r.outcome for r in app.builder.results}:
        app.statuscode = 1


def setup(app: Sphinx) -> None:
    """Register the builder, and the setting ``verify_timeout``: seconds that a command may take."""
    app.add_builder(VerifyBuilder)
    app.add_config_value("verify_timeout", 30, "", (int, float))
    app.connect("build-finished", _fail_build)
