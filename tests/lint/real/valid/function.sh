start_guest() {
    local disk=$1 sock=$2
    qemu-system-x86_64 -display none -daemonize \
        -device virtio-scsi-pci,id=s0 \
        -object pr-manager-helper,id=pm,path="$sock" \
        -blockdev "driver=raw,node-name=d,file.driver=host_device,file.filename=$disk,file.pr-manager=pm" \
        -device scsi-block,bus=s0.0,drive=d
}
# start_guest /dev/sdb1 relative.sock
