#!/bin/sh
# The guest sees the disk, and cannot reserve it: nothing hands reservations on.
qemu-system-x86_64 -m 2G \
    -device virtio-scsi-pci,id=s0 \
    -blockdev driver=host_device,filename=/dev/mapper/mpathb,node-name=shared \
    -device scsi-block,drive=shared,bus=s0.0,share-rw=on
