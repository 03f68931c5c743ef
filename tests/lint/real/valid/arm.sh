qemu-system-aarch64 -M virt -cpu max -device virtio-scsi-device \
  -object pr-manager-helper,id=a,path=/run/pr.sock \
  -drive file=/dev/sdb,if=none,id=q,format=raw,file.pr-manager=a -device scsi-block,drive=q,share-rw=on
