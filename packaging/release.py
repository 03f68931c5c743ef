"""Say what is in dist/: checksums, and a bill of materials of the wheel.

    python packaging/release.py DIST

Tells what keeps it from being a release yet.
"""

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from qemu_pr import __version__

CHECKSUMS = "SHA256SUMS"


def main() -> None:
    """Write both."""
    dist = Path(sys.argv[1])
    (wheel,) = dist.glob("*.whl")
    bill = dist / f"qemu-pr-{__version__}.cdx.json"
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False)
        python = f"{folder}/bin/python"
        pip = [sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet"]
        subprocess.run([*pip, "--no-index", "--disable-pip-version-check", wheel], check=True)
        tool = [sys.executable, "-m", "cyclonedx_py", "environment", python]
        options = ["--pyproject=pyproject.toml", "--output-reproducible", "--of=JSON"]
        subprocess.run([*tool, *options, f"--output-file={bill}"], check=True)
    told = json.loads(bill.read_text())
    told["metadata"]["component"]["version"] = __version__  # pyproject.toml does not say it
    bill.write_text(json.dumps(told, indent=2) + "\n")
    files = sorted(one for one in dist.iterdir() if one.name != CHECKSUMS)
    sums = (f"{hashlib.sha256(one.read_bytes()).hexdigest()}  {one.name}\n" for one in files)
    (dist / CHECKSUMS).write_text("".join(sums))
    print("".join(f"{one}\n" for one in objections()), end="", file=sys.stderr)


def objections() -> list[str]:
    """List what keeps it from being a release."""
    found = []
    heading = rf"^## \[{re.escape(__version__)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(heading, Path("CHANGELOG.md").read_text(), re.MULTILINE):
        found.append(f"no release yet: CHANGELOG.md has no '## [{__version__}] - DATE'")
    git = subprocess.run(["git", "status", "--porcelain"], capture_output=True, text=True)
    if git.returncode == 0 and git.stdout:
        found.append("no release yet: git status tells of changes that are not committed")
    return found


if __name__ == "__main__":
    main()
