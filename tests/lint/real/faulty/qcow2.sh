qemu-system-x86_64 -device virtio-scsi -object pr-manager-helper,id=h,path=/run/h.sock \
  -drive if=none,id=q,file=/dev/sdb,format=qcow2,file.pr-manager=h -device scsi-block,drive=q
