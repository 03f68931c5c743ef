#!/bin/bash
ARGS=(-nodefaults -device virtio-scsi)
ARGS+=(-object pr-manager-helper,id=helper,path=/run/h.sock)
ARGS+=(
    -drive file=/dev/sdc2,if=none,id=q,format=raw,pr-manager=helper
    -device scsi-hd,drive=q
)
qemu-system-x86_64 "${ARGS[@]}"
