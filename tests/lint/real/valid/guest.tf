resource "proxmox_virtual_environment_vm" "sql" {
  name           = "sql-a"
  kvm_arguments  = "-object pr-manager-helper,id=pr0,path=/run/qemu-pr-helper.sock -drive file=/dev/mapper/mpatha,if=none,id=d0,format=raw,file.locking=off,file.pr-manager=pr0 -device virtio-scsi-pci,id=s,bus=pci.0,addr=0x1b -device scsi-block,bus=s.0,drive=d0"
}
