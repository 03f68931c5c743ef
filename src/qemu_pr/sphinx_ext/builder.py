"""The builder that verifies the manual: runs every example, and reports what is not true."""

import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
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
from qemu_pr.sphinx_ext.results import LabRun, Outcome, Told, digest, lab_runs, save
from qemu_pr.sphinx_ext.seclusion import in_seclusion, why_not

_logger = logging.getLogger(__name__)

REQUIRE_ALL = "QEMU_PR_REQUIRE_ALL"


RESULTS = "results.json"
REPORT = "report.txt"
"""What the builder leaves in its output directory: for the pages, and for people."""

_COUNTED_AS = dict(zip(Outcome, Outcome, strict=True)) | {
    Outcome.VERIFIED: "blocks verified",
    Outcome.OF_OTHER_RELEASE: "of other releases",
    Outcome.NOT_VERIFIED: "not verified (with reasons)",
}


# Others have no lab, and no examples of one release.
_ONLY_IF_ANY = {Outcome.IN_LAB, Outcome.LEFT_TO_LAB, Outcome.OF_OTHER_RELEASE}


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a block, and what there is to say about it.

    Attributes:
        in_lab: When the lab ran it.
        packages: What to install so that it can run.
    """

    block: Block
    outcome: Outcome
    notes: Sequence[Note] = ()
    in_lab: LabRun | None = None
    packages: tuple[str, ...] = ()

    @property
    def told(self) -> Told:
        """What its page tells of it."""
        why = str(self.in_lab or "; ".join(note.text for note in self.notes))
        return Told(self.outcome, "" if self.outcome is Outcome.FAILED else why)


def verify(block: Block, page: Page, *, require_all: bool, in_lab: Mapping[str, LabRun]) -> Result:
    """Verify a block.

    Args:
        block: The block.
        page: Where it runs: entered, and the blocks before this one verified.
        require_all: Whether an example that cannot run here has failed.
        in_lab: What the lab has run, by digest.
    """
    match block.example:
        case NotVerified(because):
            return Result(block, Outcome.NOT_VERIFIED, [Note(0, because)])
        case InLab():
            run = in_lab.get(digest(block.text))
            return Result(block, Outcome.IN_LAB if run else Outcome.LEFT_TO_LAB, in_lab=run)
        case Unmarked(advice):
            return Result(block, Outcome.UNMARKED, [Note(0, advice)])
    if lacks := page.lacks(block):
        reason = "; ".join(lack.why for lack in lacks)
        if any(lack.of_release for lack in lacks):
            return Result(block, Outcome.OF_OTHER_RELEASE, [Note(0, reason)])
        if require_all:
            return Result(block, Outcome.FAILED, [Note(0, f"{REQUIRE_ALL}=1, but {reason}")])
        packages = tuple(lack.package for lack in lacks if lack.package)
        return Result(block, Outcome.SKIPPED, [Note(0, reason)], packages=packages)
    notes = page.verify(block)
    return Result(block, Outcome.FAILED if notes else Outcome.VERIFIED, notes)


def report(results: Sequence[Result]) -> str:
    """Tell what came of the manual's blocks: what needs a reader's eyes last, then the counts.

    What to install for those that were skipped is one line; their pages say which those are. Hidden
    blocks prepare for others and count only if they fail.
    """
    lines = []
    for outcome in Outcome:
        for result in results:
            for note in result.notes if result.outcome is outcome and not result.packages else ():
                place = f"{result.block.file}:{result.block.line + note.line}"
                lines.append(f"{place}: {outcome}: {note.text}")
                if note.details:
                    lines.append(indent(note.details, "    ", lambda _line: True))
    if packages := sorted({package for result in results for package in result.packages}):
        lines.append(f"to run what is skipped, on Debian: apt-get install {' '.join(packages)}")
    counted = (r for r in results if r.block.shown or r.outcome is Outcome.FAILED)
    counts = Counter(result.outcome for result in counted)
    named = (o for o in Outcome if counts[o] or o not in _ONLY_IF_ANY)
    summary = [f"{counts[outcome]} {_COUNTED_AS[outcome]}" for outcome in named]
    return "\n".join([*lines, ", ".join(summary)])


class VerifyBuilder(Builder):
    """``sphinx-build -b verify``: every example of the manual, run; what came of it is written."""

    name = "verify"
    allow_parallel = False

    def init(self) -> None:
        """Start with no results."""
        self.results: list[Result] = []
        self.in_lab: Mapping[str, LabRun] = {}
        self._pages: dict[str, list[Result]] = {}

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
            blocks = blocks_of(self.env.get_doctree(name), file)
            self._pages[name] = apart(functools.partial(self._verify_page, blocks))
            self.results += self._pages[name]

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
            return [
                verify(block, page, require_all=require_all, in_lab=self.in_lab) for block in blocks
            ]

    def finish(self) -> None:
        """Print the report, and leave it for the pages to tell."""
        told = {
            name: [(digest(result.block.text), result.told) for result in results]
            for name, results in self._pages.items()
        }
        save(Path(self.outdir, RESULTS), told)
        text = report(self.results)
        Path(self.outdir, REPORT).write_text(text + "\n")
        print(text, flush=True)


def _read_lab_results(app: Sphinx) -> None:
    if isinstance(app.builder, VerifyBuilder):
        app.builder.in_lab = lab_runs(Path(app.confdir, app.config.verify_lab_results))


def _fail_build(app: Sphinx, _error: Exception | None) -> None:
    bad = {Outcome.FAILED, Outcome.UNMARKED}
    if isinstance(app.builder, VerifyBuilder) and bad & {r.outcome for r in app.builder.results}:
        app.statuscode = 1


def setup(app: Sphinx) -> None:
    """Register the builder and its settings.

    ``verify_timeout``: seconds that a command may take; ``verify_lab_results``: where the lab puts
    what it found, from the directory of ``conf.py``.
    """
    app.add_builder(VerifyBuilder)
    app.add_config_value("verify_timeout", 30, "", (int, float))
    app.add_config_value("verify_lab_results", "build/lab", "", str)
    app.connect("builder-inited", _read_lab_results)
    app.connect("build-finished", _fail_build)
