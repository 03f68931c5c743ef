"""QEMU command lines that wire disks to a persistent reservation helper, written and read back.

`model.ReservedDisks` is what every rendering starts from and what `parser.parse` gives back;
`syntaxes` has QEMU's notations for it, `formats` the texts that carry the result.
"""
