#!/bin/sh
common="-nodefaults -device virtio-scsi -object pr-manager-helper,id=a,path=/run/pr.sock"
disk="-drive file=/dev/sdb,if=none,id=q,format=raw,file.locking=off,file.pr-manager=a -device scsi-block,drive=q,share-rw=on"
qemu-system-x86_64 -name one $common $disk -daemonize
qemu-system-x86_64 -name two $common $disk -daemonize
