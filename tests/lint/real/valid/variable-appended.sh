ARGS="-machine q35,accel=kvm -m 8G"
ARGS+=" -device virtio-scsi-pci,id=scsi0"
ARGS+=" -object pr-manager-helper,id=pr,path=/run/qemu-pr-helper.sock"
ARGS+=" -drive file=/dev/mapper/mpathb,if=none,format=raw,id=d1,file.pr-manager=pr"
ARGS+=" -device scsi-block,drive=d1,bus=scsi0.0"
sudo qemu-kvm ${ARGS} -nographic
