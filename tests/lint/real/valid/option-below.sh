mapper=$(multipath -ll | awk '/mpath/{print "/dev/mapper/"$1; exit}')
start_node() {
  local idx=$1
  /usr/libexec/qemu-kvm \
    -name node${idx} \
    -device virtio-scsi-pci,id=scsi1,bus=pcie-root-port-4,addr=0x0 \
    -object \
    pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock \
    -blockdev driver=raw,file.driver=host_device,cache.direct=off,file.filename=${mapper},node-name=drive2,file.pr-manager=helper0 \
    -device scsi-block,bus=scsi1.0,drive=drive2,id=scsi0-0-0-0,share-rw=on,bootindex=2 \
    -device \
    virtio-net-pci,mac=${mac},id=net0,netdev=nd0 \
    -netdev tap,id=nd0 &
}
