#!/bin/sh
case $1 in
blockdev)
    DISK="-blockdev driver=host_device,filename=/dev/sdb,node-name=hd,pr-manager=helper0"
    ;;
drive)
    DISK="-drive if=none,id=hd,file=/dev/sdb,format=raw,file.pr-manager=helper0"
    ;;
esac
qemu-system-x86_64 -device virtio-scsi -object pr-manager-helper,id=helper0,path=/run/pr.sock $DISK -device scsi-block,drive=hd
