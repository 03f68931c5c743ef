cat >/usr/local/bin/guest <<'END'
#!/bin/sh
exec qemu-system-x86_64 -device virtio-scsi \
    -object pr-manager-helper,id=a,path=/run/pr.sock \
    -drive file=/dev/sdb,if=none,id=q,format=raw,file.pr-manager=a \
    -device scsi-block,drive=q "$@"
END
chmod +x /usr/local/bin/guest
