"""The bill of materials of the container image, as CycloneDX."""

import json
from collections.abc import Iterable
from email.parser import Parser
from pathlib import Path
from urllib.parse import quote

from qemu_pr import __version__


def write(path: Path, controls: Iterable[Path]) -> None:
    """Write it.

    Args:
        path: The file.
        controls: What each Debian package in the image says of itself.
    """
    this = {
        "type": "container",
        "bom-ref": "image",
        "name": "qemu-pr-helper",
        "version": __version__,
        "licenses": [{"license": {"id": "GPL-2.0-or-later"}}],
    }
    ours = {
        "type": "library",
        "bom-ref": "qemu-pr",
        "name": "qemu-pr",
        "version": __version__,
        "licenses": [{"license": {"id": "GPL-2.0-or-later"}}],
        "purl": f"pkg:pypi/qemu-pr@{__version__}",
    }
    components = [ours, *(_component(control) for control in controls)]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": this},
        "components": components,
        "dependencies": [
            {"ref": "image", "dependsOn": [component["bom-ref"] for component in components]}
        ],
    }
    path.write_text(json.dumps(document, indent=2) + "\n")


def _component(control: Path) -> dict[str, str]:
    package = Parser().parsestr(control.read_text())
    name, version, architecture = (
        package[field] for field in ("Package", "Version", "Architecture")
    )
    return {
        "type": "library",
        "bom-ref": name,
        "name": name,
        "version": version,
        "publisher": package["Maintainer"],
        "purl": f"pkg:deb/debian/{name}@{quote(version)}?arch={architecture}",
    }
