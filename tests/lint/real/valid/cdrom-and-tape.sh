#!/bin/sh
qemu-system-x86_64 -device virtio-scsi \
  -object pr-manager-helper,id=a,path=/run/pr.sock \
  -blockdev host_device,node-name=s,filename=/dev/sdb,pr-manager=a -device scsi-block,drive=s \
  -blockdev host_device,node-name=cd,filename=/dev/sr0,read-only=on -device scsi-block,drive=cd \
  -blockdev host_device,node-name=tape,filename=/dev/sg3 -device scsi-generic,drive=tape \
  -drive file=root.qcow2,if=virtio
