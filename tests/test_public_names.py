"""``import qemu_pr`` gives the public names, and loads them when they are asked for."""

import subprocess
import sys

import pytest

import qemu_pr
from qemu_pr import public


@pytest.mark.parametrize("name", public.__all__)
def test_each_public_name_is_there_and_says_what_it_is(name: str) -> None:
    found = getattr(qemu_pr, name)

    assert found is getattr(public, name)
    assert isinstance(found, dict) or found.__doc__


def test_what_is_not_public_is_no_attribute() -> None:
    with pytest.raises(AttributeError):
        qemu_pr.nothing_of_that_name  # noqa: B018


def test_all_of_them_can_be_imported_at_once() -> None:
    names: dict[str, object] = {}

    exec("from qemu_pr import *", names)

    assert set(public.__all__) <= names.keys()


def test_the_package_alone_loads_none_of_them() -> None:
    probe = "import sys, qemu_pr; print(*(n for n in sys.modules if n.startswith('qemu_pr.')))"

    done = subprocess.run([sys.executable, "-I", "-c", probe], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("\n", "")
