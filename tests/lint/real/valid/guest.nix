{ config, ... }:
{
  virtualisation.qemu.options = [
    "-device virtio-scsi-pci,id=scsi0"
    "-object pr-manager-helper,id=pr0,path=/run/qemu-pr-helper.sock"
    "-blockdev driver=host_device,filename=/dev/sdb,node-name=q,pr-manager=pr0"
    "-device scsi-block,drive=q,bus=scsi0.0"
  ];
}
