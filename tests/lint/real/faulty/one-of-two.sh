qemu-kvm -device virtio-scsi -object pr-manager-helper,id=h,path=/run/h.sock \
  -drive file=/dev/sdb,if=none,id=a,format=raw,file.pr-manager=h -device scsi-block,drive=a \
  -drive file=/dev/sdc,if=none,id=b,format=raw -device scsi-block,drive=b
