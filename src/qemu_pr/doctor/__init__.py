"""Examines a host that runs QEMU guests with reservations, and changes nothing on it.

`host` is what there is to look at, `checks` is the table of what is looked for; each module beside
holds the checks of one group.
"""
