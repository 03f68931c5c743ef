#!/bin/sh -e
: "${DISK:?}" "${SOCKET:=/run/qemu-pr-helper.sock}"
exec qemu-system-x86_64 $BASE_OPTS \
    -object pr-manager-helper,id=${ID},path=${SOCKET} \
    -drive file=${DISK},if=none,id=pr-disk,format=raw,file.pr-manager=$ID \
    -device scsi-block,drive=pr-disk $EXTRA_OPTS "$@"
