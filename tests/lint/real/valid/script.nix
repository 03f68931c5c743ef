pkgs.writeShellScript "guest" ''
  exec ${pkgs.qemu}/bin/qemu-system-x86_64 \
    -device virtio-scsi \
    -object pr-manager-helper,id=pr0,path=/run/pr.sock \
    -blockdev driver=host_device,filename=/dev/sdb,node-name=q,pr-manager=pr0 \
    -device scsi-block,drive=q
''
