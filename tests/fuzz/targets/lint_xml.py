"""libvirt's domain XML, as lint reads it; each disk with reservations is one command."""

from targets._lint import check_reports

SIZE_MAX = 500
_WORDS = (
    "<domain>|</domain>|<domain type='kvm'>|<disk |</disk>|type='block'|type='network'"
    "|device='disk'|device='lun'|<source |dev='/dev/sdb1'|</source>|<reservations managed='no'>"
    "|</reservations>"
    "|<source type='unix' path='/s' mode='client'/>|<target dev='a' bus='scsi'/>|<readonly/>"
    "|<address type='pci'/>|<driver name='qemu' type='raw'/>|<!--|-->|<?xml version='1.0'?>|&amp;"
    "|&lt;|&x;|<![CDATA[|]]>|<!DOCTYPE a [|<a xmlns:qemu='x'>|'|\"|>|/>|bus='virtio'|<serial>"
)
WORDS = _WORDS.encode().split(b"|")


def check(data: bytes) -> None:
    check_reports(data.decode(errors="surrogateescape"))
