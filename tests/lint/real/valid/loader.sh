#!/bin/bash

set -x
cd /usr/local/bin
./loader \
	-cpu host \
	-nodefaults \
        -device virtio-scsi \
        -object pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock \
        -blockdev node-name=hd,driver=raw,file.driver=host_device,file.filename=/dev/sdb,file.pr-manager=helper0 \
        -device scsi-block,drive=hd \
	-hda /disk/disk.img
