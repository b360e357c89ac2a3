"""What can be wrong with a config, said so that the operator can mend it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal


@dataclass(eq=True, unsafe_hash=True)
class ConfigError(Exception):
    """One problem in one file: where, which key, what was found, what was expected.

    ``line`` counts from 1 (0: the file as a whole). ``found`` never holds a text value from the file, because
    a secret may have been pasted there. A ``warning`` drops nothing: the entry it names is used.
    """

    file: str
    line: int
    key: str
    found: str
    expected: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        key = f"{self.key}: " if self.key else ""
        return f"{where}{key}found {self.found}, expected {self.expected}"


class Misfit(ValueError):
    """A value that does not fit its place; becomes a `ConfigError` where the file and the line are known."""

    def __init__(self, found: str, expected: str, field: str = "") -> None:
        super().__init__(f"found {found}, expected {expected}")
        self.found = found
        self.expected = expected
        self.field = field


class SecretError(Exception):
    """A secret reference that cannot be resolved: which reference, why, and what to do. Never the value."""


class UnsafeFolder(OSError):
    """A folder or file that other users may write to or own, where only the operator's own is safe."""


def plain(text: str, limit: int = 60) -> str:
    """``text`` from a file, cut to ``limit`` characters and without anything a terminal would obey."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: limit + 1])
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def one_of(names: Iterable[str], meant: str = "") -> str:
    """``names`` as a phrase; where ``meant`` is close to one of them, that one alone."""
    known = sorted(names)
    near = get_close_matches(meant.lower(), known, n=1, cutoff=0.65) if len(meant) <= 60 else []
    if near:
        return f"{near[0]} (did you mean that?)"
    if not known:
        return "nothing here"
    return known[0] if len(known) == 1 else "one of: " + ", ".join(known)
