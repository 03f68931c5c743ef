"""Finds what keeps reservations from working in QEMU command lines, and corrects it.

`readers` find the command lines in a text, `faults` look at one command line each, and `check`
brings them together. Only command lines that name a reservation manager are looked at, and those
that pass a disk through without one: all others have nothing to do with reservations.
"""
