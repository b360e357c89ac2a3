"""What an announcement says: the facts as JSON, and one plain line of them that no chat reads a command in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from quarterdeck_lifecycle.text import clean_line

FACTS = (
    "op", "kind", "service", "environment", "result", "from", "to", "actor", "origin", "host", "reason", "started_at",
    "ended_at", "ledger_head", "message",
)  # fmt: skip
MOST = 2000
_PLAIN = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "＠", "[": "［", "]": "］", "`": "'", "|": "¦"})
_IN_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def plain(text: str) -> str:
    """Text for a chat: no mention, link, table or tag in it means anything there.

    `&`, `<` and `>` as Slack asks (https://docs.slack.dev/messaging/formatting-message-text, "Escaping text"), which
    HTML reads the same way; `@`, brackets, backticks and bars, which other chats give a meaning, as their wide or
    plain likeness.
    """
    return clean_line(text, MOST).translate(_PLAIN)


def line(facts: Mapping[str, str]) -> str:
    """`deploy of fraud-api in prod SUCCEEDED: sha256:.. → sha256:.. by op1 on bastion (hotfix): message`."""
    say = {name: plain(facts.get(name, "")) for name in FACTS}
    parts = [f"{say['kind'] or 'release'} of {say['service']} in {say['environment']} {say['result']}:"]
    if say["from"] or say["to"]:
        parts.append(f"{say['from'] or '?'} → {say['to'] or '?'}")
    parts += [f"{word} {say[name]}" for word, name in (("by", "actor"), ("on", "host")) if say[name]]
    if say["reason"]:
        parts.append(f"({say['reason']})")
    return " ".join(parts) + (f": {say['message']}" if say["message"] else "")


def body(facts: Mapping[str, str], redact: Callable[[str], str]) -> bytes:
    """The JSON object that is sent: every fact, gated and redacted, an empty string for one that is not known,
    and `text`. ASCII, and without `<`, `>` and `&` as such."""
    safe = {name: clean_line(redact(facts.get(name, "")), MOST) for name in FACTS}
    return json.dumps({**safe, "text": line(safe)}).translate(_IN_HTML).encode("ascii")
