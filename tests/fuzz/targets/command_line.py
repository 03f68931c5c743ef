"""QEMU command lines as shell text: what is read is written in each syntax, and read again."""

from qemu_pr.command_line.errors import CommandLineError
from qemu_pr.command_line.formats import shell_text
from qemu_pr.command_line.syntaxes import SYNTAXES
from qemu_pr.lint.parse import parse

SIZE_MAX = 500
_WORDS = (
    "-object |-blockdev |-drive |-device |pr-manager-helper|id=|path=|qom-type=|,|,,|=|'|\"| \\\n"
    "|node-name=|driver=|raw|file=|file.driver=|host_device|file.filename=|file.pr-manager=|drive="
    '|if=none|scsi-block|scsi-generic|virtio-scsi|bus=|migrate-pr=on|{"|":"|"}|$(|`|#|;|\n'
)
WORDS = _WORDS.encode().split(b"|")


def check(data: bytes) -> None:
    try:
        disks = parse(data.decode(errors="surrogateescape"))
    except CommandLineError:
        return
    for syntax in SYNTAXES:
        try:
            text = shell_text(disks, syntax)
        except CommandLineError:
            continue  # a path that this syntax cannot carry
        assert parse(text) == disks
