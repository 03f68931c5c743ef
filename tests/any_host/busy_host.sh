#!/bin/sh
# Makes this mount namespace's host one that has what can disturb: libvirt with a domain, units of the
# helper, a multipath map of /dev/sdb, a helper on the default socket, a guest that uses it. Then runs
# a command:  busy_host.sh DIRECTORY PROGRAMS COMMAND...
set -eu
directory=$1 programs=$2
shift 2

mkdir -p "$directory/etc/libvirt/qemu" "$directory/system" "$directory/sys" "$directory/dev"
cp -a /etc/. "$directory/etc/" 2>/dev/null || :
echo 'pr_helper = "/nosuch/qemu-pr-helper"' >"$directory/etc/libvirt/qemu.conf"
cat >"$directory/etc/libvirt/qemu/alice.xml" <<XML
<domain type='kvm'><name>alice</name><devices><disk type='block' device='disk'>
<source dev='/dev/sdb'><reservations managed='yes'/></source><target dev='vda' bus='virtio'/>
</disk></devices></domain>
XML
mkdir -p "$directory/etc/systemd/system"
mount --bind "$directory/etc" /etc
"$programs/qemu-pr" units --output /etc/systemd/system >/dev/null 2>&1

mount -t tmpfs tmpfs /run
[ -L /var/run ] || mount -t tmpfs tmpfs /var/run

sys=$directory/sys
mkdir -p "$sys/block/dm-0/dm" "$sys/dev/block" "$sys/devices/sdb/holders/dm-0"
ln -s ../../../../block/dm-0/dm "$sys/devices/sdb/holders/dm-0/dm"
ln -s ../../devices/sdb "$sys/dev/block/8:16"
ln -s ../../block/dm-0 "$sys/dev/block/253:0"
echo mpatha >"$sys/block/dm-0/dm/name"
echo mpath-3600140500000000a0000000000000001 >"$sys/block/dm-0/dm/uuid"
echo 0 >"$sys/block/dm-0/ro"
echo 0 >"$sys/devices/sdb/ro"
mount --bind "$sys" /sys

mount -t tmpfs tmpfs "$directory/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$directory/dev/"
cp -a /dev/fd /dev/stdin /dev/stdout /dev/stderr "$directory/dev/"
mkdir "$directory/dev/mapper" "$directory/dev/shm" "$directory/dev/pts"
mknod "$directory/dev/dm-0" b 253 0
ln -s ../dm-0 "$directory/dev/mapper/mpatha"
for name in sda sdb sdc; do
    mknod "$directory/dev/$name" b 8 16
done
mount --move "$directory/dev" /dev 2>/dev/null || mount --rbind "$directory/dev" /dev

"$programs/qemu-pr-helper" --daemon
if command -v qemu-system-x86_64 >/dev/null; then
    qemu-system-x86_64 -S -display none -nodefaults -machine none -name bob -daemonize \
        -object pr-manager-helper,id=helper0,path=/var/run/qemu-pr-helper.sock
fi

exec "$@"
