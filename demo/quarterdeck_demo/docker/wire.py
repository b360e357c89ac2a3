"""How the engine writes values: times, ages, ids, errors, frames."""

from __future__ import annotations

import hashlib
import re
import struct
from datetime import UTC, datetime

from quarterdeck_demo.messages import Response, json_response

ZERO_TIME = "0001-01-01T00:00:00Z"
STDOUT, STDERR = 1, 2
NANO = 1_000_000_000

_UNIX = re.compile(r"(\d+)(?:\.(\d*))?")
_GO_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|h|m|s)")
_UNIT_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}


class EngineError(Exception):
    """An answer with an error status and `{"message": ...}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def response(self) -> Response:
        """The answer as the engine writes it."""
        return json_response({"message": self.message}, self.status, {"Content-Type": "application/json"})


def digest(*parts: object) -> str:
    """64 hex digits that depend on the parts alone: the practice world's ids."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()


def rfc3339(at: float | None, digits: int = 9) -> str:
    """Unix seconds as RFC 3339 in UTC, Go's zero time for `None`."""
    if at is None:
        return ZERO_TIME
    whole, rest = divmod(nanos(at), NANO)
    stamp = datetime.fromtimestamp(whole, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{stamp}.{rest:09d}Z" if digits else f"{stamp}Z"


def parse_unix(text: str) -> int:
    """`since`/`until` of logs and events: unix seconds with a fraction, as nanoseconds.

    Raises EngineError 500, as the engine does; clients turn other forms into this one.
    """
    found = _UNIX.fullmatch(text)
    if found is None:
        raise EngineError(500, f'strconv.ParseInt: parsing "{text.partition(".")[0]}": invalid syntax')
    return int(found[1]) * NANO + int((found[2] or "").ljust(9, "0")[:9])


def parse_time(text: str, now: float) -> int:
    """`until` of a prune as unix nanoseconds: as `parse_unix`, RFC 3339, or a Go duration before now."""
    if text and not _GO_DURATION.sub("", text):
        ago = sum(float(n) * _UNIT_S[unit] for n, unit in _GO_DURATION.findall(text))
        return nanos(now - ago)
    try:
        parsed = datetime.fromisoformat(text) if "-" in text else None
    except ValueError:
        raise EngineError(400, f"failed to parse value as time or duration: {text!r}") from None
    if parsed is None:
        return parse_unix(text)
    return nanos((parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp())


def nanos(at: float) -> int:
    """Epoch seconds as whole nanoseconds."""
    return round(at * NANO)


def human_duration(seconds: float) -> str:
    """The words of `docker ps`: go-units' HumanDuration."""
    whole = int(seconds)
    minutes, hours = whole // 60, round(whole / 3600)
    if whole < 1:
        return "Less than a second"
    if whole < 60:
        return "1 second" if whole == 1 else f"{whole} seconds"
    if minutes < 60:
        return "About a minute" if minutes == 1 else f"{minutes} minutes"
    if hours < 48:
        return "About an hour" if hours == 1 else f"{hours} hours"
    for limit, days, unit in (
        (24 * 14, 24, "days"),
        (24 * 60, 24 * 7, "weeks"),
        (24 * 365 * 2, 24 * 30, "months"),
    ):
        if hours < limit:
            return f"{hours // days} {unit}"
    return f"{hours // (24 * 365)} years"


def frame(stream: int, data: bytes) -> bytes:
    """One frame of a multiplexed stream: type, three zeros, big-endian length, data."""
    return struct.pack(">BxxxI", stream, len(data)) + data


def truthy(text: str) -> bool:
    """A boolean of the query string, as the engine reads it."""
    return text.strip().lower() not in ("", "0", "no", "false", "none")
