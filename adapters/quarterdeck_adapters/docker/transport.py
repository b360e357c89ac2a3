"""docker-py's client with three things added: no write without a permit, sockets that can be shut from another
thread, and SSH through the operator's own `ssh`.

Importing this module imports docker-py, so it is imported when a source is opened and not before.
"""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import requests
import requests.adapters
import urllib3
import urllib3.connection
from docker import APIClient
from docker.tls import TLSConfig
from docker.transport.basehttpadapter import BaseHTTPAdapter

from quarterdeck_adapters.docker.chunked import payload
from quarterdeck_adapters.docker.endpoint import Endpoint, ssh_argv
from quarterdeck_adapters.docker.sockets import Sockets
from quarterdeck_lifecycle.calls import CALLS
from quarterdeck_lifecycle.errors import AuthFailed, ToolMissing, Unavailable
from quarterdeck_lifecycle.permit import require

Dial = Callable[[float | None], socket.socket]
NEWEST_API = (1, 47)
"""Answers of newer API versions were not seen by this adapter: it asks for this one where the engine offers more."""
_VERSION = re.compile(r"^/v\d+\.\d+(?=/)")


class _DialledConnection(urllib3.connection.HTTPConnection):
    def __init__(self, dial: Dial, seconds: float | None) -> None:
        super().__init__("localhost", timeout=seconds)
        self._dial = dial

    def connect(self) -> None:
        self.sock = self._dial(self.timeout if isinstance(self.timeout, int | float) else None)


class _DialledPool(urllib3.connectionpool.HTTPConnectionPool):
    def __init__(self, dial: Dial, seconds: float) -> None:
        super().__init__("localhost", timeout=seconds, maxsize=4)
        self._dial = dial
        self._seconds = seconds

    def _new_conn(self) -> Any:
        return _DialledConnection(self._dial, self._seconds)


class DialledAdapter(BaseHTTPAdapter):
    """A requests adapter over sockets made by `dial`: a unix socket, or a pipe through ssh."""

    def __init__(self, dial: Dial, seconds: float) -> None:
        self._pool = _DialledPool(dial, seconds)
        super().__init__()

    def get_connection(self, url: Any, proxies: Any = None) -> Any:  # noqa: ARG002
        return self._pool

    def request_url(self, request: Any, proxies: Any) -> Any:  # noqa: ARG002
        return request.path_url

    def close(self) -> None:
        super().close()
        self._pool.close()


class _RecordedAdapter(requests.adapters.HTTPAdapter):
    """TCP with its sockets remembered."""

    def __init__(self, sockets: Sockets) -> None:
        self._sockets = sockets
        super().__init__(pool_connections=2, pool_maxsize=4)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        sockets = self._sockets

        def recorded(base: type[Any]) -> type[Any]:
            def connect(self: Any) -> None:
                base.connect(self)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
                sockets.add(self.sock)

            return type(f"Recorded{base.__name__}", (base,), {"connect": connect})

        plain, secure = urllib3.HTTPConnectionPool, urllib3.HTTPSConnectionPool
        self.poolmanager.pool_classes_by_scheme = {
            "http": type("Pool", (plain,), {"ConnectionCls": recorded(plain.ConnectionCls)}),
            "https": type("SecurePool", (secure,), {"ConnectionCls": recorded(secure.ConnectionCls)}),
        }


# The stubs leave out what docker-py has for those who build on it.
_Base: Any = APIClient


class Client(_Base):  # type: ignore[misc]
    """docker-py's low-level client, for one thread at a time."""

    def __init__(
        self, source: str, endpoint: Endpoint, *, seconds: float, sockets: Sockets | None = None, version: str = ""
    ) -> None:
        self.source = source
        self.sockets = sockets or Sockets()
        self._endpoint = endpoint
        base_url = endpoint.url
        if endpoint.scheme == "ssh":
            base_url = "unix:///ssh"
        super().__init__(base_url=base_url, version="1.24", timeout=seconds, tls=_tls(endpoint))
        self.trust_env = False
        if endpoint.scheme == "unix":
            self._use(DialledAdapter(self._dial_unix, seconds))
        elif endpoint.scheme == "ssh":
            self._use(DialledAdapter(self._dial_ssh, seconds))
        else:
            adapter = _RecordedAdapter(self.sockets)
            self.mount("http://", adapter)
            self.mount("https://", adapter)
        self._version = version or self._negotiate()

    def _use(self, adapter: DialledAdapter) -> None:
        self._custom_adapter = adapter
        self.mount("http+docker://", adapter)

    def _negotiate(self) -> str:
        answer = self.version(api_version=False)
        offered, oldest = answer["ApiVersion"], answer.get("MinAPIVersion") or "1.24"
        wanted = min(_number(offered), max(NEWEST_API, _number(oldest)))
        return ".".join(map(str, wanted))

    def send(self, request: Any, **options: Any) -> Any:
        """The last stop of every request, redirects too: one that could write needs the permit for this source."""
        if request.method not in ("GET", "HEAD"):
            path = _VERSION.sub("", request.path_url.partition("?")[0])
            require(self.source, f"{request.method} {path}")
        with CALLS.call(self.source, request.method, request.path_url) as call:
            response = super().send(request, **options)
            call.status = response.status_code
        return response

    def pieces(self, path: str, *args: str, params: dict[str, Any]) -> Iterator[bytes]:
        """The body of a GET in pieces as they arrive; an empty one first, as soon as the engine has answered.

        Unlike docker-py's own helpers, a stream that was cut raises and one that was ended does not.
        """
        response = self._get(self._url(path, *args), params=params, stream=True)
        try:
            self._raise_for_status(response)
            self.sockets.wait_for_ever()
            yield b""
            if response.raw.chunked:
                yield from payload(response.raw._fp.fp.read1)
            else:
                yield from response.raw.stream(65536, decode_content=False)
        finally:
            response.close()

    def _dial_unix(self, seconds: float | None) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(seconds)
        try:
            sock.connect(self._endpoint.path)
        except BaseException:
            sock.close()
            raise
        self.sockets.add(sock)
        return sock

    def _dial_ssh(self, seconds: float | None) -> socket.socket:
        sock = SshSocket(ssh_argv(self._endpoint), self.source, self._endpoint.url)
        sock.settimeout(seconds)
        self.sockets.add(sock)
        return sock


class SshSocket(socket.socket):
    """Our end of a socket pair whose other end is `ssh HOST docker system dial-stdio`.

    The first empty read with nothing read before means that ssh gave up; its complaint becomes the error.
    """

    def __init__(self, argv: Sequence[str], source: str, address: str) -> None:
        ours, theirs = socket.socketpair()
        super().__init__(ours.family, ours.type, ours.proto, fileno=ours.detach())
        self._source, self._address, self._heard = source, address, False
        self._complaint = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                argv, stdin=theirs.fileno(), stdout=theirs.fileno(), stderr=self._complaint, start_new_session=True
            )
        except FileNotFoundError as error:
            self._complaint.close()
            super().close()
            raise ToolMissing("ssh is not installed", source=source, mend="install openssh-client") from error
        finally:
            theirs.close()

    def sendall(self, *args: Any) -> None:
        try:
            super().sendall(*args)
        except OSError as error:
            raise self._failure() from error

    def recv_into(self, *args: Any, **options: Any) -> int:
        try:
            count = super().recv_into(*args, **options)
        except TimeoutError:
            raise
        except OSError as error:
            if self._heard:
                raise
            raise self._failure() from error
        if not count and not self._heard:
            raise self._failure()
        self._heard = True
        return count

    def _failure(self) -> Exception:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        self._complaint.seek(0)
        said = self._complaint.read(2000).decode("utf-8", "replace").strip() or "ssh ended without a word"
        what = f"no connection to {self._address}"
        if re.search(r"permission denied|host key verification|passphrase", said, re.IGNORECASE):
            mend = "ssh must work without a prompt: load the key into ssh-agent and connect once by hand"
            return AuthFailed(what, source=self._source, why=said, mend=mend)
        if re.search(r"docker: (command )?not found|unknown command|no such file", said, re.IGNORECASE):
            return ToolMissing(what, source=self._source, why=said, mend="install docker on that host")
        return Unavailable(what, source=self._source, why=said, mend="try the same with ssh by hand")

    def close(self) -> None:
        super().close()
        process = getattr(self, "_process", None)
        if process is not None and process.poll() is None:
            process.terminate()
            threading.Thread(target=process.wait, name="reap ssh", daemon=True).start()
        self._complaint.close()


def _number(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return int(major), int(minor or 0)


def _tls(endpoint: Endpoint) -> Any:
    if endpoint.scheme != "https":
        return False
    pair = (endpoint.cert, endpoint.key) if endpoint.cert and endpoint.key else None
    return TLSConfig(client_cert=pair, ca_cert=endpoint.ca or None, verify=endpoint.verify)
