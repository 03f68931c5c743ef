{
  virtualisation.qemu.options = [
    "-device virtio-scsi"
    "-object pr-manager-helper,id=h,path=/run/h.sock"
    "-blockdev driver=host_device,filename=/dev/sdb1,node-name=q,pr-manager=helper"
    "-device scsi-block,drive=q"
  ];
}
