#!/bin/bash
OPTS=(-m 1G -device virtio-scsi)
if [ -S "$PR_SOCKET" ]; then
    OPTS+=(-object pr-manager-helper,id=pr0,path="$PR_SOCKET")
    OPTS+=(-blockdev driver=host_device,filename="$1",node-name=hd,pr-manager=pr0)
else
    OPTS+=(-blockdev driver=host_device,filename="$1",node-name=hd)
fi
OPTS+=(-device scsi-block,drive=hd)
qemu-system-x86_64 "${OPTS[@]}"
