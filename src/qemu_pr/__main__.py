"""``python -m qemu_pr``: the program `qemu-pr`, where no directory of programs is at hand."""

import sys

from qemu_pr.cli.qemu_pr import main

if __name__ == "__main__":
    sys.exit(main())
