qemu-system-x86_64 -device virtio-scsi -object '{"qom-type":"pr-manager-helper","id":"a","path":"/run/pr.sock"}' \
  -blockdev '{"driver":"host_device","filename":"/dev/sdb","node-name":"q","pr-manager":"a"}' \
  -device '{"driver":"scsi-block","drive":"q"}'
