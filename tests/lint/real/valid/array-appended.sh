#!/bin/bash
qemu=(qemu-system-x86_64 -enable-kvm -m 2G)
qemu+=(-device virtio-scsi-pci,id=scsi0)
qemu+=(-object pr-manager-helper,id=pr0,path=/run/pr.sock)
qemu+=(-drive if=none,id=lun1,file=/dev/sdc,format=raw,file.pr-manager=pr0)
qemu+=(-device scsi-block,drive=lun1,bus=scsi0.0)
"${qemu[@]}"
