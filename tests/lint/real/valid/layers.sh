# Three nodes, one on the other, and a name for the drive that differs from the node's.
qemu-system-x86_64 -device virtio-scsi -object pr-manager-helper,id=a,path=/run/pr.sock \
  -blockdev host_device,node-name=s,filename=/dev/sdb,pr-manager=a \
  -blockdev raw,node-name=r,file=s \
  -blockdev raw,node-name=t,file=r,offset=0 \
  -device scsi-block,drive=t
