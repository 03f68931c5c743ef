"""Keys on a disk before anything is registered: others' keep it from being examined, ours go."""

from collections.abc import Callable
from dataclasses import dataclass

from qemu_pr.cli.validate.opening import Opened
from qemu_pr.validate.cleaning import clean
from qemu_pr.validate.commands import read_keys
from qemu_pr.validate.keys import Keys, RunRecord, is_marked, records, run_of
from qemu_pr.validate.preconditions import RefusedError
from qemu_pr.validate.steps import Who
from qemu_pr.validate.ways import LostError

Confirm = Callable[[str], bool]
"""Asks the operator a question, and tells whether the answer is yes."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What the operator lets it remove.

    Attributes:
        foreign_runs: Also keys of runs that nothing here tells of.
        confirm: Asks.
    """

    foreign_runs: bool
    confirm: Confirm


def remove(opened: Opened, consent: Consent) -> None:
    """Remove what earlier runs left, if the operator agrees, and see that nobody is registered.

    Raises:
        RefusedError: Somebody is.
        LostError: The disk does not answer.
    """
    known = {record.keys.run: record for record in records()}
    keys = {key for way in opened.ways.values() for key in read_keys(way)}
    marked = {run_of(key) for key in keys if is_marked(key)}
    for run in marked:
        _check_run(opened, run, known.get(run), consent)
    if marked:
        _remove(opened, sorted(marked), keys, consent)
    for run, record in known.items():
        if run in marked or record.disk in (opened.name, ""):
            record.forget()
    others = sorted(key for key in keys if not is_marked(key))
    if others and not consent.foreign_runs:
        what = f"the key {others[0]:#x} is registered"
        if len(others) > 1:
            what = f"{len(others)} keys are registered, among them {others[0]:#x}"
        raise RefusedError(
            opened.disk,
            what,
            "end what uses the disk, and have it unregister: qemu-pr status tells which host it is",
        )


def _check_run(opened: Opened, run: int, record: RunRecord | None, consent: Consent) -> None:
    if record is not None and record.is_running:
        why = "another qemu-pr validate examines it"
        raise RefusedError(opened.disk, why, "wait until it ends")
    if record is None and not consent.foreign_runs:
        why = f"it has a key of a qemu-pr validate on another host, {Keys(run)[1]:#x} or the like"
        advice = "let that one end, or if it was killed: qemu-pr validate --clean, there or here"
        raise RefusedError(opened.disk, why, advice)


def _remove(opened: Opened, runs: list[int], keys: set[int], consent: Consent) -> None:
    names = ", ".join(f"{key:#x}" for key in sorted(keys) if is_marked(key))
    question = f"{opened.disk}: an earlier qemu-pr validate left the keys {names}. Remove them?"
    if not consent.confirm(question):
        raise RefusedError(opened.disk, "keys of an earlier run are registered", "remove them")
    left = clean(tuple(opened.ways.values()), [Keys(run) for run in runs])
    if left:
        told = ", ".join(map(hex, sorted(left)))
        whose = "" if Who.PEER in opened.ways else "; they may be PEER's: name it with --peer"
        raise LostError(f"{opened.disk}: the keys {told} cannot be removed this way{whose}")
