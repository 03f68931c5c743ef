"""A page is verified again if what decides about its examples has changed, and else is not."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from sphinx.cmd.build import main as sphinx_build

from qemu_pr.verified_examples import unchanged

CONF = 'extensions = ["qemu_pr.verified_examples"]\nverify_depends = ["package"]\n'
PAGE = """\
Page
====

.. console::

   $ echo ran >>{docs}/ran
   $ of-the-page
   {prints}
"""


@pytest.fixture
def build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[str, int]]:
    """Verify a manual of one page; tell what was counted, and how often its example has run."""
    docs, programs = tmp_path / "docs", tmp_path / "programs"
    docs.mkdir()
    programs.mkdir()
    (docs / "package").mkdir()
    (docs / "package/module.py").write_text("a = 1")
    (docs / "conf.py").write_text(CONF)
    (docs / "ran").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")

    def build(*options: str, program: str = "echo same", prints: str = "same") -> tuple[str, int]:
        (docs / "index.rst").write_text(PAGE.format(docs=docs, prints=prints))
        (programs / "of-the-page").write_text(f"#!/bin/sh\n{program}\n")
        (programs / "of-the-page").chmod(0o755)
        unchanged._content.cache_clear()  # a build is a process, elsewhere
        sphinx_build(["-q", *options, "-b", "verify", "docs", "build"])
        counted = capfd.readouterr().out.splitlines()[-1]
        return counted, len((docs / "ran").read_text().splitlines())

    return build


def test_the_second_build_tells_the_same_and_runs_nothing(
    build: Callable[..., tuple[str, int]], tmp_path: Path
) -> None:
    first, _ = build()
    os.utime(tmp_path / "docs/package/module.py", (0, 0))  # times do not count

    assert build() == (first, 1)
    assert first.startswith("1 blocks verified")


@pytest.mark.parametrize(
    "change", [{"prints": "sa..."}, {"program": "true; echo same"}], ids=["text", "program"]
)
def test_a_page_whose_text_or_program_changed_is_run_again(
    build: Callable[..., tuple[str, int]], change: dict[str, str]
) -> None:
    build()

    assert build(**change)[1] == 2


@pytest.mark.parametrize(
    ("file", "text"), [("module.py", "a = 2"), ("another.py", "")], ids=["changed", "new"]
)
def test_a_package_that_changed_has_all_pages_run_again(
    build: Callable[..., tuple[str, int]], tmp_path: Path, file: str, text: str
) -> None:
    build()
    (tmp_path / "docs/package" / file).write_text(text)

    assert build()[1] == 2


def test_all_pages_are_run_again_if_that_is_wanted(build: Callable[..., tuple[str, int]]) -> None:
    build()

    assert build("-D", "verify_all=1")[1] == 2


def test_what_failed_is_run_again(build: Callable[..., tuple[str, int]]) -> None:
    build(prints="another")

    counted, times = build(prints="another")

    assert times == 2
    assert counted.endswith("1 failed")
