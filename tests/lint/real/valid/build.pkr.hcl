source "qemu" "node" {
  qemuargs = [
    ["-m", "2048"],
    ["-device", "virtio-scsi-pci,id=scsi0"],
    # shared with the other node
    ["-object", "pr-manager-helper,id=pr0,path=${var.socket}"],
    ["-drive", "file=${var.disk},if=none,id=q,format=raw,file.pr-manager=pr0"],
    ["-device", "scsi-block,drive=q,bus=scsi0.0"],
  ]
}
