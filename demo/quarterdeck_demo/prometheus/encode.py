"""Answers of the Prometheus API byte for byte, and its numbers and times.

Source: https://prometheus.io/docs/prometheus/latest/querying/api/ .
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from quarterdeck_demo.gojson import go_json
from quarterdeck_demo.messages import Response
from quarterdeck_demo.prometheus.functions import Points
from quarterdeck_demo.prometheus.syntax import parse_duration
from quarterdeck_demo.prometheus.values import Labels, Sample

__all__ = [
    "failure", "matrix", "nanoseconds", "number", "parse_seconds", "parse_time", "scalar", "scientific",
    "success", "vector",
]  # fmt: skip

HEAD = {"Content-Type": "application/json"}


def number(value: float) -> str:
    """A sample value as Go's FormatFloat(v, 'f', -1, 64) prints it."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    text = format(Decimal(repr(value)), "f")
    return text.removesuffix(".0")


def scientific(value: float) -> str:
    """A value as an alert shows it: Go's 'e' format, shortest digits, at least two of exponent."""
    if not math.isfinite(value):
        return number(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    power = exponent + len(digits) - 1 if value else 0
    rest = "".join(map(str, digits[1:]))
    head = f"{'-' if sign else ''}{digits[0]}{'.' + rest if rest else ''}"
    return f"{head}e{'-' if power < 0 else '+'}{abs(power):02d}"


def instant(time: int) -> str:
    seconds, ms = divmod(time, 1000)
    return f"{seconds}.{ms:03d}" if ms else str(seconds)


def pair(time: int, value: float) -> str:
    return f'[{instant(time)},"{number(value)}"]'


def vector(found: Sequence[Sample], time: int) -> str:
    rows = (f'{{"metric":{go_json(dict(s.labels))},"value":{pair(time, s.value)}}}' for s in found)
    return f'{{"resultType":"vector","result":[{",".join(rows)}]}}'


def matrix(found: Sequence[tuple[Labels, Points]]) -> str:
    rows = (
        f'{{"metric":{go_json(dict(labels))},"values":[{",".join(pair(at, value) for at, value in points)}]}}'
        for labels, points in found
    )
    return f'{{"resultType":"matrix","result":[{",".join(rows)}]}}'


def scalar(value: float | str, time: int) -> str:
    kind, text = ("string", value) if isinstance(value, str) else ("scalar", number(value))
    return f'{{"resultType":"{kind}","result":[{number(time / 1000)},{go_json(text)}]}}'


def success(data: Any, warnings: Sequence[str] = ()) -> Response:
    """`data` is JSON text already, or an object."""
    text = data if isinstance(data, str) else go_json(data)
    more = f',"warnings":{go_json(list(warnings))}' if warnings else ""
    return Response(200, dict(HEAD), f'{{"status":"success","data":{text}{more}}}'.encode())


def failure(error: str, kind: str = "bad_data", status: int = 400) -> Response:
    body = go_json({"status": "error", "errorType": kind, "error": error})
    return Response(status, dict(HEAD), body.encode())


def parse_time(text: str) -> int:
    """Milliseconds of a Unix time in seconds or an RFC 3339 one; ValueError otherwise."""
    try:
        seconds = float(text)
    except ValueError:
        try:
            if "T" not in text:
                raise ValueError(text)
            seconds = datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise ValueError(f'cannot parse "{text}" to a valid timestamp') from None
    if not math.isfinite(seconds):
        raise ValueError(f'cannot parse "{text}" to a valid timestamp')
    return round(seconds * 1000)


def parse_seconds(text: str) -> int:
    """Milliseconds of a number of seconds or a duration such as `15s`; ValueError otherwise."""
    if re.fullmatch(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?", text):
        return round(float(text) * 1000)
    try:
        return parse_duration(text)
    except ValueError:
        raise ValueError(f'cannot parse "{text}" to a valid duration') from None


def nanoseconds(at: float) -> str:
    """Epoch seconds as Go prints a time in JSON: RFC 3339 in UTC without trailing zeros."""
    text = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".")
    return text + "Z"
