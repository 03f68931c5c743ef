"""Python examples: run a block and tell which of its statements did not do what the page says.

The standard library's doctest does the work. The doctest builder of Sphinx is not used: it runs a
page's Python after collecting all of it, while ours has to wait for the consoles between the
blocks, and it gives wrong line numbers for ``testcode``.
"""

import doctest
import re
import traceback
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from qemu_pr.verified_examples.examples import Note, Python
from qemu_pr.verified_examples.transcript import difference

_FRAME = re.compile(r"^  .*\n", re.MULTILINE)
_SKIP = re.compile(r"#\s*doctest:.*\+SKIP")


def why_skipped(example: Python, namespace: dict[str, Any]) -> str:
    """Say why an example does not run; nothing if it does."""
    if eval(example.skip_if, namespace):
        return f"skipif: {example.skip_if}"
    skip = example.options.get(doctest.SKIP) or _SKIP.search(example.code)
    return "doctest: +SKIP" if skip else ""


def run(
    example: Python, namespace: dict[str, Any], *, flags: int, file: str, line: int
) -> list[Note]:
    """Run a block.

    Args:
        example: The block.
        namespace: The names that the block finds, and to which it adds.
        flags: Flags of doctest, by which to compare; the block's own override them.
        file: The source file, for tracebacks.
        line: The first line of the block in it, counted from 1.
    """
    try:
        statements = _statements(example, file, line)
    except ValueError as error:  # doctest cannot read it: no blank after the prompt, for example
        return [Note(0, "doctest", str(error))]
    if not statements:
        return [Note(0, "doctest", "there is no statement: '>>> statement'")]
    test = doctest.DocTest(statements, {}, file, file, 0, None)
    test.globs = namespace  # and not the copy that DocTest makes
    recorder = _Recorder(flags, file, line)
    recorder.run(test, out=lambda _text: None, clear_globs=False)
    return recorder.found


def _statements(example: Python, file: str, line: int) -> list[doctest.Example]:
    if example.prompts:
        statements = doctest.DocTestParser().get_examples(example.code)
        for statement in statements:
            statement.options = example.options | statement.options
        return statements
    # doctest compiles each example as one interactive statement. Empty lines in front let
    # tracebacks name the line of the page.
    code = "\n" * (line - 1) + example.code
    source = f"exec(compile({code!r}, {file!r}, 'exec'))"
    # A name of doctest's, like the runner's: it is how Sphinx and pytest-sphinx tell tracebacks.
    exception = doctest.DocTestParser._EXCEPTION_RE.match(example.output)  # type: ignore[attr-defined]
    message = exception.group("msg") if exception else None
    options = example.options | {doctest.DONT_ACCEPT_BLANKLINE: True}
    return [_Code(source, example.output, message, options=options)]


class _Code(doctest.Example):
    """The statements of a block without prompts, as one example."""


class _Recorder(doctest.DocTestRunner):
    """Collects failures instead of printing them."""

    def __init__(self, flags: int, file: str, line: int) -> None:
        super().__init__(verbose=False, optionflags=flags)
        self.found: list[Note] = []
        self._file = file
        self._line = line

    def report_failure(
        self,
        _out: Callable[[str], object],
        _test: doctest.DocTest,
        example: doctest.Example,
        got: str,
    ) -> None:
        want = example.want
        if example.exc_msg is not None:  # doctest does not compare where an exception came from
            want, got = _FRAME.sub("", want), _FRAME.sub("", got)
        self._add(example, example.lineno, difference(want, got))

    def report_unexpected_exception(
        self,
        _out: Callable[[str], object],
        _test: doctest.DocTest,
        example: doctest.Example,
        exc_info: tuple[type[BaseException], BaseException, TracebackType],
    ) -> None:
        kind, error, trace = exc_info
        frames = list(_frames(trace))
        here = [frame for frame in frames if frame.tb_frame.f_code.co_filename == self._file]
        line = here[0].tb_lineno - self._line if here else example.lineno
        own = 2 if isinstance(example, _Code) else 1  # frames that the reader did not write
        start = next(iter(here or frames[own:]), None)
        self._add(example, line, "".join(traceback.format_exception(kind, error, start)).rstrip())

    def _add(self, example: doctest.Example, line: int, why: str) -> None:
        code = isinstance(example, _Code)
        what = "Python code" if code else ">>> " + example.source.partition("\n")[0]
        self.found.append(Note(line, what, why))


def _frames(trace: TracebackType | None) -> Iterator[TracebackType]:
    while trace:
        yield trace
        trace = trace.tb_next
