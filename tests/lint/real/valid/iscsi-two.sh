qemu-system-x86_64 -device virtio-scsi-pci \
  -blockdev driver=iscsi,node-name=i,transport=tcp,portal=192.0.2.7,target=iqn.2020-01.example:t,lun=1 \
  -device scsi-block,drive=i
