"""Probes over the network: one connection each, no redirects, no proxies, a deadline for the whole, a bounded body."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

import msgspec

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.releasing.dialing import aimed, our_side, port_of, reason, split
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.calls import CALLS
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.release.model import ProbeRule
from quarterdeck_lifecycle.release.ports import Sample, Verdict
from quarterdeck_lifecycle.text import clean_line

if TYPE_CHECKING:
    import ssl

MOST_BODY = 64 * 1024
SHOWN = 120
AT_ONCE_S = 0.05
"""How long an accepted connection is watched: a port forwarder or proxy with nothing behind it accepts and closes."""


class Seen(msgspec.Struct):
    """What has come of an answer so far; status 0 for nothing."""

    status: int = 0
    location: str = ""
    body: bytearray = msgspec.field(default_factory=bytearray)


def redirected(url: str, location: str) -> str:
    """The host and port that a Location header leads to; empty when there is none."""
    try:
        return urlsplit(urljoin(url, location)).netloc.rpartition("@")[2] if location else ""
    except ValueError:
        return "no web address"


class NetProber:
    """Satisfies `ports.Prober`. Each probe opens a connection of its own and closes it.

    Certificates are verified against the public authorities (or SSL_CERT_FILE), or against those of `ca_file` alone.
    A fail is what the other side did or did not do in time. `unknown` is only what tells nothing of it: no file
    descriptor, port or route left here, no resolver that answers, a probe that cannot be sent.
    """

    def __init__(
        self, *, ca_file: str = "", redact: Callable[[str], str] = redact, now: Callable[[], float] = time.time
    ) -> None:
        self._ca_file = ca_file
        self._redact = redact
        self._now = now
        self._tls: ssl.SSLContext | None = None

    async def http(self, url: str, address: str, rule: ProbeRule) -> Sample:
        """GET `url`, connecting to `address` (HOST:PORT) instead of the url's own where it is given.

        Passes on exactly the status `rule.expect`, with `rule.body` found in the first 64 KiB, all of it (to the end of
        the body, or to that bound) within `rule.timeout_s`. Never raises.
        """
        import httpx

        began = time.monotonic()
        seen, broke = Seen(), ""
        try:
            pattern = re.compile(rule.body) if rule.body else None
            tls = await self._context() if urlsplit(url).scheme == "https" else None
        except (ValueError, re.error, OSError, QuarterdeckError) as error:
            return self._sample("unknown", f"not probed: {error}")
        try:
            async with asyncio.timeout(rule.timeout_s):
                await self._get(url, address, tls, seen, rule.timeout_s + 1)
        except (TimeoutError, httpx.TimeoutException):
            broke = f"within {rule.timeout_s:g} s"
        except (httpx.HTTPError, OSError) as error:
            if not seen.status and our_side(error):
                return self._sample("unknown", f"not probed from here: {reason(error)}")
            broke = reason(error)
        except (httpx.InvalidURL, ValueError) as error:
            return self._sample("unknown", f"not probed: {error}")
        return self._judged(rule, pattern, seen, broke, f"after {(time.monotonic() - began) * 1000:.0f} ms")

    async def tcp(self, address: str, rule: ProbeRule) -> Sample:
        """Open a connection to HOST:PORT; one that is closed at once is a fail. Never raises."""
        began = time.monotonic()
        try:
            host, port = split(address)
            async with asyncio.timeout(rule.timeout_s):
                reader, writer = await asyncio.open_connection(host, port)
            try:
                async with asyncio.timeout(AT_ONCE_S):
                    closed = not await reader.read(1)
            except TimeoutError:
                closed = False
            except ConnectionError:
                closed = True
            finally:
                writer.transport.abort()
        except TimeoutError:
            return self._sample("fail", f"no connection within {rule.timeout_s:g} s")
        except OSError as error:
            if our_side(error):
                return self._sample("unknown", f"not probed from here: {reason(error)}")
            return self._sample("fail", f"no connection: {reason(error)}")
        except ValueError as error:
            return self._sample("unknown", f"not probed: {error}")
        spent = f"after {(time.monotonic() - began) * 1000:.0f} ms"
        if closed:
            return self._sample("fail", f"accepted and closed at once {spent}: nothing serves behind it")
        return self._sample("pass", f"connected {spent}")

    async def _context(self) -> ssl.SSLContext:
        if self._tls is None:

            def make() -> ssl.SSLContext:
                import ssl

                import httpx

                return ssl.create_default_context(cafile=self._ca_file) if self._ca_file else httpx.create_ssl_context()

            self._tls = await call(make, deadline=10, source="probe", what="reading the certificates")
        return self._tls

    async def _get(self, url: str, address: str, tls: ssl.SSLContext | None, seen: Seen, timeout: float) -> None:
        import httpx

        named = httpx.URL(url)
        host, port = split(address) if address else (named.host, port_of(named))
        target = aimed(url, host, port)
        headers = {**target.headers, "User-Agent": "quarterdeck", "Accept-Encoding": "identity", "Connection": "close"}
        with CALLS.call("probe", "GET", str(target.url)) as made:
            async with (
                httpx.AsyncClient(
                    verify=tls or False, trust_env=False, timeout=timeout, follow_redirects=False
                ) as client,
                client.stream("GET", target.url, headers=headers, extensions=target.extensions) as answer,
            ):
                seen.location = redirected(url, answer.headers.get("location", ""))
                seen.status = made.status = answer.status_code
                async for piece in answer.aiter_raw():
                    seen.body += piece[: MOST_BODY - len(seen.body)]
                    if len(seen.body) >= MOST_BODY:
                        return

    def _judged(self, rule: ProbeRule, pattern: re.Pattern[str] | None, seen: Seen, broke: str, spent: str) -> Sample:
        said = f"{seen.status} {spent}"
        if not seen.status:
            return self._sample("fail", f"no answer {broke}" if broke.startswith("within") else f"no answer: {broke}")
        if seen.status != rule.expect:
            if 300 <= seen.status < 400 and seen.location:
                return self._sample("fail", f"{said}: a redirect to {seen.location}, which is not followed")
            return self._sample("fail", f"{said}, not {rule.expect}{self._first(seen)}")
        if broke:
            return self._sample("fail", f"{seen.status}, and no whole answer: {broke}")
        if pattern is not None and not pattern.search(seen.body.decode("utf-8", "replace")):
            return self._sample("fail", f"{said}, the body does not match {rule.body}{self._first(seen)}")
        return self._sample("pass", said)

    def _first(self, seen: Seen) -> str:
        text = clean_line(seen.body[: 4 * SHOWN].decode("utf-8", "replace").strip(), SHOWN)
        return f": {text}" if text else ""

    def _sample(self, verdict: Verdict, said: str) -> Sample:
        return Sample(verdict=verdict, said=clean_line(self._redact(said), 400), at=self._now())
