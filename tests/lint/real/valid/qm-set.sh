#!/bin/bash
for id in 101 102; do
    qm set $id --args '-object pr-manager-helper,id=pr0,path=/run/qemu-pr-helper.sock -drive file=/dev/mapper/mpatha,if=none,id=d0,format=raw,file.locking=off,file.pr-manager=pr0 -device virtio-scsi-pci,id=prs,bus=pci.0,addr=0x1b -device scsi-block,bus=prs.0,drive=d0'
done
