"""The audit log: one line for each PERSISTENT RESERVE OUT, written before its reply is sent.

`trail` is the side of the process that serves clients: it tells what happened, byte for byte. The
other modules belong to the process that writes it down, which has no privileges.
"""
