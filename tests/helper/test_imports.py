"""The process with privileges is what an auditor can read, and no more than that."""

import functools
import os
import sys

import pytest

from qemu_pr.manual.privileged_modules import (
    CONFIGURATIONS,
    foreign_lines,
    loaded,
    own_lines,
    reasons,
)

MOST_LINES = {"no option": 1500, "``--audit --metrics``": 2200}
NEEDS_NO_PRIVILEGE = "``--simulate``, which needs no privilege"
PRIVILEGED = [name for name in CONFIGURATIONS if name != NEEDS_NO_PRIVILEGE]


@functools.cache
def loaded_with(configuration):
    """A helper is started once for each configuration."""
    return loaded(CONFIGURATIONS[configuration])


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
def test_only_the_standard_library_and_this_package_are_loaded(configuration):
    modules = loaded_with(configuration)

    assert "qemu_pr.devices.sg_io" in modules
    foreign = {name.partition(".")[0] for name in modules} - {"qemu_pr", *sys.stdlib_module_names}
    assert foreign == set()


@pytest.mark.parametrize("configuration", PRIVILEGED)
def test_each_module_of_the_standard_library_has_its_reason(configuration):
    assert foreign_lines(loaded_with(configuration)).keys() <= reasons().keys()


@pytest.mark.parametrize("configuration", MOST_LINES)
def test_there_is_no_more_to_read_than_the_manual_promises(configuration):
    assert own_lines(loaded_with(configuration)) <= MOST_LINES[configuration]


@pytest.mark.parametrize("configuration", PRIVILEGED)
def test_what_describes_and_what_simulates_is_not_loaded(configuration):
    modules = loaded_with(configuration)

    assert not modules.keys() & ({"json", "dataclasses", "sqlite3", "typing"} - reasons().keys())
    assert not modules.keys() & {
        "qemu_pr.devices.multipath",
        "qemu_pr.devices.simulated",
        "qemu_pr.helper.audit.record",
        "qemu_pr.helper.metrics",
        "qemu_pr.logical_unit",
        "qemu_pr.scsi.names",
        "qemu_pr.scsi.sense_codes",
    }


def test_what_is_measured_leaves_nothing_behind():
    before = os.listdir("/proc/self/fd")

    loaded("")

    assert os.listdir("/proc/self/fd") == before
