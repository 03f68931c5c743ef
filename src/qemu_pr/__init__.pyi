from qemu_pr.public import *  # noqa: F403

__version__: str
