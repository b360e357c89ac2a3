"""Query text to syntax tree, with the type checks that Prometheus makes before it evaluates."""

from __future__ import annotations

import re
from typing import Literal, cast

from quarterdeck_demo.prometheus.cursor import Cursor, limit_of
from quarterdeck_demo.prometheus.functions import ARGUMENTS, UNSUPPORTED
from quarterdeck_demo.prometheus.syntax import (
    Aggregate,
    Binary,
    Call,
    Expr,
    Matcher,
    Matching,
    MatchOp,
    Negate,
    Number,
    Paren,
    Selector,
    Text,
    Token,
    refuse,
    unquote,
)

__all__ = ["kind_of", "parse"]

Kind = Literal["scalar", "string", "instant vector", "range vector"]
LEVEL = {
    "or": 1, "and": 2, "unless": 2, "==": 3, "!=": 3, "<=": 3, "<": 3, ">=": 3, ">": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "%": 5, "^": 6,
}  # fmt: skip
COMPARISONS = frozenset({"==", "!=", "<=", "<", ">=", ">"})
SET_OPERATORS = frozenset({"and", "or", "unless"})
WITH_PARAMETER = frozenset({"topk", "bottomk", "quantile", "count_values"})
AGGREGATES = frozenset({"sum", "avg", "max", "min", "count", "group", "stddev", "stdvar", *WITH_PARAMETER})
UNARY_LEVEL = 5


def kind_of(expr: Expr) -> Kind:
    """The type of an expression, in Prometheus' words."""
    match expr:
        case Number():
            return "scalar"
        case Text():
            return "string"
        case Paren(inner=inner) | Negate(inner=inner):
            return kind_of(inner)
        case Selector():
            return "instant vector" if expr.range_ms is None else "range vector"
        case Call():
            return "scalar" if expr.name in ("time", "scalar", "pi") else "instant vector"
        case Aggregate():
            return "instant vector"
        case Binary():
            both = kind_of(expr.left) == "scalar" and kind_of(expr.right) == "scalar"
            return "scalar" if both else "instant vector"


def parse(query: str) -> Expr:
    """The syntax tree of a query; QueryError with Prometheus' message where the query is refused."""
    return Parser(query).whole()


class Parser(Cursor):
    """Precedence climbing over the tokens of one query."""

    def whole(self) -> Expr:
        if self.peek().kind == "end":
            raise refuse(self.query, 0, "no expression found in input")
        expr = self.expression(0)
        rest = self.peek()
        if rest.text == ")":
            raise refuse(self.query, rest.at + 1, "unexpected right parenthesis ')'")
        if rest.kind != "end":
            raise self.unexpected(rest)
        return expr

    def expression(self, level: int) -> Expr:
        left = self.unary()
        while (power := LEVEL.get(self.peek().text, 0)) > level and self.peek().kind in ("op", "name"):
            op = self.take()
            bool_ = self.accept("bool")
            if bool_ and op.text not in COMPARISONS:
                raise refuse(self.query, op.at, "bool modifier can only be used on comparison operators")
            matching = self.matching()
            right = self.expression(power - 1 if op.text == "^" else power)
            left = self.checked(Binary(op.text, left, right, bool_, matching, at=left.at), op.at)
        return left

    def unary(self) -> Expr:
        token = self.peek()
        if token.kind == "op" and token.text in "+-":
            self.take()
            inner = self.expression(UNARY_LEVEL)
            if kind_of(inner) not in ("scalar", "instant vector"):
                raise refuse(
                    self.query,
                    token.at,
                    "unary expression only allowed on expressions of type scalar or instant vector, "
                    f'got "{kind_of(inner)}"',
                )
            return Negate(inner, -1 if token.text == "-" else 1, token.at)
        return self.postfix(self.primary())

    def primary(self) -> Expr:
        token = self.take()
        following = self.peek().text
        if token.kind == "number":
            value = float(int(token.text, 16)) if token.text[:2].lower() == "0x" else float(token.text)
            if value == float("inf"):
                problem = f'error parsing number: strconv.ParseFloat: parsing "{token.text}": value out of range'
                raise refuse(self.query, token.at, problem)
            return Number(value, token.at)
        if token.kind == "string":
            return Text(unquote(token.text), token.at)
        if token.text == "(":
            inner = self.expression(0)
            if not self.accept(")"):
                if self.peek().kind == "end":
                    raise refuse(self.query, self.peek().at, "unclosed left parenthesis")
                raise self.unexpected(self.peek())
            return Paren(inner, token.at)
        if token.text == "{":
            self.next -= 1
            return self.selector(None, token.at)
        if token.kind == "name":
            if token.text in AGGREGATES and following in ("(", "by", "without"):
                return self.aggregate(token)
            if following == "(":
                return self.call(token)
            if token.text.lower() in ("nan", "inf"):
                return Number(float(token.text), token.at)
            return self.selector(token.text, token.at)
        raise self.unexpected(token)

    def postfix(self, expr: Expr) -> Expr:
        while True:
            token = self.peek()
            if token.text == "[" and token.kind == "op":
                expr = self.range_of(expr)
            elif token.text == "offset" and token.kind == "name":
                self.take()
                sign = -1 if self.accept("-") else 1
                shift = self.duration()
                if not isinstance(expr, Selector):
                    selectors = "an instant vector selector or range vector selector or a subquery"
                    raise refuse(self.query, expr.at, f"offset modifier must be preceded by {selectors}")
                expr = Selector(expr.matchers, expr.range_ms, sign * shift, expr.at)
            elif token.text == "@":
                raise refuse(self.query, token.at, limit_of("the @ modifier"), limit=True)
            else:
                return expr

    def range_of(self, expr: Expr) -> Expr:
        bracket = self.take()
        span = self.duration()
        if self.peek().text.startswith(":"):
            raise refuse(self.query, bracket.at, limit_of("subqueries"), limit=True)
        if not self.accept("]"):
            raise self.unexpected(self.peek(), "subquery or range", '"]"')
        if not isinstance(expr, Selector) or expr.range_ms is not None:
            raise refuse(self.query, expr.at, "ranges only allowed for vector selectors")
        return Selector(expr.matchers, span, expr.offset_ms, expr.at)

    def selector(self, name: str | None, at: int) -> Selector:
        matchers = [] if name is None else [Matcher("__name__", "=", name)]
        if self.accept("{"):
            while not self.accept("}"):
                matchers.append(self.matcher())
                if not self.accept(",") and self.peek().text != "}":
                    if self.peek().kind == "end":
                        raise refuse(self.query, self.peek().at, "unexpected end of input inside braces")
                    raise self.unexpected(self.peek(), "label matching", '"," or "}"')
        if all(matcher.matches("") for matcher in matchers):
            raise refuse(self.query, at, "vector selector must contain at least one non-empty matcher")
        return Selector(tuple(matchers), at=at)

    def matcher(self) -> Matcher:
        label = self.take()
        if label.kind == "end":
            raise refuse(self.query, label.at, "unexpected end of input inside braces")
        if label.kind != "name" or ":" in label.text:
            raise self.unexpected(label, "label matching", 'identifier or "}"')
        op = self.take()
        if op.kind == "end":
            raise refuse(self.query, op.at, "unexpected end of input inside braces")
        if op.text not in ("=", "!=", "=~", "!~"):
            raise self.unexpected(op, "label matching", "label matching operator")
        value = self.take()
        if value.kind != "string":
            raise self.unexpected(value, "label matching", "string")
        text = unquote(value.text)
        if "~" in op.text:
            try:
                re.compile(text)
            except re.error as error:
                raise refuse(self.query, label.at, f"error parsing regexp: {error.msg}: `^(?:{text})$`") from error
        return Matcher(label.text, cast(MatchOp, op.text), text)

    def labels(self) -> tuple[str, ...]:
        if not self.accept("("):
            raise self.unexpected(self.peek(), "grouping opts", '"("')
        found: list[str] = []
        while not self.accept(")"):
            token = self.take()
            if token.kind != "name":
                raise self.unexpected(token, "grouping opts", "label")
            found.append(token.text)
            if not self.accept(",") and self.peek().text != ")":
                raise self.unexpected(self.peek(), "grouping opts", '"," or ")"')
        return tuple(found)

    def grouping(self) -> tuple[bool, tuple[str, ...]] | None:
        for word in ("by", "without"):
            if self.accept(word):
                return word == "without", self.labels()
        return None

    def matching(self) -> Matching:
        for word in ("on", "ignoring"):
            if self.peek().text == word and self.peek(1).text == "(":
                self.take()
                found = Matching(word == "on", self.labels())
                if self.peek().text in ("group_left", "group_right"):
                    raise refuse(self.query, self.peek().at, limit_of(self.peek().text), limit=True)
                return found
        return Matching()

    def arguments(self) -> tuple[Expr, ...]:
        self.take()
        found: list[Expr] = []
        while not self.accept(")"):
            if self.peek().kind == "end":
                raise refuse(self.query, self.peek().at, "unclosed left parenthesis")
            found.append(self.expression(0))
            if not self.accept(",") and self.peek().text != ")":
                if self.peek().kind == "end":
                    raise refuse(self.query, self.peek().at, "unclosed left parenthesis")
                raise self.unexpected(self.peek())
        return tuple(found)

    def aggregate(self, token: Token) -> Aggregate:
        grouping = self.grouping()
        if self.peek().text != "(":
            raise self.unexpected(self.peek(), "aggregation")
        args = self.arguments()
        grouping = grouping or self.grouping() or (False, ())
        wanted = 2 if token.text in WITH_PARAMETER else 1
        if len(args) != wanted:
            problem = "wrong number of arguments for aggregate expression provided"
            raise refuse(self.query, token.at, f"{problem}, expected {wanted}, got {len(args)}")
        if token.text == "count_values":
            raise refuse(self.query, token.at, limit_of("count_values"), limit=True)
        if kind_of(args[-1]) != "instant vector":
            problem = f"expected type instant vector in aggregation expression, got {kind_of(args[-1])}"
            raise refuse(self.query, args[-1].at, problem)
        return Aggregate(token.text, args[-1], args[0] if wanted == 2 else None, *grouping, at=token.at)

    def call(self, token: Token) -> Call:
        name = token.text
        if name not in ARGUMENTS:
            if name in UNSUPPORTED:
                raise refuse(self.query, token.at, limit_of(f"{name}()"), limit=True)
            raise refuse(self.query, token.at, f'unknown function with name "{name}"')
        args = self.arguments()
        wanted, optional = ARGUMENTS[name]
        if not len(wanted) - optional <= len(args) <= len(wanted):
            least = "at least " if optional and len(args) < len(wanted) else "at most " if optional else ""
            count = len(wanted) - (optional if least == "at least " else 0)
            problem = f'expected {least}{count} argument(s) in call to "{name}", got {len(args)}'
            raise refuse(self.query, token.at, problem)
        for arg, kind in zip(args, wanted, strict=False):
            if kind_of(arg) != kind:
                problem = f'expected type {kind} in call to function "{name}", got {kind_of(arg)}'
                raise refuse(self.query, arg.at, problem)
        return Call(name, args, token.at)

    def checked(self, expr: Binary, op_at: int) -> Binary:
        kinds = {kind_of(expr.left), kind_of(expr.right)}
        if not kinds <= {"scalar", "instant vector"}:
            problem = "binary expression must contain only scalar and instant vector types"
            raise refuse(self.query, expr.at, problem)
        if expr.op in SET_OPERATORS and "scalar" in kinds:
            raise refuse(self.query, expr.at, f'set operator "{expr.op}" not allowed in binary scalar expression')
        if expr.op in COMPARISONS and kinds == {"scalar"} and not expr.bool_:
            raise refuse(self.query, op_at, "comparisons between scalars must use BOOL modifier")
        return expr
