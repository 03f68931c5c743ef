qemu-system-x86_64 -device virtio-scsi \
  -object pr-manager-helper,id=a,path=/run/pr.sock \
  -blockdev '{
    "driver": "raw", "node-name": "q",
    "file": {"driver": "host_device", "filename": "/dev/sdb", "pr-manager": "a"}
  }' \
  -device scsi-block,drive=q
