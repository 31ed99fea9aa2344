"""What this machine has besides nmjit: each feature is a value that answers yes, or says what is missing and why.

A probe asks the system by doing, in the smallest way, what would be done later; it changes nothing and needs no root.
Answers are not kept: a module may be loaded a moment later. Model: cilium/ebpf's feature probes. This file must not
know: filters, ports.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from nmjit.runtime.errors import NotSupported

AF_XDP_FAMILY: Final = 44
"""include/linux/socket.h; Python's socket module has no name for it."""
NETMAP_DEVICE: Final = "/dev/netmap"


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a machine may lack. `attempt` raises OSError where it does; `fix` is the line that brings it."""

    name: str
    attempt: Callable[[], None]
    since: str
    fix: str
    reasons: dict[int, str]
    """What an errno means here, in words; the system's own where it is not listed."""

    def missing(self) -> NotSupported | None:
        """None where the machine has the feature, else what is in the way."""
        try:
            self.attempt()
        except OSError as error:
            reason = self.reasons.get(error.errno or 0) or os.strerror(error.errno or 0)
            return NotSupported(self.name, reason, self.since)
        return None


def _open_netmap() -> None:
    os.close(os.open(NETMAP_DEVICE, os.O_RDWR | os.O_CLOEXEC))


def _open_xdp_socket() -> None:
    socket.socket(AF_XDP_FAMILY, socket.SOCK_RAW).close()


NETMAP: Final = Feature(
    "netmap",
    _open_netmap,
    since="a netmap kernel module",
    fix="sudo modprobe netmap",
    reasons={
        errno.ENOENT: f"there is no {NETMAP_DEVICE}: the kernel module is not loaded",
        errno.EACCES: f"{NETMAP_DEVICE} is not open to this user",
    },
)
AF_XDP: Final = Feature(
    "AF_XDP",
    _open_xdp_socket,
    since="Linux 4.18 with CONFIG_XDP_SOCKETS",
    fix="run as root, or with CAP_NET_RAW, on a kernel with CONFIG_XDP_SOCKETS=y",
    reasons={
        errno.EAFNOSUPPORT: "this kernel has no AF_XDP sockets",
        errno.EPERM: "opening the socket needs CAP_NET_RAW",
    },
)
