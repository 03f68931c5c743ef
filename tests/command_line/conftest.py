"""What the tests with real QEMU need."""

from real_qemu import helper_socket, qemu

__all__ = ["helper_socket", "qemu"]
