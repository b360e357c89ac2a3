"""Who acts, from where, and the identity of what is done."""

from __future__ import annotations

import os
import pwd
import secrets
import socket
import threading
import time
import uuid
from collections.abc import Mapping

import msgspec

from quarterdeck_lifecycle.text import clean_line


class Actor(msgspec.Struct, frozen=True):
    """The real user of the operating system, where the session comes from, and the host that runs this program.

    `claim` is a name that the environment or a flag asserts; it is written beside the user and proves nothing.
    """

    user: str
    origin: str
    host: str
    claim: str = ""

    @classmethod
    def current(cls, claim: str = "", environ: Mapping[str, str] = os.environ) -> Actor:
        """This process's actor: the real uid's name, the peer of SSH_CONNECTION (`local` without one).

        Inside tmux the peer is the one that tmux last took over, not always the one at the keyboard.
        """
        uid = os.getuid()
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = f"uid:{uid}"
        peer = environ.get("SSH_CONNECTION", "").split()
        claim = claim or environ.get("SUDO_USER", "")
        return cls(
            user=clean_line(user, 100),
            origin=clean_line(peer[0], 100) if peer else "local",
            host=clean_line(socket.gethostname(), 255),
            claim=clean_line(claim, 100) if claim != user else "",
        )

    def __str__(self) -> str:
        return f"{self.user} (says {self.claim})" if self.claim else self.user


_lock = threading.Lock()
_last = 0


def op_id() -> str:
    """A UUIDv7 (RFC 9562, 6.2 method 3): the order of the texts is the order in time, exactly so in one process."""
    global _last
    with _lock:
        milliseconds, rest = divmod(time.time_ns(), 1_000_000)
        _last = stamp = max(milliseconds << 12 | rest * 4096 // 1_000_000, _last + 1)
    value = (stamp >> 12) << 80 | 7 << 76 | (stamp & 0xFFF) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))
