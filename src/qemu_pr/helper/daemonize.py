"""Going on in the background, without leaving the caller in doubt whether that worked."""

import os
from collections.abc import Callable

from qemu_pr.helper import StartError


def daemonize() -> Callable[[], None]:
    """Go on in a new process of a new session.

    The calling process never returns from here. It waits, and exits with 0 once the new one is
    ready, and with 1 if that ends before. Until then, the new one has the caller's stderr.

    Returns:
        What the new process calls when it is ready: detaches it from the caller's terminal and
        folder. Raises `StartError` if the caller went away meanwhile.

    Raises:
        StartError: The system refuses another process.
    """
    try:
        reader, writer = os.pipe2(os.O_CLOEXEC)
        if os.fork():
            os.close(writer)
            os._exit(0 if os.read(reader, 1) else 1)
        os.setsid()
        if os.fork():  # a session's leader could get a terminal again
            os._exit(0)
    except OSError as error:
        raise StartError(f"Failed to daemonize: {error.strerror}") from None
    os.close(reader)

    def ready() -> None:
        detach()
        try:
            os.write(writer, b"\n")
        except BrokenPipeError:
            raise StartError("the process that started this one went away") from None
        os.close(writer)

    return ready


def detach() -> None:
    """Let go of the caller's terminal and folder."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(null, standard)
    if null > 2:
        os.close(null)
