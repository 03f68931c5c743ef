#!/bin/bash
DRIVES=(-blockdev node-name=q,driver=host_device,filename=/dev/disk/by-id/wwn-0x5000c500a1b2c3d4,pr-manager=m)
DEVICES=(-device virtio-scsi -device scsi-block,drive=q)
exec /usr/bin/qemu-system-x86_64 -nodefaults -object pr-manager-helper,id=m,path=/run/m.sock "${DRIVES[@]}" "${DEVICES[@]}"
