# QEMU reaches this LUN itself, and sends reservations itself; the manager is for others.
qemu-kvm -machine q35 \
  -device virtio-scsi-pci,id=scsi1 \
  -object pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock \
    -drive file=iscsi://192.0.2.5:3260/iqn.2016-06.org.example:5g/0,if=none,format=raw,cache=none,id=d1 \
    -device scsi-block,bus=scsi1.0,id=data1,drive=d1
