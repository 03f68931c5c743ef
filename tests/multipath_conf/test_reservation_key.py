"""The values of reservation_key, and the keys of hosts."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qemu_pr.multipath_conf import prkeys
from qemu_pr.multipath_conf.errors import MultipathConfError
from qemu_pr.multipath_conf.reservation_key import NUMBER_MAX, ReservationKey, host_key

KEYS = st.just(ReservationKey(None)) | st.builds(
    ReservationKey, st.integers(0, 2**64 - 1), st.booleans()
)


@given(KEYS)
def test_what_is_written_is_read(key: ReservationKey) -> None:
    assert ReservationKey.parse(str(key)) == key


@given(st.text())
def test_any_text_is_a_key_or_refused(text: str) -> None:
    try:
        key = ReservationKey.parse(text).key
    except MultipathConfError:
        key = None

    assert key is None or 0 <= key < 2**64


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("0x123abc", ReservationKey(0x123ABC)),
        ("123abc", ReservationKey(0x123ABC)),
        ("10", ReservationKey(0x10)),
        ("0X10:aptpl", ReservationKey(0x10, aptpl=True)),
        ("0x10:other", ReservationKey(0x10)),
        ("file", ReservationKey(None)),
        ("0123456789abcdef0", ReservationKey(0x123456789ABCDEF0)),
    ],
)
def test_keys_are_hexadecimal(text: str, key: ReservationKey) -> None:
    assert ReservationKey.parse(text) == key


@pytest.mark.parametrize("text", ["", "0", "0x", "file:aptpl", "FILE", "0x1 ", "1" * 17, "-1"])
def test_what_multipath_refuses_is_refused(text: str) -> None:
    with pytest.raises(MultipathConfError, match="it is no key"):
        ReservationKey.parse(text)


def test_the_key_of_a_name_is_what_the_manual_says() -> None:
    digest = hashlib.sha256(b"node1.example.com").hexdigest()

    assert host_key("node1.example.com") == int(digest[:16], 16)
    assert host_key("Node1.Example.COM") == host_key("node1.example.com")


def test_the_key_of_a_number_shows_the_number() -> None:
    assert host_key("7") == host_key("007") == 0x71656D7570720007
    assert host_key(str(NUMBER_MAX)) == 0x71656D757072FFFF


NAMES = st.text("abcdefghijklmnopqrstuvwxyz.-äß", min_size=1) | st.sampled_from(["٣", "1a"])


@given(st.sets(st.integers(0, NUMBER_MAX).map(str) | NAMES))
def test_hosts_have_keys_of_their_own(hosts: set[str]) -> None:
    keys = {host_key(host) for host in hosts}

    assert len(keys) == len(hosts)
    assert all(0 < key < 2**64 for key in keys)


@pytest.mark.parametrize("host", ["65536", "123456", "9" * 5000, "", " "])
def test_a_host_without_a_key(host: str) -> None:
    with pytest.raises(MultipathConfError, match="host"):
        host_key(host)


def test_what_multipathd_remembers() -> None:
    text = (
        "# Multipath persistent reservation keys, Version : 1.0\n"
        "0x0000000000123abc 36001405aaaaaaaaa\n"
        "0X000000000000000a 36001405bbbbbbbbb\n"
        "#x000000000000000c 36001405ccccccccc\n"
        "garbage\n"
    )

    assert prkeys.parse(text) == {
        "36001405aaaaaaaaa": ReservationKey(0x123ABC),
        "36001405bbbbbbbbb": ReservationKey(0xA, aptpl=True),
    }
