"""How Sphinx builds the manual: from docs/, into build/, with no look at the network."""

import doctest
import os
import re
import sys
import warnings
from importlib.metadata import metadata
from importlib.metadata import version as installed_version

project = "qemu-pr"
author = project_copyright = "the qemu-pr authors"
release = version = installed_version("qemu-pr")

# |Homepage|, |Issues|, |Security| …: where the project is found, as pyproject.toml says.
_urls = (line.split(", ") for line in metadata("qemu-pr").get_all("Project-URL", []))
rst_epilog = "".join(f".. |{name}| replace:: {url}\n" for name, url in _urls)

extensions = [
    "qemu_pr.lint.sphinx",
    "qemu_pr.manual",
    "qemu_pr.verified_examples",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_inline_tabs",
    "sphinxarg.ext",
]

# With PYTHONWARNINGS=error: what others will have to change in their code is no error of ours.
for _kind in (DeprecationWarning, PendingDeprecationWarning):
    warnings.filterwarnings("ignore", category=_kind, module=r"(?!qemu_pr\b)")

# Two hyphens stay two hyphens: what a page shows is what the reader types.
smartquotes = False
highlight_language = "none"  # of blocks that name no language: usages, for example

# A reference that leads nowhere is an error (sphinx-build -n -W), but the standard library's
# documentation is on the network.
_modules = "|".join(map(re.escape, sorted(sys.stdlib_module_names)))
nitpick_ignore_regex = [("py:.*", rf"({_modules})(\..+)?")]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"

# Sphinx does not compare the messages of exceptions, unless told to.
doctest_default_flags = doctest.ELLIPSIS | doctest.DONT_ACCEPT_TRUE_FOR_1

# Pages tell which of their examples this build has run: make verifies before it renders.
verify_results = "build/verify/results.json"

# In CI nothing is skipped.
verify_require_all = os.environ.get("QEMU_PR_REQUIRE_ALL") == "1"

# If one of these changes, every page is verified again; else those whose text or programs changed.
verify_depends = ["conf.py", "packaging", "src"]

html_theme = "furo"
html_title = f"{project} {release}"
html_static_path = ["docs/_static"]
html_css_files = ["manual.css"]
html_search_scorer = "docs/_static/search_scorer.js"

# What the button copies is what is typed: no prompts, no output, no empty lines in their place.
copybutton_prompt_text = r"\$ |>(?: |$)|>>> |\.\.\.(?: |$)"
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
copybutton_exclude = ".linenos, .go"
copybutton_copy_empty_lines = False

man_pages = [
    (
        "man/qemu-pr-helper",
        "qemu-pr-helper",
        "carry out SCSI persistent reservations for QEMU",
        [],
        8,
    ),
    ("man/qemu-pr", "qemu-pr", "set up and inspect SCSI persistent reservations", [], 1),
    ("man/qemu-pr-protocol", "qemu-pr-protocol", "how QEMU talks to qemu-pr-helper", [], 7),
]
