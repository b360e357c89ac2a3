"""What an engine may leave on a machine: mounts and network bridges, found and removed without other programs."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from pathlib import Path

import psutil

# linux/if.h, linux/sockios.h, sys/mount.h
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCBRDELBR, IFF_UP, MNT_DETACH = 0x8913, 0x8914, 0x89A1, 1, 2


def mounts_below(folder: Path) -> list[str]:
    """Mount points in `folder`, the deepest first."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4] for line in lines]
    return sorted((point for point in points if Path(point).is_relative_to(folder)), key=len, reverse=True)


def unmount_below(folder: Path) -> None:
    """Unmount everything in `folder`. Raises OSError where the kernel refuses."""
    libc = ctypes.CDLL(None, use_errno=True)
    for point in mounts_below(folder):
        if libc.umount2(os.fsencode(point), MNT_DETACH) != 0:
            raise OSError(ctypes.get_errno(), "umount2", point)


def bridges(pool: str) -> list[str]:
    """Bridges with an address in `pool`, the first two octets of an engine's own /16."""
    return [
        name
        for name, addresses in psutil.net_if_addrs().items()
        if Path("/sys/class/net", name, "bridge").is_dir()
        and any(address.address.startswith(f"{pool}.") for address in addresses)
    ]


def remove_bridges(pool: str) -> None:
    """Take down and remove the bridges of an engine's own /16 (netdevice(7) and the bridge ioctls)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for name in bridges(pool):
            request = struct.pack("16sH14x", name.encode(), 0)
            with contextlib.suppress(FileNotFoundError):
                (flags,) = struct.unpack_from("16xH", fcntl.ioctl(control, SIOCGIFFLAGS, request))
                down = struct.pack("16sH14x", name.encode(), flags & ~IFF_UP)
                fcntl.ioctl(control, SIOCSIFFLAGS, down)
                fcntl.ioctl(control, SIOCBRDELBR, name.encode() + b"\0")
