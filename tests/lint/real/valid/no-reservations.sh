#!/bin/sh
# Nothing here has to do with reservations.
qemu-system-x86_64 -m 2G -drive file=disk.img,format=raw,readonly
    -device scsi-block,drive=cd
kvm -hda image.qcow2 \
    -drive if=none,id=tape,file=/dev/sg3,format=raw \
    -device scsi-generic,drive=tape
qemu-system-aarch64 -M virt \
    -blockdev node-name=cd,driver=host_device,filename=/dev/sr0,read-only=on \
    -device virtio-scsi -device scsi-block,drive=cd
