"""The loopback of a network namespace that was just made, as by `unshare --net`: it is down until somebody takes it up.

netdevice(7): https://man7.org/linux/man-pages/man7/netdevice.7.html
"""

from __future__ import annotations

import errno
import fcntl
import socket
import struct
import sys

GET_FLAGS, SET_FLAGS, UP = 0x8913, 0x8914, 1
IFREQ = struct.Struct("16sH22x")


def take_up() -> None:
    """Take the loopback up where no interface is: all that the practice world has is behind it, and nothing else.

    Raises OSError saying what to do where it is down and that is not allowed, or is not ours to do.
    """
    if sys.platform != "linux":
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        flags = {name: _flags(asked, name) for _, name in socket.if_nameindex()}
        if "lo" not in flags or flags["lo"] & UP:
            return
        try:
            if any(each & UP for each in flags.values()):
                raise PermissionError(errno.EPERM, "there are other interfaces")
            fcntl.ioctl(asked, SET_FLAGS, IFREQ.pack(b"lo", flags["lo"] | UP))
        except OSError as error:
            raise OSError(f"the loopback is down here ({error.strerror}): ip link set lo up") from error


def _flags(asked: socket.socket, name: str) -> int:
    return int(IFREQ.unpack(fcntl.ioctl(asked, GET_FLAGS, IFREQ.pack(name.encode(), 0)))[1])
