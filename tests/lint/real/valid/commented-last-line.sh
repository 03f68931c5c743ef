#!/bin/sh
qemu-system-x86_64 \
    -device virtio-scsi \
    -object pr-manager-helper,id=h,path=/run/h.sock \
    -blockdev driver=host_device,filename=/dev/sdd,node-name=n,pr-manager=h \
    -device scsi-block,drive=n \
    #-display none \
    #-daemonize
