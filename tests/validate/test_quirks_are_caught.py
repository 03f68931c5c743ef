"""Each quirk is caught by the check that names it, and by none that has nothing to do with it."""

import pytest

from qemu_pr.devices.quirks import QUIRKS
from qemu_pr.scsi.commands import ReservationType
from qemu_pr.validate.checks import CHECKS
from qemu_pr.validate.profiles import PROFILES

PREEMPTING = {
    "preempt-holder",
    "preempt-registrant",
    "preempt-and-abort",
    "windows-arbitration",
    "fence-scsi",
    "fence-mpath",
    "migrate-pr-1",
    "migrate-pr-3",
    "migrate-pr-5",
}
ENFORCING = {
    f"reads-writes-{type_.value}{end}" for type_ in ReservationType for end in ("", "-peer")
}

# By quirk: the check that names it, and those whose sequence meets it as well.
CATCHES = {
    "ignore-replaces": ("register-and-ignore", {"windows-arbitration", "fence-scsi"}),
    "forgets-at-reset": ("reset", set()),
    "no-attention": ("attention-preempt", set()),
    "preempt-keeps": ("preempt-registrant", PREEMPTING),
    "one-initiator": ("two-nexuses", set()),
    "other-disk": ("same-disk", set()),
    "not-ready": ("register", set()),
    "no-enforcement": ("reads-writes-5", ENFORCING),
}
VERDICTS = {
    # windows, pacemaker, live-migration
    "ignore-replaces": ("does not work", "does not work", "works"),
    "forgets-at-reset": ("works but", "works but", "works"),
    "no-attention": ("works but", "works but", "works"),
    "preempt-keeps": ("does not work", "does not work", "does not work"),
    "one-initiator": ("does not work", "does not work", "does not work"),
    "other-disk": ("does not work", "does not work", "does not work"),
    "not-ready": ("does not work", "does not work", "does not work"),
    "no-enforcement": ("does not work", "does not work", "does not work"),
}


def test_a_disk_that_keeps_to_the_standard_conforms(validate):
    done = validate("--json")

    assert done.named("deviates") == set()
    assert done.named("left out") == {"every-path"}
    assert {one["verdict"] for one in done.certificate["verdicts"]} == {"works"}
    assert done.status == 0


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_is_caught_by_the_check_that_names_it(validate, quirk):
    names_it, meet_it = CATCHES[quirk]

    done = validate("--json", "--quirk", quirk)

    assert done.named("deviates") == {names_it} | meet_it
    assert done.status == 1
    told = {one["profile"]: one["verdict"] for one in done.certificate["verdicts"]}
    assert tuple(told.values()) == VERDICTS[quirk]


@pytest.mark.parametrize("quirk", QUIRKS)
def test_a_quirk_leaves_no_key_behind(validate, quirk):
    validate("--json", "--quirk", quirk)

    assert validate("--json").named("deviates") == set()


def test_every_check_has_a_name_of_its_own():
    names = [check.name for check in CHECKS]
    names += [check.name for profile in PROFILES for check in profile.sequences]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_a_profile_runs_what_it_depends_on(validate, profile):
    done = validate("--json", "--profile", profile.name)

    run = {check["check"] for check in done.certificate["checks"]}
    assert {*profile.required, *profile.wants} <= run
    [verdict] = done.certificate["verdicts"]
    assert (verdict["profile"], verdict["verdict"]) == (profile.name, "works")
