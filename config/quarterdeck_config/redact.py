"""Keeping secrets out of whatever leaves the program: by their value and by their look."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from functools import cache
from urllib.parse import quote, quote_plus

MASK = "***"
MIN_LENGTH = 4
"""Shorter values are not looked for: masking every "a" would hide the text and betray the value."""
MAX_VALUES = 200
"""The values registered last that are looked for."""
MAX_KEY_LINES = 200


def _any_case(word: str) -> list[str]:
    """``word`` without regard to case, as patterns that begin with a literal letter (see `_PATTERNS`)."""
    return [f"{first}(?i:{word[1:]})" for first in (word[0].lower(), word[0].upper())]


_VALUE = r"[^\s\"',;&]{1,4096}"
_SCHEME = r"(?:[A-Za-z][A-Za-z0-9-]{0,20} {1,3})?"
_QUERY = (
    r"((?i:sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature|access_token|private_token"
    r"|refresh_token|id_token|token|api_key|apikey|key|password|client_secret)=)[^&\s\"'#;]{1,4096}"
)

# Every alternative begins with a literal character: the regex engine then skips to the next of these characters
# without trying each alternative at each place, which makes clean lines about ten times cheaper. Every repeat is
# bounded, so that no line costs the square of its length. A group holds what stays in front of the mask.
_PATTERNS = (
    r"gh[pousr]_[A-Za-z0-9]{10,255}",  # docs.github.com: "GitHub's token formats"
    r"github_pat_[A-Za-z0-9_]{10,255}",
    r"gl(?:pat|ptt|dt|rt|cbt|soat|agent|ft|imt|oas)-[A-Za-z0-9_=.-]{8,255}",  # docs.gitlab.com: "Token prefixes"
    r"xox[a-z]-[A-Za-z0-9-]{6,255}",  # docs.slack.dev: "Tokens"
    r"xapp-[A-Za-z0-9-]{6,255}",
    r"AKIA[A-Z0-9]{16}",  # docs.aws.amazon.com/IAM: "Unique identifiers"
    r"ASIA[A-Z0-9]{16}",
    r"hf_[A-Za-z0-9]{16,255}",  # huggingface.co/docs/hub/security-tokens
    r"eyJ[A-Za-z0-9_-]{8,512}\.[A-Za-z0-9_-]{8,8192}(?:\.[A-Za-z0-9_-]{0,2048})?",  # RFC 7519: both begin {"
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[\s\S]{0,20000}?-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|[\s\S]*)",
    r":(//[^\s/:@?#\"']{0,255}:)[^\s/?#\"']{1,1024}(?=@)",
    *(word + rf"([\"']?\s{{0,3}}:\s{{0,3}}[\"']?{_SCHEME})[^\r\n\"']{{1,8192}}" for word in _any_case("authorization")),
    *(word + rf"([\"']?\s{{0,3}}=\s{{0,3}}[\"']?{_SCHEME}){_VALUE}" for word in _any_case("authorization")),
    *(
        word + rf"([\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?){_VALUE}"
        for header in ("private-token", "job-token", "x-(?:api-key|auth-token|vault-token|amz-security-token)")
        for word in _any_case(header)
    ),
    *(mark + _QUERY for mark in (r"\?", "&", ";")),
)
_KEY_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY")
_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY")


@cache
def _by_look() -> re.Pattern[str]:
    """Compiled when it is asked first: a deck is painted before, and it takes as long as ten modules."""
    return re.compile("|".join(_PATTERNS))


def _masked(match: re.Match[str]) -> str:
    if match.lastindex is None:
        return MASK
    return match.group()[: match.end(match.lastindex) - match.start()] + MASK


class Redactor:
    """Masks every registered value, in the forms it may travel in, and whatever looks like a secret.

    Safe to use from several threads. Its repr shows no value.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, set[str]] = {}
        self._by_value: re.Pattern[str] | None = None
        self._stale = False

    def __repr__(self) -> str:
        return f"Redactor({len(self._values)} values)"

    def register(self, value: str) -> None:
        """Look for ``value`` from now on: as it is, url-encoded, in base64 at any offset, in JSON, line by line.

        A value shorter than `MIN_LENGTH` is ignored. The `MAX_VALUES` last ones are kept.
        """
        if len(value) < MIN_LENGTH:
            return
        with self._lock:
            if value in self._values:
                return
            self._values[value] = _forms(value)
            if len(self._values) > MAX_VALUES:
                del self._values[next(iter(self._values))]
            self._stale = True

    def redact(self, text: str) -> str:
        """``text`` with every secret replaced by `MASK`; the same object where there is none."""
        if self._stale:
            with self._lock:
                self._by_value = _alternatives(set().union(*self._values.values()))
                self._stale = False
        if self._by_value is not None:
            text = self._by_value.sub(MASK, text)
        return _by_look().sub(_masked, text)

    def lines(self) -> Callable[[str], str]:
        """`redact` for the lines of one stream, in order: also masks the body of a private key that spans lines."""
        left = 0

        def line(text: str) -> str:
            nonlocal left
            if left:
                ended = _KEY_END.search(text)
                left = 0 if ended else left - 1
                return MASK
            if _KEY_BEGIN.search(text) and not _KEY_END.search(text):
                left = MAX_KEY_LINES
            return self.redact(text)

        return line


def _alternatives(forms: set[str]) -> re.Pattern[str]:
    """One pattern for all ``forms``, the longest first, grouped by first character (see `_PATTERNS`)."""
    groups: dict[str, list[str]] = {}
    for form in sorted(forms, key=lambda form: (-len(form), form)):
        rest = re.sub(
            "%([0-9A-F])([0-9A-F])",
            lambda m: f"%[{m[1]}{m[1].lower()}][{m[2]}{m[2].lower()}]",
            re.escape(form[1:]) if form[0] != "%" else re.escape(form),
        )
        groups.setdefault(form[0], []).append(rest.removeprefix("%") if form[0] == "%" else rest)
    return re.compile("|".join(f"{re.escape(first)}(?:{'|'.join(rests)})" for first, rests in groups.items()))


def _forms(value: str) -> set[str]:
    """``value`` as it may stand in a url, a header, a JSON text or a log."""
    raw = value.encode("utf-8", "surrogateescape")
    forms = {value, quote(raw, safe=""), quote(raw), quote_plus(raw)}
    forms |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]}
    if len(raw) >= 6:
        forms |= _base64_forms(raw)
    if "\n" in value:
        forms |= {line.strip() for line in value.splitlines() if len(line.strip()) >= 16}
    return {form for form in forms if len(form) >= MIN_LENGTH}


def _base64_forms(raw: bytes) -> set[str]:
    """The characters that ``raw`` alone decides in a base64 text, at each of the three offsets it can have.

    So the value is found inside ``user:password`` of basic authentication, too.
    """
    forms = set()
    for offset in range(3):
        padded = b"\0" * offset + raw
        first = -(-offset * 8 // 6)
        last = len(padded) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(padded).decode()[first:last])
    return forms


REDACTOR = Redactor()
"""The program's own, with which every resolved secret registers itself."""


def redact(text: str) -> str:
    """``text`` through the program's own `Redactor`."""
    return REDACTOR.redact(text)
