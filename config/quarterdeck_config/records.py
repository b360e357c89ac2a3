"""What the config's records share: their base, bounded texts and numbers, and the secret reference."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from quarterdeck_config.errors import Misfit
from quarterdeck_config.forms import Argv, FilePath

Text = Annotated[str, Meta(min_length=1, max_length=4096)]
Count = Annotated[int, Meta(ge=1, le=10_000)]
Share = Annotated[float, Meta(gt=0, le=1)]


class Record(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every mapping of the config shares: immutable, no unknown keys."""

    __expected__: ClassVar[str] = "a mapping"
    """How a message calls this mapping."""
    __shorthand__: ClassVar[str] = ""
    """The field that a bare text stands for, if one may."""


class SecretRef(Record, frozen=True):
    """Where a secret is kept: exactly one of the four. The secret itself never stands in the config."""

    __expected__: ClassVar[str] = "{env|file|command|keyring}"

    env: Text | None = None
    file: FilePath | None = None
    command: Argv | None = None
    keyring: Text | None = None
    """``SERVICE`` or ``SERVICE/USER`` in the desktop's keyring."""

    def __post_init__(self) -> None:
        given = [name for name in ("env", "file", "command", "keyring") if getattr(self, name) is not None]
        if len(given) != 1:
            raise Misfit(" and ".join(given) or "an empty mapping", f"exactly one of {self.__expected__}")

    @property
    def kind(self) -> str:
        """env, file, command or keyring."""
        return next(n for n in ("env", "file", "command", "keyring") if getattr(self, n) is not None)
