"""The text forms of the config (durations, urls, paths, ...): one check each, shared by schema and loader.

A form is named in a field's type, ``Annotated[str, Meta(extra={"form": "url"})]``; `FORMS` holds its check.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from msgspec import Meta

from quarterdeck_config.duration import PATTERN, parse_duration
from quarterdeck_config.errors import Misfit

SCHEMES = ("http", "https", "ssh", "tcp", "unix")
_HOST = re.compile(r"[A-Za-z0-9_.:%\[\]][A-Za-z0-9_.:%\[\]-]*", re.ASCII)
_COLOR = re.compile(r"#[0-9a-fA-F]{6}|ansi_[a-z_]{3,20}|[a-z]{3,20}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}", re.ASCII)


def _duration(text: str, _base: Path) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise Misfit("another text", str(error)) from None


def _url(text: str, _base: Path) -> str:
    expected = f"a url ({', '.join(f'{scheme}://' for scheme in SCHEMES)})"
    if not text.isprintable() or " " in text:
        raise Misfit("a text with spaces or control characters", expected)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Misfit("a text that is no url", expected) from None
    if parts.scheme not in SCHEMES:
        raise Misfit("a text without a known scheme", expected)
    if parts.password is not None:
        raise Misfit("a password inside the url", "the keys username and password: {env|file|command|keyring}")
    if parts.scheme == "unix":
        if not parts.path.startswith("/"):
            raise Misfit("a socket without its full path", "unix:///path/to/socket")
    elif not host or not _HOST.fullmatch(host) or (parts.username or "").startswith("-"):
        raise Misfit("a url without a proper host name", expected)
    return text


def _address(text: str, _base: Path) -> str:
    host, _, port = text.rpartition(":")
    if not _HOST.fullmatch(host) or not port.isascii() or not port.isdigit() or not 0 < int(port[:6]) < 65536:
        raise Misfit("another text", "HOST:PORT")
    return text


def _path(text: str, base: Path) -> str:
    if not text or "\0" in text:
        raise Misfit("no path", "a path; relative ones start at the config file's folder")
    return os.path.normpath(base / os.path.expanduser(text))


def _regex(text: str, _base: Path) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        why = error.msg if isinstance(error, re.error) else "too large"
        raise Misfit("a broken pattern", f"a regular expression ({why})") from None
    return text


def _color(text: str, _base: Path) -> str:
    if not _COLOR.fullmatch(text):
        raise Misfit("another text", "a colour: #rrggbb, or a name such as red or ansi_red")
    return text


def _name(text: str, _base: Path) -> str:
    if not _NAME.fullmatch(text):
        raise Misfit("another text", "a name of letters, digits, '_', '-' and '.', at most 63, no leading '-'")
    return text


def _instant(text: str, _base: Path) -> str:
    try:
        if datetime.fromisoformat(text).tzinfo is None:
            raise ValueError
    except ValueError:
        raise Misfit("another text", "a time with its zone, such as 2030-01-31T18:00:00+00:00") from None
    return text


FORMS: dict[str, Callable[[str, Path], Any]] = {
    "duration": _duration,
    "url": _url,
    "address": _address,
    "path": _path,
    "regex": _regex,
    "color": _color,
    "name": _name,
    "instant": _instant,
}
"""Form name -> check(text, folder of the file): the value to keep; raises Misfit, which never quotes the text."""


def _meta(form: str, **schema: Any) -> Meta:
    return Meta(extra={"form": form}, extra_json_schema=schema or None)


Duration = Annotated[float, _meta("duration", pattern=PATTERN, description="500ms, 2s, 10m, 1h30m")]
"""Seconds; a text such as ``2s`` in the file."""
Url = Annotated[str, _meta("url", format="uri")]
Address = Annotated[str, _meta("address", description="HOST:PORT")]
FilePath = Annotated[str, _meta("path")]
"""Absolute when loaded: ``~`` is the home folder, anything relative starts at the config file's folder."""
Regex = Annotated[str, _meta("regex", format="regex")]
Color = Annotated[str, _meta("color")]
Name = Annotated[str, _meta("name")]
Instant = Annotated[str, _meta("instant", format="date-time")]
Argv = Annotated[tuple[str, ...], Meta(min_length=1)]
"""A program and its arguments, never a shell line."""
