"""Names that promise a secret, and the values that are therefore not shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache

from quarterdeck_config.redact import MASK, REDACTOR, Redactor

_ANYWHERE = re.compile(r"passw(?:or)?d|passphrase|secret|credential|token(?!i[sz])|apikey|api_key|private_?key|webhook")
_WORDS = frozenset({"dsn", "auth", "pat", "pwd", "pass", "pw", "cred", "creds", "cookie", "key", "keys", "jwt", "sas"})
_ENDS = ("key", "keys", "passwd", "pwd", "dsn")
_NOT_SECRET = frozenset({"pwd", "oldpwd"})
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SPLIT = re.compile(r"[^a-z0-9]+")
_ATTACHED = re.compile(r"(--?[A-Za-z0-9][\w.-]*|[A-Za-z_][\w.-]*)([=:])(.+)", re.DOTALL)


@lru_cache(maxsize=4096)
def _looks_secret(name: str) -> bool:
    lowered = name.lower()
    if lowered in _NOT_SECRET:
        return False
    if _ANYWHERE.search(lowered):
        return True
    words = [word for word in _SPLIT.split(_CAMEL.sub("_", name).lower()) if word]
    return any(word in _WORDS or word.endswith(_ENDS) for word in words)


def looks_secret(name: str, configured: Iterable[str] = ()) -> bool:
    """Whether an env variable, label or argument of this ``name`` is taken to hold a secret.

    By its words (PASSWORD, TOKEN, SECRET, KEY, CREDENTIAL, DSN, ..., in any case and notation) or because one
    of ``configured``, where ``*`` is a wildcard, matches it in any case. Errs on the side of masking.
    """
    lowered = name.lower()
    return _looks_secret(name) or any(fnmatchcase(lowered, pattern.lower()) for pattern in configured)


def mask_mapping(
    values: Mapping[str, str], configured: Iterable[str] = (), *, redactor: Redactor = REDACTOR
) -> dict[str, str]:
    """``values`` (env, labels) fit to be shown: masked by name, redacted by value; empty ones stay empty."""
    names = tuple(configured)
    return {
        name: MASK if value and looks_secret(name, names) else redactor.redact(value) for name, value in values.items()
    }


def mask_args(argv: Sequence[str], configured: Iterable[str] = (), *, redactor: Redactor = REDACTOR) -> tuple[str, ...]:
    """``argv`` fit to be shown: ``--token=x``, ``--token x``, ``TOKEN=x`` and ``Token: x`` lose their x."""
    names = tuple(configured)
    shown: list[str] = []
    hide_next = False
    for arg in argv:
        attached = _ATTACHED.fullmatch(arg)
        if hide_next and not arg.startswith("--"):
            shown.append(MASK)
            hide_next = False
        elif attached and looks_secret(attached[1].lstrip("-"), names):
            shown.append(f"{attached[1]}{attached[2]}{MASK}")
            hide_next = False
        else:
            shown.append(redactor.redact(arg))
            hide_next = arg.startswith("-") and not attached and looks_secret(arg.lstrip("-"), names)
    return tuple(shown)
