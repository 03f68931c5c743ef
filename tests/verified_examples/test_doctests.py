import doctest

import pytest

from qemu_pr.verified_examples.doctests import run, why_skipped
from qemu_pr.verified_examples.examples import Python

RAISED = "Traceback (most recent call last):\nZeroDivisionError:"
FIRST_LINE = 40  # of the block, in its page


def notes(code, **fields):
    example = Python(code=code, **fields)
    return run(example, {}, flags=doctest.ELLIPSIS, file="page.rst", line=FIRST_LINE)


@pytest.mark.parametrize(
    "example",
    [
        Python(">>> 1 + 1\n2", prompts=True),
        Python(">>> for i in (1, 2):\n...     print(i)\n1\n2", prompts=True),
        Python(f">>> 1 / 0\n{RAISED} ...", prompts=True),
        Python("x = 1\nif x:\n    print(x)", prompts=False, output="1\n"),
        Python("x = 1\nx", prompts=False),
        Python("print('a\\n\\nb')", prompts=False, output="a\n\nb\n"),
        Python("1 / 0", prompts=False, output=f"{RAISED} division by zero\n"),
        Python(">>> print('  a')\na", prompts=True, options={doctest.NORMALIZE_WHITESPACE: True}),
    ],
)
def test_a_true_example_gives_nothing_to_note(example):
    assert run(example, {}, flags=doctest.ELLIPSIS, file="page.rst", line=FIRST_LINE) == []


def test_blocks_share_their_namespace():
    namespace = {}
    for example in (Python("x = 1", prompts=False), Python(">>> x\n1", prompts=True)):
        assert run(example, namespace, flags=0, file="page.rst", line=1) == []


def test_every_untrue_statement_is_noted_with_its_line_and_a_diff():
    first, second = notes(">>> 1 + 1\n3\n>>> x = 1\n>>> x\n2", prompts=True)

    assert (first.line, first.text) == (0, ">>> 1 + 1")
    assert (second.line, second.text) == (3, ">>> x")
    assert second.details.splitlines()[-2:] == ["-2", "+1"]


def test_code_that_raises_is_noted_with_the_line_of_the_page():
    (note,) = notes("def f():\n    return 1 / 0\n\nf()", prompts=False)

    assert note.line == 3
    assert f'File "page.rst", line {FIRST_LINE + 3}, in <module>' in note.details
    assert f'File "page.rst", line {FIRST_LINE + 1}, in f' in note.details
    assert note.details.endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("prompts", [True, False])
def test_code_that_is_no_python_is_noted(prompts):
    (note,) = notes(">>> 2 = y" if prompts else "2 = y", prompts=prompts)

    assert "SyntaxError" in note.details
    assert "compile(" not in note.details


def test_an_exception_with_another_message_is_noted_without_its_traceback():
    page = "Traceback (most recent call last):\n  File somewhere\nZeroDivisionError: by one"

    (note,) = notes(f">>> 1 / 0\n{page}", prompts=True)

    assert note.details.splitlines()[3:] == [
        " Traceback (most recent call last):",
        "-ZeroDivisionError: by one",
        "+ZeroDivisionError: division by zero",
    ]


@pytest.mark.parametrize("code", ["1 + 1\n2", ">>>1 + 1\n2"], ids=["no prompt", "no blank"])
def test_a_block_that_doctest_would_pass_over_is_noted(code):
    (note,) = notes(code, prompts=True)

    assert note.text == "doctest"


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        (Python("x", prompts=False), ""),
        (Python("x", prompts=False, skip_if="missing"), "skipif: missing"),
        (Python("x", prompts=False, skip_if="not missing"), ""),
        (Python("x", prompts=True, options={doctest.SKIP: True}), "doctest: +SKIP"),
        (Python(">>> x  # doctest: +SKIP", prompts=True), "doctest: +SKIP"),
    ],
)
def test_an_example_is_skipped_for_a_reason_only(example, reason):
    assert why_skipped(example, {"missing": True}) == reason
