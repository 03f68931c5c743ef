#!/bin/sh
#qemu-system-x86_64 -drive file=/dev/sdb1,if=virtio,pr-manager=h
#  -object pr-manager-helper,id=h,path=h.sock
# qemu-system-x86_64 -device scsi-hd,drive=x -drive file=/dev/sdb,id=x,if=none,file.pr-manager=h
qemu-system-x86_64 -device virtio-scsi -object pr-manager-helper,id=h,path=/run/h.sock -drive file=/dev/sdb,if=none,id=x,format=raw,file.pr-manager=h -device scsi-block,drive=x
