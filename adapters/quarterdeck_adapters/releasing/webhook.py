"""Webhooks: others are told how a release ended, and nobody is reached whom the config did not mean."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.releasing.dialing import aimed, causes, port_of, reason
from quarterdeck_adapters.releasing.message import body
from quarterdeck_adapters.releasing.peers import networks, refusal
from quarterdeck_config.schema import SecretRef, Webhook
from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.calls import CALLS
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.text import clean_line

if TYPE_CHECKING:
    import ssl

    import httpx

DEADLINE_S = 10.0
TRIES = 3
BACK_OFF_S = (1.0, 3.0)
MOST_ANSWER = 4096
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class _Refused(Exception):
    """Not to be tried again."""


class _Again(Exception):
    """May be tried again: nothing arrived, or the receiver said that it failed."""


class _Sent(msgspec.Struct, frozen=True):
    """What goes out, where to, and how the peer is known."""

    url: httpx.URL
    content: bytes
    headers: dict[str, str]
    tls: ssl.SSLContext
    peers: tuple[str, ...]


async def addresses(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError, or Timeout after 5 s."""

    def ask() -> list[str]:
        return [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]

    return await call(ask, deadline=5, source=host, what="asking for its address")


class WebhookAnnouncer:
    """Satisfies `ports.Announcer`: a POST of `message.body` to each webhook, all at once.

    The name is resolved once, each address is checked (`peers.refusal`), and the connection goes to that address and
    to no name: a resolver that answers otherwise a moment later is not asked. One refused address refuses the webhook.
    Certificates are verified for the url's host, against the public authorities or those of `ca_file` alone. A redirect
    is a failure. A connection that fails or an answer of 5xx is tried three times; a 4xx, and a receiver that took the
    message and does not answer within 10 s (it may have it), are not. `secret` may block; it is called off the loop.
    """

    def __init__(
        self,
        webhooks: Mapping[str, Webhook],
        secret: Callable[[SecretRef], str],
        redact: Callable[[str], str] = redact,
        *,
        resolve: Resolve = addresses,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.time,
        deadline: float = DEADLINE_S,
    ) -> None:
        self._webhooks = dict(webhooks)
        self._secret = secret
        self._redact = redact
        self._resolve = resolve
        self._sleep = sleep
        self._now = now
        self._deadline = deadline

    async def tell(self, names: Sequence[str], facts: Mapping[str, str]) -> str:
        """Send to each; answers in words what arrived. Never raises. Without `ended_at` it is the time of telling."""
        ended = datetime.fromtimestamp(self._now(), UTC).isoformat(timespec="seconds")
        content = body({**facts, "ended_at": facts.get("ended_at") or ended}, self._redact)
        said = await asyncio.gather(*(self._one(name, content) for name in dict.fromkeys(names)))
        return "; ".join(said)

    async def _one(self, name: str, content: bytes) -> str:
        webhook = self._webhooks.get(name)
        if webhook is None:
            return clean_line(f"{name}: not sent, the config has no such webhook", 300)
        try:
            said = await self._tries(await self._prepared(name, webhook, content))
        except (_Refused, QuarterdeckError, OSError, ValueError) as error:
            said = f"not sent: {error}"
        except Exception as error:
            said = f"not sent: {type(error).__name__}: {error}"
        return clean_line(self._redact(f"{name}: {said}"), 600)

    async def _prepared(self, name: str, webhook: Webhook, content: bytes) -> _Sent:
        import httpx

        url = httpx.URL(webhook.url)
        if url.scheme != "https" or not url.host or url.userinfo:
            raise _Refused("its url is not https, has no host, or holds a password")
        try:
            allowed = networks(webhook.peers)
        except ValueError as error:
            raise _Refused(f"peers: {error}") from error
        found = await self._resolve(url.host, port_of(url))
        for address in found:
            if said := refusal(address, allowed):
                raise _Refused(f"{url.host}: {said}")
        if not found:
            raise _Refused(f"{url.host} has no address")
        headers = {"Content-Type": "application/json", "User-Agent": "quarterdeck", "Connection": "close"}
        if webhook.token is not None:
            reference = webhook.token
            token = await call(lambda: self._secret(reference), deadline=15, source=name, what="resolving its token")
            if not token or not token.isascii() or not token.isprintable() or " " in token:
                raise _Refused("its token is empty or holds a character that no header may hold")
            headers["Authorization"] = f"Bearer {token}"
        tls = await call(lambda: context(webhook.ca_file), deadline=10, source=name, what="reading the certificates")
        return _Sent(url, content, headers, tls, tuple(dict.fromkeys(found)))

    async def _tries(self, sent: _Sent) -> str:
        began, number = time.monotonic(), 0
        while True:
            try:
                # The host alone: the path of a webhook is often its secret.
                with CALLS.call("webhook", "POST", f"https://{sent.url.host}") as made:
                    made.status = status = await self._post(sent, sent.peers[number % len(sent.peers)])
            except _Again as error:
                number += 1
                if number == TRIES:
                    raise _Refused(f"{error} (tried {TRIES} times)") from error
                await self._sleep(BACK_OFF_S[number - 1])
            else:
                return f"{status} after {(time.monotonic() - began) * 1000:.0f} ms"

    async def _post(self, sent: _Sent, peer: str) -> int:
        import ssl

        import httpx

        target = aimed(str(sent.url), peer, port_of(sent.url))
        timeout = httpx.Timeout(self._deadline + 1, connect=self._deadline / 2)
        client = httpx.AsyncClient(verify=sent.tls, trust_env=False, follow_redirects=False, timeout=timeout)
        try:
            async with (
                asyncio.timeout(self._deadline),
                client,
                client.stream(
                    "POST", target.url, content=sent.content, headers={**sent.headers, **target.headers},
                    extensions=target.extensions,
                ) as answer,
            ):  # fmt: skip
                if 200 <= answer.status_code < 300:
                    return answer.status_code
                said = await self._why(answer)
        except (TimeoutError, httpx.ReadTimeout, httpx.WriteTimeout) as error:
            raise _Refused(f"no answer within {self._deadline:g} s; it may have arrived") from error
        except (httpx.HTTPError, OSError) as error:
            if any(isinstance(each, ssl.SSLCertVerificationError) for each in causes(error)):
                raise _Refused(reason(error)) from error
            raise _Again(reason(error)) from error
        if answer.status_code >= 500:
            raise _Again(said)
        raise _Refused(said)

    async def _why(self, answer: httpx.Response) -> str:
        import httpx

        if 300 <= answer.status_code < 400:
            return f"{answer.status_code}: it redirects, which is not followed"
        text = bytearray()
        with suppress(TimeoutError, httpx.HTTPError):
            async with asyncio.timeout(self._deadline / 5):
                async for piece in answer.aiter_raw():
                    text += piece[: MOST_ANSWER - len(text)]
                    if len(text) >= MOST_ANSWER:
                        break
        shown = clean_line(self._redact(text.decode("utf-8", "replace")).strip(), 200)
        return f"{answer.status_code}{f': {shown}' if shown else ''}"


def context(ca_file: str | None) -> ssl.SSLContext:
    """Verifying TLS: against `ca_file` alone, or the public authorities. Raises OSError."""
    import ssl

    import httpx

    if ca_file:
        return ssl.create_default_context(cafile=ca_file)
    return httpx.create_ssl_context(trust_env=False)
