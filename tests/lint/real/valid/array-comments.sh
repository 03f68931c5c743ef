#!/bin/bash
set -eu
socket=/run/pr/helper.sock
args=(
    -name node1
    -m 4G
    # the controller that the shared disk hangs on
    -device virtio-scsi-pci,id=shared
    -object pr-manager-helper,id=pr0,path="$socket"
    -blockdev driver=host_device,node-name=quorum,filename=/dev/mapper/quorum,pr-manager=pr0
    # -device virtio-blk-pci,drive=quorum
    -device scsi-block,drive=quorum,bus=shared.0
)
exec qemu-system-x86_64 "${args[@]}"
