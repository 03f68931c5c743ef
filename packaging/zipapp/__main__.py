"""What `make zipapp` makes start: every Python can read it, and one that is too old says so."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a guest's may be older
    sys.stderr.write(
        "qemu-pr: this is Python %d.%d, and it needs 3.11 or newer: install one, and name it:"  # noqa: UP031
        " python3.11 %s\n" % (sys.version_info[0], sys.version_info[1], sys.argv[0])
    )
    sys.exit(2)

from qemu_pr.__main__ import main

sys.exit(main())
