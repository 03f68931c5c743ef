"""The builder that verifies the manual: runs every example, and reports what is not true."""

import functools
import os
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.util import logging
from sphinx.util.display import status_iterator

from qemu_pr.verified_examples.blocks import blocks_of
from qemu_pr.verified_examples.child import in_children
from qemu_pr.verified_examples.examples import Block, InLab, Note, NotVerified, Unmarked
from qemu_pr.verified_examples.page import Page, start_afresh
from qemu_pr.verified_examples.results import LabRun, Outcome, Told, digest, lab_runs, save
from qemu_pr.verified_examples.seclusion import leave_the_host, why_not
from qemu_pr.verified_examples.session import environment
from qemu_pr.verified_examples.unchanged import Unchanged, host_key, key_of, programs_key

_logger = logging.getLogger(__name__)

RESULTS = "results.json"
REPORT = "report.txt"
UNCHANGED = "unchanged.json"
"""What the builder leaves in its output directory: for the pages, for people, for itself."""

_COUNTED_AS = dict(zip(Outcome, Outcome, strict=True)) | {
    Outcome.VERIFIED: "blocks verified",
    Outcome.OF_OTHER_RELEASE: "of other releases",
    Outcome.NOT_VERIFIED: "not verified (with reasons)",
}


_BAD = {Outcome.FAILED, Outcome.UNMARKED}
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

    @property
    def noted(self) -> dict[str, Any]:
        """What is kept of it until the next build, which finds the block by itself."""
        notes = [asdict(note) for note in self.notes]
        return {"outcome": self.outcome, "notes": notes, "packages": self.packages}


def _name(done: tuple[str, object]) -> str:
    return done[0]


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
            return Result(
                block, Outcome.FAILED, [Note(0, f"verify_require_all is set, but {reason}")]
            )
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
        """Verify the pages, some at a time; a page of which nothing changed is not run again."""
        wanted = [*sys.path, sys.prefix, *os.get_exec_path(), str(self.srcdir)]
        keep = [Path(one).absolute() for one in wanted]
        seen = why_not(keep)
        if seen:
            _logger.info("examples run in sight of this host's files and processes: %s", seen)
        known = Unchanged(Path(self.outdir, UNCHANGED))
        common = self._common_key(seen)
        works: dict[str, Callable[[], list[Result]]] = {}
        keys: dict[str, str] = {}
        for name in sorted(docnames):
            blocks = blocks_of(self.env.get_doctree(name), str(self.env.doc2path(name)))
            keys[name] = key_of(common, blocks, programs_key(repr(blocks), self._path))
            found = None if self.config.verify_all else known.found(name, keys[name])
            if found is not None:
                self._pages[name] = list(map(self._result, blocks, found))
                continue
            work = functools.partial(self._verify_page, blocks)
            works[name] = work if seen else functools.partial(leave_the_host, work, keep)
        if unchanged := len(self._pages):
            _logger.info("not verified again, as nothing changed: %d pages", unchanged)
        # In sight of the host, pages could be in each other's way.
        at_once = 1 if seen else len(os.sched_getaffinity(0))
        done = status_iterator(
            in_children(works, at_once), "verifying... ", "blue", len(works), stringify_func=_name
        )
        for name, results in done:
            self._pages[name] = results
            if not {result.outcome for result in results} & _BAD:
                known.note(name, keys[name], [result.noted for result in results])
        self.results = [result for name in sorted(self._pages) for result in self._pages[name]]

    @property
    def _path(self) -> str:
        return environment(Path("/"))["PATH"]

    def _common_key(self, seen: str) -> str:
        """Give what tells the circumstances of all examples from others."""
        config = self.config
        return key_of(
            host_key([Path(self.confdir, one) for one in config.verify_depends]),
            (seen, config.verify_require_all, config.verify_timeout),
            (config.doctest_default_flags, sorted(self.in_lab.items())),
        )

    def _result(self, block: Block, noted: dict[str, Any]) -> Result:
        """Give the result that was noted of a block."""
        in_lab = self.in_lab.get(digest(block.text))
        outcome = Outcome(noted["outcome"])
        notes = [Note(**note) for note in noted["notes"]]
        return Result(
            block,
            outcome,
            notes,
            in_lab if outcome is Outcome.IN_LAB else None,
            tuple(noted["packages"]),
        )

    def _verify_page(self, blocks: Sequence[Block]) -> list[Result]:
        require_all = self.config.verify_require_all
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
    if isinstance(app.builder, VerifyBuilder) and _BAD & {r.outcome for r in app.builder.results}:
        app.statuscode = 1


def setup(app: Sphinx) -> None:
    """Register the builder and its settings.

    ``verify_timeout``: seconds that a command may take; ``verify_lab_results``: where the lab puts
    what it found, from the directory of ``conf.py``; ``verify_depends``: files and directories,
    from there, that decide about all examples, such as the package that they show; ``verify_all``:
    verify also pages of which nothing changed; ``verify_require_all``: an example that cannot run
    here has failed.
    """
    app.add_builder(VerifyBuilder)
    app.add_config_value("verify_timeout", 30, "", (int, float))
    app.add_config_value("verify_lab_results", "build/lab", "", str)
    app.add_config_value("verify_depends", [], "", (list, tuple))
    app.add_config_value("verify_all", False, "", bool)
    app.add_config_value("verify_require_all", False, "", bool)
    app.connect("builder-inited", _read_lab_results)
    app.connect("build-finished", _fail_build)
