"""A reader of tokens that knows how Prometheus words what it did not expect."""

from __future__ import annotations

from quarterdeck_demo.prometheus.syntax import QueryError, Token, parse_duration, refuse, tokens

__all__ = ["Cursor", "limit_of"]


def limit_of(what: str) -> str:
    return f"the practice server does not evaluate {what}"


class Cursor:
    """A place in the tokens of one query."""

    def __init__(self, query: str) -> None:
        self.query = query
        self.tokens = tokens(query)
        self.next = 0

    def peek(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.next + ahead, len(self.tokens) - 1)]

    def take(self) -> Token:
        token = self.peek()
        self.next += 1
        return token

    def accept(self, text: str) -> bool:
        if self.peek().kind in ("op", "name") and self.peek().text == text:
            self.next += 1
            return True
        return False

    def unexpected(self, token: Token, where: str = "", expected: str = "") -> QueryError:
        inside = f" in {where}" if where else ""
        wanted = f", expected {expected}" if expected else ""
        if token.kind == "end":
            what = "end of input"
        elif token.kind == "name":
            what = f'identifier "{token.text}"'
        elif token.kind in ("number", "string", "duration"):
            what = f'{token.kind} "{token.text}"' if token.kind != "string" else f"string {token.text}"
        else:
            what = f'"{token.text}"'
        return refuse(self.query, token.at, f"unexpected {what}{inside}{wanted}")

    def duration(self) -> int:
        token = self.take()
        if token.kind not in ("duration", "number"):
            raise self.unexpected(token, "subquery selector" if token.kind == "end" else "", "duration")
        if token.kind == "number":
            raise refuse(self.query, token.at, f'bad duration syntax: "{token.text}"')
        span = parse_duration(token.text)
        if span == 0:
            raise refuse(self.query, token.at, "duration must be greater than 0")
        return span
