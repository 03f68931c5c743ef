#!/usr/bin/perl
use strict;
my ($vmid, $phase) = @ARGV;
if ($phase eq 'pre-start') {
    my $args = "-object pr-manager-helper,id=pr0,path=/run/qemu-pr-helper.sock"
        . " -drive file=$disk,if=none,id=d0,format=raw,file.locking=off,file.pr-manager=pr0"
        . " -device virtio-scsi-pci,id=s0 -device scsi-block,bus=s0.0,drive=d0";
    system('qm', 'set', $vmid, '--args', $args);
}
