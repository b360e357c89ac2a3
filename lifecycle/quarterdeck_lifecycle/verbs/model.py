"""What a verb is."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

import msgspec


class VerbKind(StrEnum):
    """A view changes what is seen, local this program, a session hands the terminal over, a mutation a system."""

    VIEW = "view"
    LOCAL = "local"
    SESSION = "session"
    MUTATION = "mutation"


class Risk(StrEnum):
    """Harmless is done at once, disruptive asks once, dangerous cannot be undone and has the name typed."""

    HARMLESS = "harmless"
    DISRUPTIVE = "disruptive"
    DANGEROUS = "dangerous"


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """Something a verb needs before its preview. `ask` False takes the default unless it is given by name."""

    name: str
    prompt: str
    required: bool = True
    default: str = ""
    choices: tuple[str, ...] = ()
    ask: bool = True


class Verb(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that can be done. `applies_to` are kinds of records; empty means the screen itself."""

    id: str
    title: str
    kind: VerbKind
    key: str = ""
    screen: str = "deck"
    applies_to: tuple[str, ...] = ()
    risk: Risk = Risk.HARMLESS
    args: tuple[Argument, ...] = ()
    bulk: bool = False
    help: str = ""

    @property
    def confirm(self) -> Literal["key", "typed", "none"]:
        """Contract (`keys --json`): how it is confirmed outside protected environments."""
        if self.kind is not VerbKind.MUTATION or self.risk is Risk.HARMLESS:
            return "none"
        return "typed" if self.risk is Risk.DANGEROUS else "key"
