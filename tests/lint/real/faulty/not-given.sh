#!/bin/sh
disk=/dev/sdb
exec qemu-system-x86_64 -nodefaults -display none \
    -device virtio-scsi \
    -object pr-manager-helper,id=h,path=/run/h.sock \
    -blockdev driver=raw,node-name=q,file.driver=host_device,file.filename=/dev/sdb,file.pr-manager=h \
    -monitor stdio
