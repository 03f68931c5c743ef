"""Configuration files of Proxmox VE, as lint reads them: an args: line is one command."""

from targets._lint import check_reports
from targets.lint_text import WORDS as TEXT_WORDS

SIZE_MAX = 500
WORDS = [*TEXT_WORDS, b"args: ", b"\nargs: -", b"scsi0: ", b"scsihw: virtio-scsi-pci\n", b"\r\n"]


def check(data: bytes) -> None:
    text = data.decode(errors="surrogateescape")
    check_reports(text if "args:" in text else f"args: -m 1 {text}")
