"""Strings that try to break out of a text field, and a rewriter that puts them into a JSON document."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

HOSTILE: tuple[str, ...] = (
    "\x1b[31mred",
    "\x1b[2J\x1b[H",
    "\x1b]0;owned\x07",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x1b]8;;file:///etc/passwd\x1b\\link\x1b]8;;\x1b\\",
    '\x1bP$q"p\x1b\\',
    "\x1bc",
    "\x9b31m\x9d0;owned\x9c\x90q\x9c",
    "\u202egnp.exe\u202c",
    "\u2066hidden\u2069\u061c",
    "[@click=app.quit]x[/]",
    "[/x",
    "[bold",
    "]",
    "line one\nline two\r\nline three\rover",
    "nul\x00here",
    "A" * 10_240,
    "zero\u200bwidth\u200d\ufeff",
    "👩‍👩‍👧‍👦🇫🇷e\u0301",
    "--upload-pack=x",
    "../../../etc/passwd",
    "$(reboot)`reboot`;reboot",
)
"""Terminal sequences (CSI, OSC 0, 52 and 8, DCS, RIS, C1), bidi, markup, framing, size, shell and paths."""

IDENTIFIERS = re.compile(
    r"(?i)(^|_)(id|ids|node_id|sha|oid|url|uri|digest|token|etag|key|ref|href|status|state|conclusion|type|event|"
    r"run_uuid|version|alias|size|encoding)$|_at$|[a-z]Id$|^Id$|url$|time$|timestamp|Digest$|^Created$|mediaType"
)
"""Keys whose values name things: left alone unless `everything` is asked for."""


def rewrite(document: Any, change: Callable[[str], str], *, everything: bool = False, keep: Iterable[str] = ()) -> Any:
    """A copy of a JSON document with `change` applied to its string values.

    Values under a key that `IDENTIFIERS` or `keep` name stay, and so does all beneath it when it is a list of
    strings; with `everything` all values change. Keys never do.
    """
    kept = frozenset(keep)

    def walk(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {name: walk(inner, name) for name, inner in value.items()}
        if isinstance(value, list):
            return [walk(inner, key) for inner in value]
        if isinstance(value, str) and (everything or not (key in kept or IDENTIFIERS.search(key))):
            return change(value)
        return value

    return walk(document, "")


def in_turn(strings: tuple[str, ...] = HOSTILE) -> Callable[[str], str]:
    """A change that puts the hostile strings, one after the other, before the values it is given."""
    count = 0

    def change(value: str) -> str:
        nonlocal count
        count += 1
        return strings[(count - 1) % len(strings)] + value

    return change
