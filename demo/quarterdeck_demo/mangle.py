"""How an answer is spoiled: from a good response to a bad one."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from email.utils import formatdate, parsedate_to_datetime
from typing import Any

from quarterdeck_demo.hostile import rewrite
from quarterdeck_demo.messages import Request, Response


async def whole(response: Response) -> Response:
    """The response with its body read to the end. An endless stream never returns: do not ask for one."""
    if not isinstance(response.body, bytes):
        response.body = b"".join([chunk async for chunk in response.body])
    return response


def drip(response: Response, chunk: int, interval: float) -> Response:
    """Send `chunk` bytes, wait `interval` seconds, and so on."""
    body = response.body
    if isinstance(body, bytes):
        response.set_header("Content-Length", str(len(body)))

    async def slow() -> AsyncIterator[bytes]:
        async for part in _parts(body):
            for start in range(0, len(part), chunk):
                yield part[start : start + chunk]
                await asyncio.sleep(interval)

    response.body = slow()
    return response


async def _parts(body: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
        return
    async for part in body:
        yield part


def truncate(response: Response, fraction: float, *, framed: bool) -> Response:
    """Keep the first `fraction` of a whole body."""
    assert isinstance(response.body, bytes)
    keep = int(len(response.body) * fraction)
    if framed:
        response.body = response.body[:keep]
    else:
        response.cut = keep
    return response


def overlap(response: Response, path: str, memory: dict[str, Any]) -> Response:
    """Put the rows of the page served before on this path in front of this page's rows."""
    page = _json(response)
    before = memory.get(path)
    memory[path] = page
    if isinstance(page, list) and isinstance(before, list):
        _replace(response, before + page)
    elif isinstance(page, dict) and isinstance(before, dict):
        merged = {
            key: before[key] + value if isinstance(value, list) and isinstance(before.get(key), list) else value
            for key, value in page.items()
        }
        _replace(response, merged)
    return response


def loop(response: Response, request: Request, keys: tuple[str, ...], memory: dict[str, Any]) -> Response:
    """Make the next page the one first named on this path."""
    page = _json(response)
    if isinstance(page, dict):
        found = next((key for key in keys if page.get(key)), None)
        if found:
            memory.setdefault(request.path, (found, page[found]))
        if request.path in memory:
            key, token = memory[request.path]
            _replace(response, {**page, key: token})
            return response
    link = response.header("Link")
    following = re.search(r'<([^>]*)>;\s*rel="?next"?', link or "")
    if following:
        memory.setdefault("link " + request.path, following[0])
    if "link " + request.path in memory:
        response.set_header("Link", memory["link " + request.path])
    return response


def skew(response: Response, seconds: float) -> Response:
    """Move the `Date` header, now when the server set none itself."""
    date = response.header("Date")
    at = parsedate_to_datetime(date).timestamp() if date else time.time()
    response.set_header("Date", formatdate(at + seconds, usegmt=True))
    return response


def hostile(
    response: Response,
    change: Callable[[str], str],
    strings: tuple[str, ...],
    *,
    everything: bool,
    keep: tuple[str, ...],
) -> Response:
    """Rewrite the strings of a JSON body, of each JSON line of a stream, or add lines to plain text."""

    def spoil(data: bytes) -> bytes:
        try:
            document = json.loads(data)
        except ValueError:
            return data
        spoiled = rewrite(document, change, everything=everything, keep=keep)
        return json.dumps(spoiled, ensure_ascii=False).encode(errors="surrogatepass")

    body = response.body
    if isinstance(body, bytes):
        kind = response.header("Content-Type") or ""
        if kind.startswith("text/plain"):
            response.body = body + "\n".join(("", *strings, "")).encode()
        else:
            response.body = spoil(body)
    else:

        async def stream() -> AsyncIterator[bytes]:
            async for part in body:
                for line in part.splitlines(keepends=True):
                    text = line.rstrip(b"\r\n")
                    yield spoil(text) + line[len(text) :]

        response.body = stream()
    return response


def _json(response: Response) -> Any:
    assert isinstance(response.body, bytes)
    try:
        return json.loads(response.body)
    except ValueError:
        return None


def _replace(response: Response, document: Any) -> None:
    response.body = json.dumps(document, ensure_ascii=False).encode()
