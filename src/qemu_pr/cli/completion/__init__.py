"""``qemu-pr completion``: have a shell complete the command lines of both programs.

Why not a package that exists: shtab 1.13.0 completes no value behind an equals sign, in bash nor in
zsh (``--syntax=d``, ``--output=sys``), and in zsh it does not add that sign to an option.
"""

import argparse
import sys

from qemu_pr.cli.completion import bash, zsh
from qemu_pr.cli.completion.grammar import Program

SHELLS = {"bash": bash.render, "zsh": zsh.render}
"""What gives the text for a shell: one module each."""

_DESCRIPTION = """\
Print what makes a shell complete the options, commands and files of qemu-pr and qemu-pr-helper.
"""

_EPILOG = """\
Example, for this shell:

    eval "$(qemu-pr completion bash)"

For all users of bash, write it to /etc/bash_completion.d/qemu-pr; for yourself, put the line
eval "$(qemu-pr completion bash)" into ~/.bashrc. For zsh, write it to a file _qemu-pr in a
directory of $fpath, such as /usr/local/share/zsh/site-functions. The next shell has it.

Exit status: 0, or 1 if the options are wrong.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Tell a parser what the subcommand does, and its options."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("shell", metavar="SHELL", choices=SHELLS, help="bash or zsh")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print it.

    Args:
        args: The options.

    Returns:
        The exit status.
    """
    from qemu_pr.cli import qemu_pr, qemu_pr_helper  # the one imports this module itself

    parsers = (qemu_pr.build_parser(), qemu_pr_helper.build_parser())
    sys.stdout.write(SHELLS[args.shell]([Program.of(parser) for parser in parsers]))
    return 0
