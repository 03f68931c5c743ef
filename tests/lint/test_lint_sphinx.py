"""The Sphinx extension warns of faults in other people's manuals, with file and line."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from qemu_pr.lint.faults import FAULTS
from test_real_command_lines import PUBLISHED

WARNING = re.compile(r"^(?P<place>\S+:\d+): WARNING: (?P<fault>[\w-]+): .*\[qemu-pr\.lint\]$", re.M)


def build(folder: Path, pages: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    (folder / "conf.py").write_text('extensions = ["qemu_pr.lint.sphinx"]\n')
    for name, text in pages.items():
        (folder / name).write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-b", "html", *options, ".", "build"],
        cwd=folder,
        env=os.environ | {"LC_ALL": "C.UTF-8", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
    )


def warnings(told: subprocess.CompletedProcess[str]) -> list[tuple[str, str]]:
    return WARNING.findall(told.stderr)


@pytest.mark.parametrize(
    "block",
    ["::", ".. code-block:: console", ".. code-block:: sh\n   :caption: Like this\n   :linenos:"],
)
def test_each_fault_is_a_warning_at_its_line(tmp_path: Path, block: str) -> None:
    page = "Title\n=====\n\n" + PUBLISHED.replace("::\n", f":\n\n{block}\n", 1)
    first = page[: page.index("$ qemu")].count("\n") + 1

    told = build(tmp_path, {"index.rst": page})

    assert told.returncode == 0
    assert warnings(told) == [
        (f"index.rst:{first + line}", "missing-backslash") for line in (0, 2, 3, 8, 10, 11)
    ]


def test_warnings_can_be_errors_or_nothing(tmp_path: Path) -> None:
    as_errors = build(tmp_path, {"index.rst": f"Title\n=====\n\n{PUBLISHED}"}, "-W")
    as_nothing = build(tmp_path, {}, "-E", "-W", "-D", "suppress_warnings=qemu-pr.lint")

    assert as_errors.returncode == 1
    assert (as_nothing.returncode, as_nothing.stderr) == (0, "")


def test_blocks_of_a_page_are_checked_together(tmp_path: Path) -> None:
    page = """\
Title
=====

::

   $ qemu-pr-helper -d -k /run/pr.sock

Text::

   $ qemu-kvm -device virtio-scsi -object pr-manager-helper,id=a,path=/run/x.sock \\
       -drive if=none,id=hd,file=/dev/sdb,file.pr-manager=a -device scsi-block,drive=hd

.. code-block:: sh
   :class: faulty

   qemu-kvm -object pr-manager-helper,id=a,path=x

.. literalinclude:: start.sh
"""
    script = "\nqemu-kvm -device virtio-scsi -object pr-manager-helper,id=a,path=y\n"

    told = build(tmp_path, {"index.rst": page, "start.sh": script})

    assert sorted(warnings(told)) == [
        ("index.rst:10", "other-socket"),
        ("index.rst:19", "socket-path"),
        ("index.rst:19", "unused-manager"),
    ]


def test_every_fault_can_be_listed(tmp_path: Path) -> None:
    page = "Title\n=====\n\n.. lint-faults::\n"

    told = build(
        tmp_path,
        {"index.rst": page},
        *(
            "-D",
            "extensions=qemu_pr.manual.definition_lists",
            "-b",
            "text",
            "-W",
        ),
    )

    listed = (tmp_path / "build/index.txt").read_text()
    assert (told.returncode, told.stderr) == (0, "")
    assert re.findall(r'^"([\w-]+)"$', listed, re.M) == [fault.name for fault in FAULTS]
