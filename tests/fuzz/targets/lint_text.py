"""Scripts, logs and manuals (reStructuredText, Markdown), as lint reads them."""

from targets._lint import check_reports

SIZE_MAX = 500
_WORDS = (
    "qemu-kvm |$ |# |> |sudo |...|::\n\n|```\n|\n    |: |\\\n|,|,,|=|'|\"|{|}|<|>|;|&|$(|)|$X|…|.. "
    "|-object |-blockdev |-drive |-device |-m 1|pr-manager-helper|pr-manager=helper0|id=helper0"
    "|path=s|file.pr-manager=helper0|path=/run/s|if=none|id=hd|node-name=hd|driver=raw|file=hd"
    "|file=/dev/sdb1|file.driver=host_device|file.filename=/dev/sdb|read-only=on|virtio-scsi"
    '|drive=hd|scsi-block|scsi-hd|{"driver":"raw"|,"pr-manager":"helper0"}|qemu-pr-helper -k '
)
WORDS = _WORDS.encode().split(b"|")


def check(data: bytes) -> None:
    check_reports(data.decode(errors="surrogateescape"))
