export QEMU_OPTS="-nodefaults \
    -device virtio-scsi \
    -object pr-manager-helper,id=helper0,path=/run/pr.sock \
    -blockdev driver=host_device,filename=/dev/sdb,node-name=hd,pr-manager=helper0 \
    -device scsi-block,drive=hd"
