"""PromQL's syntax tree and lexer, for the part of the language that the practice server evaluates.

Source: https://prometheus.io/docs/prometheus/latest/querying/basics/ and .../operators/. Messages are those
of Prometheus 2.42, with `line:column` counted from 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

__all__ = [
    "Aggregate",
    "Binary",
    "Call",
    "ExecutionError",
    "Expr",
    "Matcher",
    "Matching",
    "Negate",
    "Number",
    "Paren",
    "QueryError",
    "Selector",
    "Text",
    "Token",
    "parse_duration",
    "tokens",
]

MatchOp = Literal["=", "!=", "=~", "!~"]
DURATION = re.compile(r"(?:(\d+)y)?(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+)s)?(?:(\d+)ms)?")
DURATION_MS = (31_536_000_000, 604_800_000, 86_400_000, 3_600_000, 60_000, 1_000, 1)
ESCAPES = {
    "n": "\n",
    "t": "\t",
    "r": "\r",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}

TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\n]*)
  | (?P<duration>(?:\d+(?:ms|[ywdhms]))+(?![\w]))
  | (?P<number>0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_:][A-Za-z0-9_:]*)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`[^`]*`)
  | (?P<op>=~|!~|==|!=|>=|<=|[-+*/%^<>=(){}\[\],:@])""",
    re.VERBOSE,
)


class QueryError(ValueError):
    """A query that is refused, as `bad_data`; `limit` marks a refusal of the practice server alone."""

    def __init__(self, message: str, *, limit: bool = False) -> None:
        super().__init__(message)
        self.limit = limit


class ExecutionError(ValueError):
    """A query that parses and cannot be evaluated on these series: Prometheus' `execution`."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token: `kind` is duration, number, name, string, op or end; `at` is its offset in the query."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Matcher:
    """One label matcher; an absent label matches as the empty string."""

    name: str
    op: MatchOp
    value: str

    def matches(self, value: str) -> bool:
        if self.op == "=":
            return value == self.value
        if self.op == "!=":
            return value != self.value
        found = re.fullmatch(self.value, value, re.DOTALL) is not None
        return found if self.op == "=~" else not found


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    at: int = 0


@dataclass(frozen=True, slots=True)
class Text:
    value: str
    at: int = 0


@dataclass(frozen=True, slots=True)
class Paren:
    inner: Expr
    at: int = 0


@dataclass(frozen=True, slots=True)
class Negate:
    inner: Expr
    sign: int
    at: int = 0


@dataclass(frozen=True, slots=True)
class Selector:
    """A vector selector; with `range_ms` a range selector."""

    matchers: tuple[Matcher, ...]
    range_ms: int | None = None
    offset_ms: int = 0
    at: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    name: str
    args: tuple[Expr, ...]
    at: int = 0


@dataclass(frozen=True, slots=True)
class Aggregate:
    op: str
    inner: Expr
    param: Expr | None = None
    without: bool = False
    labels: tuple[str, ...] = ()
    at: int = 0


@dataclass(frozen=True, slots=True)
class Matching:
    """How two vectors pair: on(labels) when `on`, else ignoring(labels)."""

    on: bool = False
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binary:
    op: str
    left: Expr
    right: Expr
    bool_: bool = False
    matching: Matching = field(default_factory=Matching)
    at: int = 0


Expr = Number | Text | Paren | Negate | Selector | Call | Aggregate | Binary


def parse_duration(text: str) -> int:
    """Milliseconds of a Prometheus duration such as `1h30m`; ValueError when it is none."""
    found = DURATION.fullmatch(text)
    if found is None or not text:
        raise ValueError(f'not a valid duration string: "{text}"')
    return sum(int(part) * unit for part, unit in zip(found.groups(), DURATION_MS, strict=True) if part)


def position(query: str, at: int) -> str:
    """`line:column` of an offset, both from 1."""
    before = query[:at]
    return f"{before.count(chr(10)) + 1}:{at - (before.rfind(chr(10)) + 1) + 1}"


def refuse(query: str, at: int, message: str, *, limit: bool = False) -> QueryError:
    return QueryError(f"{position(query, at)}: parse error: {message}", limit=limit)


def unquote(text: str) -> str:
    if text[0] == "`":
        return text[1:-1]

    def one(found: re.Match[str]) -> str:
        body = found.group(1)
        return ESCAPES[body] if body in ESCAPES else chr(int(body[1:], 16))

    return re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[abfnrtv\\\"'])", one, text[1:-1])


def tokens(query: str) -> list[Token]:
    """The tokens of a query, ended by one of kind `end`; QueryError on a character that starts none."""
    found: list[Token] = []
    at = 0
    while at < len(query):
        part = TOKEN.match(query, at)
        if part is None or part.lastgroup is None:
            character = query[at]
            if character in "\"'`":
                raise refuse(query, at, "unterminated quoted string")
            raise refuse(query, at, f"unexpected character: {character!r}")
        if part.lastgroup != "space":
            found.append(Token(part.lastgroup, part.group(), at))
        at = part.end()
    found.append(Token("end", "", len(query)))
    return found
