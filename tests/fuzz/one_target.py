"""Fuzz one target with atheris; `run.py` starts this, with libFuzzer's options behind the name."""

import sys

import atheris

name, *options = sys.argv[1:]

with atheris.instrument_imports(include=["qemu_pr"], enable_loader_override=False):
    import targets

    target = targets.load(name)

atheris.Setup([sys.argv[0], *options], target.check)
atheris.Fuzz()
