"""What a force scheduler takes: the form of the web, read flat. Pure.

https://docs.buildbot.net/latest/manual/configuration/schedulers.html#forcescheduler-scheduler
https://docs.buildbot.net/latest/developer/raml/forcescheduler.html
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.values import Json, rows, sha_of, text
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.ports import Parameter

OF_SOURCE = ("branch", "revision", "repository", "project")
_NESTED = 6


class Field(NamedTuple):
    """One field of the form; `codebase` marks those that choose what is built."""

    name: str
    label: str
    kind: str
    default: str
    choices: tuple[str, ...]
    strict: bool
    required: bool
    multiple: bool
    codebase: bool

    @property
    def settable(self) -> bool:
        """Whether somebody may give it a value that is text."""
        return self.kind not in ("fixed", "file", "nested")


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(text, value)) if isinstance(value, list) else text(value)


def flat(scheduler: Json) -> list[Field]:
    """The fields of a force scheduler, those in groups too."""
    return list(_flat(rows(scheduler, "all_fields"), 0, codebase=False))


def _flat(found: Sequence[Json], depth: int, *, codebase: bool) -> Iterator[Field]:
    for spec in found:
        inner = rows(spec, "fields")
        if inner or spec.get("type") == "nested":
            names = {text(each.get("name")) for each in inner}
            if depth < _NESTED:
                yield from _flat(inner, depth + 1, codebase=codebase or {"repository", "revision"} <= names)
            continue
        name = text(spec.get("fullName")) or text(spec.get("name"))
        choices = spec.get("choices")
        if name:
            yield Field(
                name, text(spec.get("label")), text(spec.get("type")), _said(spec.get("default")),
                tuple(map(text, choices)) if isinstance(choices, list) else (), spec.get("strict") is not False,
                spec.get("required") is True, spec.get("multiple") is True,
                codebase and text(spec.get("name")) in OF_SOURCE,
            )  # fmt: skip


def parameters(fields: Sequence[Field]) -> list[Parameter]:
    """What is asked for before a run; branch and revision are asked for by themselves."""
    return [
        Parameter(
            name=each.name, title=each.label if each.label != each.name else "", default=each.default,
            choices=("true", "false") if each.kind == "bool" else each.choices if each.strict else (),
            required=each.required,
        )
        for each in fields
        if each.settable and not each.codebase
    ]  # fmt: skip


def of_ref(fields: Sequence[Field], ref: str) -> dict[str, str]:
    """The fields that make a run build a branch, a tag or a commit; none where the form does not offer them."""
    wanted = "revision" if sha_of(ref) else "branch"
    offered = [each.name for each in fields if each.codebase and each.settable]
    return {name: ref for name in offered if name == wanted or name.endswith(f"_{wanted}")}


def values(fields: Sequence[Field], given: Mapping[str, str], source: str) -> dict[str, Any]:
    """The given values as the API takes them. Raises Refused for one of another type."""
    made: dict[str, Any] = {}
    kinds = {each.name: each for each in fields}
    for name, value in given.items():
        field = kinds[name]
        if field.kind == "bool":
            if value not in ("true", "false"):
                raise Refused(f"{name} is true or false", source=source)
            made[name] = value == "true"
        elif field.kind == "int":
            try:
                made[name] = int(value)
            except ValueError as error:
                raise Refused(f"{name} is a whole number, {value!r} is none", source=source) from error
        else:
            made[name] = [part.strip() for part in value.split(",")] if field.multiple else value
    return made
