"""A Sphinx extension that makes a manual's examples executable, and a builder that verifies them.

Put ``qemu_pr.verified_examples`` into ``extensions`` of ``conf.py``, and run
``sphinx-build -b verify``. Pages mark their blocks with these directives, next to those of
``sphinx.ext.doctest``:

- ``console``: a transcript; its commands run, and print what it shows.
- ``verified``: a text to paste; a command prints it (``:printed-by:``) or accepts it (``:check:``).
- ``not-verified``: a text that cannot be verified, and why (``:because:``).
- ``console-in-lab``: a transcript that a lab runs, which has more than a build.

A block without a mark fails that build. The blocks of a page run in document order and share a new
directory, which they leave without a trace.

With ``verify_results`` in ``conf.py``, pages tell which of their examples were not run.

It knows nothing of what the rest of this package is about, and imports nothing of it.

Why not a package that exists: sphinxcontrib-shtest 0.5.0 starts a shell for every command, so
neither variables nor daemons survive from one to the next; it sets no time limit; and it does not
find the blocks that nobody marked. cram, prysk and byexample keep their shell, but run beside
Sphinx: they do not know which blocks are marked, hidden or forgotten, and cannot share a page's
directory with its Python. What is taken from them all is the format of transcripts.
"""

from importlib.metadata import version

from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

from qemu_pr.verified_examples import builder, directives, told
from qemu_pr.verified_examples.blocks import MarkGenerated
from qemu_pr.verified_examples.lexer import ConsoleLexer, ShellLexer


def setup(app: Sphinx) -> ExtensionMetadata:
    """Register everything with Sphinx."""
    directives.setup(app)
    builder.setup(app)
    told.setup(app)
    app.add_transform(MarkGenerated)
    app.add_lexer("console", ConsoleLexer)
    app.add_lexer("sh", ShellLexer)
    app.add_lexer("shell", ShellLexer)
    return {
        "version": version("qemu-pr"),
        "parallel_read_safe": True,
        "parallel_write_safe": True,
    }
