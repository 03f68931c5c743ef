"""Does a disk keep persistent reservations as SPC-4 says, through two I_T nexuses?

A **check** is a sequence of commands: who sends what (`checks`). It is sent to the disk, step by
step, through two **ways** (`ways`), and to a logical unit of `qemu_pr.logical_unit` that is nobody
else's (`oracle`): what that one answers is right. A difference ends the check (`examination`), and
what it left on the disk is taken away (`cleaning`), as every key can be told from others (`keys`).
**Profiles** say which checks a user of reservations depends on (`profiles`).
"""
