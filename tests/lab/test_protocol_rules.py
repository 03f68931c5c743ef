"""What a client of the helper cannot do."""

import pytest

from lab_helper import Helper
from target import Host
from wire import (
    Client,
    parameter_list,
    persistent_reserve_in,
    persistent_reserve_out,
    registered_keys,
    status,
)

READ_KEYS = persistent_reserve_in(0)
REGISTER = persistent_reserve_out(0)


def test_a_client_with_the_disk_s_descriptor_registers(helper: Helper, hosts: list[Host]) -> None:
    with Client(helper.socket) as client:
        registered = client.command(hosts[1].disk, REGISTER, parameter_list(0, 0xA1))
        keys = client.command(hosts[2].disk, READ_KEYS)

    assert status(registered) == 0
    assert registered_keys(keys) == [0xA1]


@pytest.mark.parametrize(
    ("cdb", "data"), [(READ_KEYS, b""), (REGISTER, parameter_list(0, 0xA1))], ids=["in", "out"]
)
def test_a_client_without_a_descriptor_is_turned_away(
    helper: Helper, hosts: list[Host], cdb: bytes, data: bytes
) -> None:
    with Client(helper.socket) as client, pytest.raises((EOFError, ConnectionError)):
        client.command(None, cdb, data)

    with Client(helper.socket) as client:
        assert registered_keys(client.command(hosts[0].disk, READ_KEYS)) == []
