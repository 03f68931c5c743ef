  qemuargs = [
    ["-device", "virtio-scsi"],
    ["-object", "pr-manager-helper,id=h,path=/run/h.sock"],
    ["-drive", "file=/dev/sdb,if=none,id=q,format=raw,pr-manager=h"],
    ["-device", "scsi-block,drive=q"],
  ]
