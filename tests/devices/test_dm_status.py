"""What is read out of a map's status; the lab has maps."""

import pytest

from qemu_pr.devices import dm_status

STATUS = b"2 0 0 0 1 1 E 0 2 2 8:48 %s 0 0 1 8:64 %s 0 0 1 "


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(b"A", b"A", True), (b"F", b"A", True), (b"F", b"F", False)],
)
def test_a_map_has_a_path_as_long_as_one_has_not_failed(monkeypatch, first, second, expected):
    monkeypatch.setattr(dm_status, "_status", lambda _: STATUS % (first, second))

    assert dm_status.has_active_path(0xFD00) == expected


def test_what_is_no_map_or_not_told_is_left_to_the_command(monkeypatch):
    monkeypatch.setattr(dm_status, "_CONTROL", "/dev/nosuch")

    assert dm_status.has_active_path(0xFD00)
    with pytest.raises(FileNotFoundError):
        dm_status.open_count(0xFD00)
