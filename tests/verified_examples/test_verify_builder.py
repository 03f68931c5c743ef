"""Manuals of other people: nothing but the extension, built with sphinx-build."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import dedent

import pytest
from sphinx.cmd.build import main as sphinx_build

NEWLINE = "\n"
CONF = 'extensions = ["qemu_pr.verified_examples"]\n'


@dataclass(frozen=True)
class Build:
    """What a build came to: its exit status, what it printed, and the notes in that."""

    status: int
    output: str

    @property
    def notes(self) -> list[str]:
        return [line for line in self.output.splitlines() if re.match(r"\S+:\d+: ", line)]

    @property
    def counts(self) -> str:
        return self.output.splitlines()[-1]


@pytest.fixture
def build(tmp_path, monkeypatch, capfd) -> Callable[..., Build]:
    """Write pages and build them."""
    docs = tmp_path / "docs"
    docs.mkdir()
    monkeypatch.chdir(tmp_path)

    def build(
        index: str,
        *,
        builder: str = "verify",
        conf: str = CONF,
        require_all: bool = False,
        **files: str,
    ) -> Build:
        pages = {"conf_py": conf, "index_rst": f"Page\n====\n\n{dedent(index)}", **files}
        for name, text in pages.items():
            (docs / name.replace("_", ".")).write_text(dedent(text))
        strict = ["-n", "-W", "-q", "-E", "-D", f"verify_require_all={int(require_all)}"]
        status = sphinx_build([*strict, "-b", builder, "docs", f"build/{builder}"])
        printed = capfd.readouterr()
        return Build(status, printed.err + printed.out)

    return build


def counts(
    verified=0, skipped=0, not_verified=0, unmarked=0, failed=0, in_lab=0, of_other_releases=0
):
    lab = f" {in_lab} left to the lab," if in_lab else ""
    other = f" {of_other_releases} of other releases," if of_other_releases else ""
    return (
        f"{verified} blocks verified,{lab}{other} {skipped} skipped,"
        f" {not_verified} not verified (with reasons), {unmarked} unmarked, {failed} failed"
    )


def place(page, text):
    """Tell where a text is, in a page with the title that `build` puts before it."""
    return f"docs/index.rst:{page.split(text)[0].count(NEWLINE) + 4}"


EVERY_KIND = """\
    .. console::

       $ echo one > file
       $ cat file
       one
       $ sh -c 'echo oops >&2; exit 5'
       oops
       $ echo $?
       5

    The next block reads what the one before wrote:

    >>> text = open("file").read()

    .. testcode::

       print(text.strip())
       open("file", "w").write("two")

    .. testoutput::

       one

    .. doctest::

       >>> len(text)
       4

    .. verified:: text
       :printed-by: cat file
       :caption: What the file holds

       two

    .. verified:: json
       :check: tee copy | python3 -m json.tool >/dev/null

       {"a": [1, 2]}

    .. console::
       :exit: 1

       $ cat copy
       {"a": [1, 2]}
       $ diff copy file
       ...

    .. console::
       :hide:

       $ echo hidden > file

    .. console::
       :session: another

       $ cat file
       hidden

    .. not-verified:: text
       :because: nobody here has one

       A Fibre Channel fabric

    .. console-in-lab:: host

       $ ls /dev/mapper/mpatha
       /dev/mapper/mpatha
"""


def test_examples_of_every_kind_run_in_document_order_and_share_a_directory(build):
    built = build(EVERY_KIND)

    assert built.status == 0
    assert built.notes == [f"{place(EVERY_KIND, 'A Fibre')}: not verified: nobody here has one"]
    assert built.counts == counts(verified=8, not_verified=1, in_lab=1)


@pytest.mark.parametrize("builder", ["html", "man", "text"])
def test_examples_render_everywhere(build, builder):
    conf = CONF + 'man_pages = [("index", "page", "a page", [], 8)]\n'

    assert build(EVERY_KIND, builder=builder, conf=conf) == Build(0, "")


def test_a_text_that_a_command_prints_names_the_command(build, tmp_path):
    index = """\
        .. verified:: text
           :printed-by: echo 'one  disk'

           one  disk

        .. verified:: text
           :printed-by: echo two
           :caption: A caption of its own

           two
        """

    built = build(index, builder="text")

    assert built == Build(0, "")
    page = (tmp_path / "build/text/index.txt").read_text()
    assert """Printed by "echo 'one  disk'"\n\n   one  disk\n""" in page
    assert "A caption of its own\n\n   two\n" in page


@pytest.mark.parametrize(
    ("true", "untrue", "line"),
    [
        ("$ echo one > file", "$ echo ono > file", "$ cat file"),
        ("$ cat file", "$ cat fila", None),
        ("       one", "       ono", "$ cat file"),
        ("exit 5", "exit 6", "$ echo $?"),
        (">>> len(text)", ">>> len(texd)", None),
        ("print(text.strip())", "print(texd.strip())", None),
        ("       4", "       5", ">>> len(text)"),
        ("       two", "       twa", None),
        (":printed-by: cat file", ":printed-by: cat fila", "       two"),
        ('{"a": [1, 2]}', '{"a": [1, 2}}', None),
        ("$ diff copy file", "$ diff copy fila", None),
        (":exit: 1", ":exit: 2", "$ diff copy file"),
    ],
)
def test_one_changed_character_fails_the_build_and_names_the_line(build, true, untrue, line):
    changed = EVERY_KIND.replace(true, untrue, 1)

    built = build(changed)

    assert built.status == 1
    assert built.notes[1].startswith(f"{place(changed, line or untrue)}: failed: ")


def test_a_failure_shows_the_difference(build):
    built = build(
        """\
        .. console::

           $ printf 'pid 17\\nstate on\\n'
           pid ...
           state off
        """
    )

    assert built.output == dedent(
        """\
        docs/index.rst:6: failed: $ printf 'pid 17\\nstate on\\n'
            --- the page
            +++ the program
            @@ -1,2 +1,2 @@
             pid 17
            -state off
            +state on
        0 blocks verified, 0 skipped, 0 not verified (with reasons), 0 unmarked, 1 failed
        """
    )


def test_a_text_that_its_printer_changed_is_named_by_the_first_line_that_differs(build):
    built = build(
        """\
        .. verified:: shell
           :printed-by: printf '%s\\n' 'qemu' '    -S' '    -nodefaults'

           qemu
               -S
               -nodefault
        """
    )

    assert built.notes == [
        "docs/index.rst:9: failed: printf '%s\\n' 'qemu' '    -S' '    -nodefaults'"
    ]


@pytest.mark.parametrize(
    ("commands", "advice"),
    [
        ("$ false\n       $ true", "exit status 1: let `$ echo $?` follow to show it"),
        ("$ true\n       $ false", "exit status 1, not 0 (see option `:exit:`)"),
    ],
)
def test_a_command_must_not_fail_silently(build, commands, advice):
    built = build(f"    .. console::\n\n       {commands}\n")

    assert built.status == 1
    assert advice in built.output


def test_a_command_that_hangs_fails_with_its_line(build):
    built = build(
        """\
        .. console::
           :timeout: 0.5

           $ echo before
           before
           $ sleep 1000
           $ echo after
        """
    )

    assert built.notes == ["docs/index.rst:9: failed: $ sleep 1000"]
    assert "no answer from `sleep 1000` after 0.5 s" in built.output


def test_pages_share_nothing(build):
    first = """\
        .. console::

           $ echo $name > file; name=value; pwd > file
           $ ls
           file

        >>> name = 1
        """
    second = """\
        :orphan:

        Page
        ====

        .. console::

           $ echo "[$name]"; ls
           []

        .. doctest::

           >>> name
           Traceback (most recent call last):
           NameError: name 'name' is not defined
        """

    built = build(first, second_rst=second)

    assert built.output == counts(verified=4) + "\n"


@pytest.mark.parametrize(
    ("page", "line"),
    [
        ("Text::\n\n   a block\n", 6),
        (".. code-block:: sh\n\n   a block\n", 4),
        (".. code-block:: pycon\n\n   >>> a_block\n", 4),
        (".. parsed-literal::\n\n   *a* block\n", 6),
        (".. literalinclude:: included.txt\n", 4),
        ("- .. note::\n\n     .. code-block:: sh\n\n        a block\n", 6),
        (".. testoutput::\n\n   a block\n", 6),
    ],
)
def test_an_unmarked_block_fails_the_build_with_its_place(build, page, line):
    built = build(page, included_txt="a block\n")

    assert built.status == 1
    assert [note.split(": ")[:2] for note in built.notes] == [
        [f"docs/index.rst:{line}", "unmarked"]
    ]
    assert built.counts == counts(unmarked=1)


def test_a_block_of_an_included_file_is_named_by_that_file(build):
    built = build(".. include:: included.txt\n", included_txt=".. console::\n\n   $ echo a\n   b\n")

    assert built.notes == ["docs/included.txt:3: failed: $ echo a"]


MISSING = """\
    .. console::
       :requires: sh (dash), no-such-program (no-such-package)

       $ no-such-program

    >>> print(1)  # doctest: +SKIP
    2
"""


def test_what_cannot_run_here_is_skipped_with_what_to_install(build):
    built = build(MISSING)

    assert built.status == 0
    assert built.output.splitlines()[:-1] == [
        "docs/index.rst:9: skipped: doctest: +SKIP",
        "to run what is skipped, on Debian: apt-get install no-such-package",
    ]
    assert built.counts == counts(skipped=2)


def test_a_skip_is_a_failure_where_everything_must_be_there(build):
    built = build(MISSING, require_all=True)

    assert built.status == 1
    assert built.counts == counts(failed=2)
    assert built.notes[0].startswith("docs/index.rst:7: failed: verify_require_all is set, but no")


RELEASES = """\
    .. console::
       :requires: {older} (package)

       $ true

    .. console::
       :requires: {newer} (package)

       $ true
"""


def some_program(tmp_path, monkeypatch, says):
    program = tmp_path / "some-program"
    program.write_text(f"#!/bin/sh\necho {says}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)


@pytest.mark.parametrize("require_all", [False, True])
def test_an_example_of_one_release_runs_where_that_is(build, tmp_path, monkeypatch, require_all):
    some_program(tmp_path, monkeypatch, "some-program release 7.2.22 of 2025-01-02")
    page = RELEASES.format(older="some-program < 11", newer="some-program >= 11.0")

    built = build(page, require_all=require_all)

    assert built.status == 0
    assert built.notes == [
        "docs/index.rst:12: of another release:"
        " needs some-program >= 11.0, and the one here is 7.2.22"
    ]
    assert built.counts == counts(verified=1, of_other_releases=1)


def test_a_program_that_does_not_tell_its_release_is_a_failure_where_all_must_run(
    build, tmp_path, monkeypatch
):
    some_program(tmp_path, monkeypatch, "hello")
    page = RELEASES.format(older="some-program < 11", newer="some-program >= 11.0")

    built = build(page, require_all=True)

    assert built.counts == counts(failed=2)


@pytest.mark.parametrize(
    ("page", "line", "message"),
    [
        (".. console::\n\n   no prompt\n", 6, "a transcript begins with a command"),
        (".. console::\n\n   $ echo a\n   a\n   > b\n", 8, "output came before it"),
        (".. console-in-lab:: host\n\n   no prompt\n", 6, "a transcript begins with a command"),
        (".. console::\n   :requires: qemu\n\n   $ true\n", 4, "expected PROGRAM (PACKAGE)"),
        (".. console::\n   :timeout: 0\n\n   $ true\n", 4, "expected a number of seconds"),
        (".. verified:: sh\n\n   text\n", 4, "needs either `:printed-by: COMMAND` or `:check: "),
        (".. not-verified:: sh\n\n   text\n", 4, "needs the reason"),
    ],
)
def test_a_directive_that_is_no_use_is_an_error_with_its_line(build, page, line, message):
    built = build(page)

    assert built.status == 1
    assert re.search(rf"docs/index\.rst:{line}: ERROR: .*{re.escape(message)}", built.output, re.S)


def test_a_block_that_an_extension_wrote_counts_as_no_example(build):
    conf = f"""\
from docutils import nodes
from docutils.parsers.rst import Directive
{CONF}
class Usage(Directive):
    def run(self):
        return [nodes.literal_block(text="usage: program [-h]")]

def setup(app):
    app.add_directive("usage", Usage)
"""

    built = build(".. usage::\n", conf=conf)

    assert built == Build(0, counts() + "\n")
