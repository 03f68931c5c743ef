"""Both programs in one file: ``python -m qemu_pr``, and the archive that ``make zipapp`` builds."""

import sys
from pathlib import PurePath

HELPER = "qemu-pr-helper"


def main() -> int:
    """Run qemu-pr; or qemu-pr-helper, if that is the name, or the first word is ``helper``.

    Returns:
        The exit status.
    """
    if PurePath(sys.argv[0]).name.startswith(HELPER):
        arguments = sys.argv[1:]
    elif sys.argv[1:2] == ["helper"]:
        arguments = sys.argv[2:]
    else:
        from qemu_pr.cli import qemu_pr

        return qemu_pr.main()
    from qemu_pr.cli import qemu_pr_helper

    return qemu_pr_helper.main(arguments)


if __name__ == "__main__":
    sys.exit(main())
