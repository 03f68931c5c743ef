#!/bin/sh
# Runs in the virtual machine, as its only program: inside.sh OUTPUT SECONDS KERNEL COMMAND...
# The exit status of the command goes to OUTPUT/exit-status; then the machine is off.

echo "lab: the machine is up"
output=$1 seconds=$2 kernel=$3
shift 3

leave() { # a disk that hangs keeps the machine from every gentler way
    dmesg >"$output/dmesg.log"
    sync -f "$output"
    echo b >/proc/sysrq-trigger
}

# Should the host's side be killed, this ends the machine.
(sleep "$seconds"; leave) &

# udevd reads a disk whenever somebody closes it, and takes unit attentions meant for a test.
udevadm control --exit
# A host of a test has libvirt if the test says so: doctor looks whether it has.
rm -f /etc/libvirt/qemu.conf
mkdir -p /etc/target/pr /var/target/pr # without them REGISTER ends with 02/08/00
modprobe -a target_core_file tcm_loop sd_mod sg kvm_amd
mount -t configfs configfs /sys/kernel/config

# The same root file system once more, but cached: Python is ten times as fast on it.
root=/run/host
mkdir $root /run/tmp-lab
mount -t 9p -o ro,trans=virtio,version=9p2000.L,access=any,cache=loose,msize=512000 lab $root
for directory in dev proc sys run etc var; do
    mount --rbind /$directory $root/$directory
done
mount --bind "$output" "$root$output"

cp "$kernel" /run/kernel # for guests

echo "lab: starting the tests"
TMPDIR=/run/tmp-lab PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    QEMU_PR_LAB_OUTPUT=$output PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 \
    chroot $root env -C "$PWD" "$@"
echo $? >"$output/exit-status"
leave
