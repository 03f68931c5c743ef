#!/bin/sh
# Starts the helper. KubeVirt starts this file by its name, and hands it the helper's options.

# The socket's user and group may connect, and nobody else.
umask 007

# KubeVirt puts the socket of the node's multipathd here. It may come later, or anew.
socket=/var/run/kubevirt/daemons/pr/multipathd.socket
if [ -d "${socket%/*}" ]; then
    ln -sf "$socket" /run/multipathd.socket
    # multipath-tools before 0.12 know multipathd by a name in their network namespace only.
    relay=/usr/libexec/qemu-pr/multipathd-relay
    if [ -x "$relay" ]; then
        "$relay" @/org/kernel/linux/storage/multipathd /run/multipathd.socket &
    fi
fi

exec /usr/bin/qemu-pr-helper "$@"
