"""What a new run is given: `key=value key2='with spaces'`, held to what its pipeline declares. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.ports import Parameter

SECRETS = ("env:", "file:")
"""How the value of a secret parameter is named: it is read at the moment of use and never shown nor recorded."""


def parse(words: str, source: str) -> dict[str, str]:
    """The inputs as a mapping. Raises Refused."""
    try:
        parts = shlex.split(words)
    except ValueError as error:
        mend = "write key=value key2='with spaces'"
        raise Refused("the inputs cannot be read", source=source, why=str(error), mend=mend) from error
    made: dict[str, str] = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise Refused("the inputs cannot be read", source=source, why=f"{part!r} is no key=value")
        made[name] = value
    return made


def joined(given: Mapping[str, str]) -> str:
    """The mapping as `parse` reads it."""
    return shlex.join(f"{name}={value}" for name, value in given.items())


def check(given: Mapping[str, str], declared: Sequence[Parameter], source: str) -> None:
    """Raise Refused for inputs that are not declared, are missing, no choice, or a secret that is not a reference."""
    known = {parameter.name: parameter for parameter in declared}
    if unknown := sorted(set(given) - set(known)):
        takes = ", ".join(known) or "none"
        raise Refused(f"the pipeline takes no input {', '.join(unknown)}", source=source, mend=f"it takes: {takes}")
    for name, parameter in known.items():
        value = given.get(name, "") or parameter.default
        if parameter.required and not value:
            raise Refused(f"the input {name} is missing", source=source, mend=f"give {name}=...")
        if parameter.choices and value and value not in parameter.choices:
            raise Refused(f"{name} cannot be {value}", source=source, mend=f"one of {', '.join(parameter.choices)}")
        if parameter.secret and given.get(name) and not given[name].startswith(SECRETS):
            raise Refused(
                f"the value of {name} is a secret and was not taken", source=source,
                mend=f"name where it is: {name}=env:NAME or {name}=file:/PATH",
            )  # fmt: skip
