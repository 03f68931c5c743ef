"""Serving clients: a thread a connection, so that a disk that hangs stalls its own guest only."""

import os
import select
import socket
import struct
import threading
from array import array
from contextlib import suppress

from qemu_pr.devices import Device
from qemu_pr.helper.carry_out import carry_out
from qemu_pr.helper.events import Events
from qemu_pr.helper.listen import Listener
from qemu_pr.helper.stop_signals import StopSignals, block_in_this_thread
from qemu_pr.protocol import HANDSHAKE, ProtocolError, RequestReader, encode_reply

# A message carries 253 descriptors at most (SCM_MAX_FD). With room for all of them none is lost,
# and every one can be closed.
_ANCILLARY_SIZE = socket.CMSG_SPACE(253 * array("i").itemsize)

# A client that sends commands and takes no replies gets this much time, in seconds; struct timeval.
# Replies to QEMU never wait: it sends one command at a time, and the kernel buffers a reply.
_SEND_TIMEOUT = struct.pack("@ll", 5, 0)

_PAUSE_AFTER_ACCEPT_ERROR = 100  # milliseconds


def serve(listener: Listener, device: Device, stop: StopSignals, events: Events) -> bool:
    """Serve clients until a stop signal comes; then close the listener and finish all commands.

    A command that the kernel does not let go of can take forever: then a second signal ends the
    wait. The process itself stays in the process table until the kernel does.

    Args:
        listener: Where clients come from; closed on return.
        device: What carries their commands out, in any thread.
        stop: The signals.
        events: Where to report what happens.

    Returns:
        Whether all commands were finished; False if a second signal came first.
    """
    connections = _Connections(stop)
    _accept_until_stopped(listener.socket, device, connections, stop, events)
    listener.close()
    events("pr_helper_stop", len(connections))
    connections.finish()
    while len(connections):
        if stop.wait():
            events("pr_helper_abandon", len(connections))
            return False
    return True


class _Connections:
    """The open connections; every thread takes its own out when it ends."""

    def __init__(self, stop: StopSignals) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.add(connection)

    def close(self, connection: socket.socket) -> None:
        with self._lock:
            self._open.remove(connection)
            connection.close()
        self._stop.wake()

    def finish(self) -> None:
        """Let no further command in: what was sent is answered, then comes the end of the stream.

        A client that sends nevertheless gets EPIPE. QEMU then connects again and sends the same
        command to the next helper.
        """
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)


def _accept_until_stopped(
    listening: socket.socket,
    device: Device,
    connections: _Connections,
    stop: StopSignals,
    events: Events,
) -> None:
    poller = select.poll()
    poller.register(listening, select.POLLIN)
    poller.register(stop, select.POLLIN)
    overloaded = False
    while True:
        ready = [fd for fd, _ in poller.poll()]
        if stop.fileno() in ready and stop.wait():
            return
        try:
            connection, _ = listening.accept()
        except BlockingIOError:  # only the end of a connection, or another process was faster
            continue
        except OSError as error:  # out of descriptors, most likely
            if not overloaded:
                events("pr_helper_accept_fail", error.strerror)
            overloaded = True
            if stop.wait(_PAUSE_AFTER_ACCEPT_ERROR):
                return
            continue
        overloaded = False
        connections.add(connection)
        thread = threading.Thread(
            target=_serve_client, args=(connection, device, connections, events), daemon=True
        )
        try:
            thread.start()
        except RuntimeError as error:  # out of threads
            events("pr_helper_accept_fail", error)
            connections.close(connection)


def _serve_client(
    connection: socket.socket, device: Device, connections: _Connections, events: Events
) -> None:
    block_in_this_thread()
    client = "?"
    try:
        client = _name(connection)
        events("pr_helper_accept", client)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _SEND_TIMEOUT)
        _converse(connection, device, client, events)
    except ProtocolError as error:
        events("pr_helper_refuse", client, error)
    except BlockingIOError:
        events("pr_helper_refuse", client, "it does not take its replies")
    except ConnectionError:
        events("pr_helper_close", client)
    except Exception as error:  # this client's loss only
        events("pr_helper_refuse", client, repr(error))
    else:
        events("pr_helper_close", client)
    finally:
        connections.close(connection)


def _converse(connection: socket.socket, device: Device, client: str, events: Events) -> None:
    """Answer requests until the stream ends or an error is raised."""
    reader = RequestReader()
    held: list[int] = []  # the descriptors of the request that is being read
    connection.sendall(HANDSHAKE)
    try:
        while True:
            data, descriptors = _receive(connection, reader.wanted)
            count = len(descriptors)
            if reader.takes_descriptor:
                held += descriptors
            else:
                _close(descriptors)
            if not data:
                return
            if request := reader.feed(data, count):
                completion = carry_out(device, held[0], request, client, events)
                _close(held)
                connection.sendall(encode_reply(request, completion))
    finally:
        _close(held)


def _receive(connection: socket.socket, size: int) -> tuple[bytes, list[int]]:
    """Read bytes, and all descriptors that came with them; no bytes at the end of the stream."""
    data, ancillary, flags, _ = connection.recvmsg(size, _ANCILLARY_SIZE, socket.MSG_CMSG_CLOEXEC)
    received = array("i")
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            received.frombytes(payload)
    descriptors = received.tolist()
    if flags & socket.MSG_CTRUNC:  # this process has as many open as it may
        _close(descriptors)
        raise ProtocolError("its descriptors do not fit into the helper any more")
    return data, descriptors


def _close(descriptors: list[int]) -> None:
    """Close and forget; Linux has closed a descriptor even if it reports an error."""
    while descriptors:
        with suppress(OSError):
            os.close(descriptors.pop())


def _name(connection: socket.socket) -> str:
    """The process ID of the client; its user may have many."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return str(struct.unpack("@iII", credentials)[0])
