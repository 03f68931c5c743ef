qemu-system-x86_64 -device virtio-scsi -object pr-manager-helper,id=a,path=/run/pr.sock \
  -drive if=none,id=g,file=/dev/sg2,format=raw,file.pr-manager=a -device scsi-generic,drive=g
