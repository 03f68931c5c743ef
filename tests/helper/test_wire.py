"""What a client meets at the socket: FACTS of QEMU's helper, asked of both."""

import os
import re
import socket
import subprocess

import pytest

from helper_process import C_HELPER, CHECK_CONDITION, Client, cdb

IN = cdb(0x5E, 8192)
OUT = cdb(0x5F, 24)
IO_PROCESS_TERMINATED = (0x0B, 0x00, 0x06)
INVALID_OPERATION_CODE = (0x05, 0x20, 0x00)
INVALID_FIELD_IN_CDB = (0x05, 0x24, 0x00)


@pytest.fixture
def path(shared_helper):
    return shared_helper


@pytest.fixture
def client(path):
    with Client(path) as connection:
        yield connection


def test_the_helper_greets_with_four_zero_bytes(path):
    with Client(path, greet=False) as client:
        assert client.read(4) == bytes(4)


@pytest.mark.parametrize("answer", ["00000001", "80000000", "00010000"])
def test_a_bit_set_in_the_clients_handshake_closes(path, answer):
    with Client(path, greet=False) as client:
        client.read(4)
        client.send(bytes.fromhex(answer))

        assert client.is_closed()


def test_a_reply_has_zero_padded_sense_of_96_bytes(client, regular):
    client.send(IN, regular)

    reply = client.read(104)

    assert reply[:8] == bytes((0, 0, 0, 2, 0, 0, 0, 0))
    assert reply[8:26] == bytes((0x70, 0, 0x0B, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0x06, 0, 0, 0, 0))
    assert reply[26:] == bytes(78)


def test_commands_are_answered_one_after_the_other(client, regular):
    replies = [client.command(IN, regular) for _ in range(5)]
    replies += [client.command(OUT, regular, bytes(24)) for _ in range(5)]

    assert {reply.sense_codes for reply in replies} == {IO_PROCESS_TERMINATED}


@pytest.mark.parametrize("split", [1, 8, 15])
def test_a_cdb_in_two_pieces_with_the_descriptor_first_is_served(client, regular, split):
    client.send(IN[:split], regular)
    client.send(IN[split:])

    assert client.reply().sense_codes == IO_PROCESS_TERMINATED


@pytest.mark.parametrize("split", [1, 8, 15])
def test_a_cdb_in_two_pieces_with_the_descriptor_last_is_served(client, regular, split):
    client.send(IN[:split])
    client.send(IN[split:], regular)

    assert client.reply().sense_codes == IO_PROCESS_TERMINATED


def test_a_parameter_list_sent_with_its_cdb_is_served(client, regular):
    client.send(OUT + bytes(24), regular)

    assert client.reply().sense_codes == IO_PROCESS_TERMINATED


def test_a_parameter_list_in_pieces_is_served(client, regular):
    client.send(OUT, regular)
    for _ in range(24):
        client.send(b"\0")

    assert client.reply().sense_codes == IO_PROCESS_TERMINATED


def test_a_descriptor_in_both_pieces_closes(client, regular):
    client.send(IN[:8], regular)
    client.send(IN[8:], regular)

    assert client.is_closed()


@pytest.mark.parametrize("count", [2, 3, 16, 253])
def test_several_descriptors_close(client, regular, count):
    client.send(IN, *[regular] * count)

    assert client.is_closed()


def test_no_descriptor_closes(client):
    client.send(IN)

    assert client.is_closed()


def test_the_descriptor_of_the_last_command_is_gone(client, regular):
    client.command(IN, regular)

    client.send(IN)

    assert client.is_closed()


@pytest.mark.parametrize("opcode", [0x00, 0x12, 0x25, 0x5D, 0x60, 0xA0, 0xFF])
def test_another_operation_code_closes(client, regular, opcode):
    client.send(cdb(opcode), regular)

    assert client.is_closed()


@pytest.mark.parametrize("size", [8193, 65535])
@pytest.mark.parametrize("opcode", [0x5E, 0x5F])
def test_a_length_over_8192_closes(client, regular, opcode, size):
    client.send(cdb(opcode, size), regular)

    assert client.is_closed()


@pytest.mark.parametrize("size", [0, 1, 8, 8192])
def test_every_allocation_length_up_to_8192_reaches_the_device(client, regular, size):
    assert client.command(cdb(0x5E, size), regular).sense_codes == IO_PROCESS_TERMINATED


@pytest.mark.parametrize("size", [0, 1, 23, 24, 8192])
def test_every_parameter_list_length_up_to_8192_reaches_the_device(client, regular, size):
    reply = client.command(cdb(0x5F, size), regular, bytes(size))

    assert reply.sense_codes == IO_PROCESS_TERMINATED


def test_a_descriptor_with_the_handshake_is_dropped(path, regular):
    with Client(path, greet=False) as client:
        client.read(4)
        client.send(bytes(4), regular)
        client.send(IN)

        assert client.is_closed()


def test_a_descriptor_with_the_parameter_list_is_dropped(client, regular):
    client.send(OUT, regular)
    client.send(bytes(24), regular, regular)

    assert client.reply().sense_codes == IO_PROCESS_TERMINATED
    client.send(IN)
    assert client.is_closed()


def test_a_piece_of_a_parameter_list_that_looks_like_a_command_is_none(client, regular):
    read_only = os.open(f"/proc/self/fd/{regular}", os.O_RDONLY)

    client.send(OUT, read_only)
    client.send(IN, regular)
    client.send(bytes(24 - len(IN)))

    os.close(read_only)
    assert client.reply().sense_codes == INVALID_OPERATION_CODE


def test_persistent_reserve_out_on_a_read_only_descriptor_is_an_invalid_operation_code(
    client, regular
):
    read_only = os.open(f"/proc/self/fd/{regular}", os.O_RDONLY)

    reply = client.command(OUT, read_only, bytes(24))
    passed_on = client.command(IN, read_only)

    os.close(read_only)
    assert (reply.status, reply.sense_codes) == (CHECK_CONDITION, INVALID_OPERATION_CODE)
    assert passed_on.sense_codes == IO_PROCESS_TERMINATED


@pytest.mark.parametrize("opcode", [0x5E, 0x5F])
def test_dev_null_ends_with_io_process_terminated(client, opcode):
    null = os.open("/dev/null", os.O_RDWR)

    reply = client.command(cdb(opcode), null)

    os.close(null)
    assert (reply.status, reply.sense_codes) == (CHECK_CONDITION, IO_PROCESS_TERMINATED)


def test_a_socket_ends_with_io_process_terminated(client):
    ours, theirs = socket.socketpair()

    with ours, theirs:
        reply = client.command(OUT, ours.fileno(), bytes(24))

    assert (reply.status, reply.sense_codes) == (CHECK_CONDITION, IO_PROCESS_TERMINATED)


def test_a_descriptor_of_the_connection_itself_ends_with_io_process_terminated(client):
    reply = client.command(IN, client.socket.fileno())

    assert (reply.status, reply.sense_codes) == (CHECK_CONDITION, IO_PROCESS_TERMINATED)


def test_an_o_path_descriptor_ends_with_io_process_terminated(client, command, folder):
    fd = os.open(folder, os.O_PATH)
    client.send(IN, fd)
    os.close(fd)

    if hangs_up_on_o_path(command):
        assert client.is_closed()
    else:
        reply = client.reply()
        assert (reply.status, reply.sense_codes) == (CHECK_CONDITION, IO_PROCESS_TERMINATED)


def hangs_up_on_o_path(command):
    """QEMU's helper does in 11.1, where it sets flags of each descriptor; not in 7.2 and 10.0."""
    if command != C_HELPER:
        return False
    told = subprocess.run([*command, "--version"], capture_output=True, text=True).stdout
    return int(re.search(r"(\d+)\.", told)[1]) >= 11


@pytest.mark.parametrize("opcode", [0x5E, 0x5F])
def test_a_block_device_that_is_no_scsi_device_ends_with_invalid_field_in_cdb(client, opcode):
    try:
        fd = os.open("/dev/loop0", os.O_RDWR)
    except OSError as error:
        pytest.skip(f"/dev/loop0: {error.strerror}")

    reply = client.command(cdb(opcode), fd)

    os.close(fd)
    assert (reply.status, reply.sense_codes) == (CHECK_CONDITION, INVALID_FIELD_IN_CDB)


def test_clients_are_served_side_by_side(path, regular):
    clients = [Client(path) for _ in range(20)]

    for client in clients:
        client.send(IN[:8], regular)
    for client in reversed(clients):
        client.send(IN[8:])

    assert {client.reply().sense_codes for client in clients} == {IO_PROCESS_TERMINATED}
    for client in clients:
        client.socket.close()
