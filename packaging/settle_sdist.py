"""Write an sdist once more, so that its bytes depend on its files alone.

    python packaging/settle_sdist.py FILE.tar.gz

setuptools puts in the time of the build, the user's name, and an order that the file system gives.
"""

import gzip
import io
import os
import sys
import tarfile
from pathlib import Path


def main() -> None:
    """Write it."""
    path = Path(sys.argv[1])
    seconds = int(os.environ["SOURCE_DATE_EPOCH"])
    plain = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=plain, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda member: member.name):
            member.mtime = seconds
            member.uid = member.gid = 0
            member.uname = member.gname = "root"
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isfile() else None)
    path.write_bytes(gzip.compress(plain.getvalue(), mtime=seconds))


if __name__ == "__main__":
    main()
