#!/bin/bash
# Two guests share a multipathed LUN.
mapper=${1:-/dev/mapper/mpatha}
systemctl start qemu-pr-helper
/usr/libexec/qemu-kvm \
    -name "node$idx" \
    -machine q35 \
    -cpu host,+kvm_pv_unhalt \
    -device pcie-root-port,id=pcie-root-port-3,slot=3,chassis=3,addr=0x3,bus=pcie.0 \
    -device virtio-scsi-pci,id=scsi0,bus=pcie-root-port-3,addr=0x0 \
    -device virtio-scsi-pci,id=scsi1,bus=pcie-root-port-4,addr=0x0 \
    \
    -blockdev driver=file,node-name=file_disk,cache.direct=off,filename=/home/images/node${idx}.qcow2 \
    -blockdev driver=qcow2,node-name=protocol_disk,file=file_disk \
    -device scsi-hd,drive=protocol_disk,bus=scsi0.0,id=os_disk,bootindex=1 \
    -object \
    pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock \
    -blockdev driver=raw,file.driver=host_device,cache.direct=off,file.filename=${mapper},node-name=drive2,file.pr-manager=helper0 \
    -device scsi-block,bus=scsi1.0,channel=0,scsi-id=0,lun=0,drive=drive2,id=scsi0-0-0-0,share-rw=on \
    \
    -smp $(nproc),maxcpus=24 \
    -m 8G -vnc :$idx \
    -monitor stdio "$@" 2>>/tmp/node$idx.log || exit 1
