"""QEMU command lines that wire disks to a persistent reservation helper: the model and its texts.

`model.ReservedDisks` is what every rendering starts from; `syntaxes` has QEMU's notations for it,
`formats` the texts that carry the result. `qemu_pr.lint.parse` reads it back.
"""
