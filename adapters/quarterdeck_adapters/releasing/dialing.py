"""Connecting to one address in the name of another: what probes and webhooks share."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import httpx

OURS = frozenset(
    (
        errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL, errno.ENETUNREACH,
        errno.ENETDOWN, errno.EACCES, errno.EPERM,
    )
)  # fmt: skip
"""connect(2), socket(2): what says nothing of the other side, since nothing left this machine."""
RESOLVER = frozenset((socket.EAI_AGAIN, socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM))
"""getaddrinfo(3): no resolver answered. EAI_NONAME is an answer: there is no such name."""


class Aimed(NamedTuple):
    """A request that goes to another address than its url says, for httpx; TLS verifies the url's own host."""

    url: httpx.URL
    headers: dict[str, str]
    extensions: dict[str, Any]


def aimed(url: str, host: str, port: int) -> Aimed:
    """`url` as asked of `host` (a name or an address without brackets): Host header and SNI stay the url's.

    Raises httpx.InvalidURL or ValueError.
    """
    import httpx

    named = httpx.URL(url)
    if named.scheme not in ("http", "https") or not named.host:
        raise httpx.InvalidURL("it is no http or https url with a host")
    return Aimed(
        named.copy_with(host=host, port=port),
        {"Host": named.netloc.decode("ascii")},
        {"sni_hostname": named.raw_host.decode("ascii").strip("[]")},
    )


def port_of(url: httpx.URL) -> int:
    """The port that a url means."""
    return url.port or (443 if url.scheme == "https" else 80)


def split(address: str) -> tuple[str, int]:
    """`HOST:PORT` or `[v6]:PORT` as host and port. Raises ValueError."""
    host, colon, port = address.rpartition(":")
    host = host.strip("[]")
    if not host or not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ValueError(f"{address} is no HOST:PORT")
    return host, int(port)


def causes(error: BaseException) -> Iterator[OSError]:
    """The errors of the system behind an error, one for each address that was tried."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from causes(each)
    elif error.__cause__ is not None:
        yield from causes(error.__cause__)
    elif isinstance(error, OSError) and error.errno is not None:
        yield error
    elif error.__context__ is not None:
        yield from causes(error.__context__)


def our_side(error: BaseException) -> bool:
    """Whether an error tells of this machine and not of the other one: nothing was sent, so nothing is known."""
    found = list(causes(error))
    return bool(found) and all(_ours(each) for each in found)


def _ours(error: OSError) -> bool:
    if isinstance(error, socket.gaierror):
        return error.errno in RESOLVER
    # The numbers of TLS errors are OpenSSL's, not the system's.
    return error.errno in OURS and not isinstance(error, ssl.SSLError)


def reason(error: BaseException) -> str:
    """Why a connection came to nothing, in the system's words."""
    own = (socket.gaierror, ssl.SSLError)
    said = [
        str(each.strerror or each) if isinstance(each, own) else os.strerror(each.errno or 0) for each in causes(error)
    ]
    return "; ".join(dict.fromkeys(said)) or str(error) or type(error).__name__
