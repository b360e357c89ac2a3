"""The operator's own commands (`commands:` in the config): argv templates filled from a row. Pure; nothing is run.

A template is a program and its arguments, never a shell line. `{field}` stands for a field of the row, in one argv
item whatever its value holds; `{{` and `}}` are braces. A value is refused where it could turn into something else:
where it would begin an item with '-' (unless `--` stands before it), and in the text of a shell's or interpreter's -c.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from posixpath import basename

from quarterdeck_config.keymap import normal_key
from quarterdeck_config.schema import Command
from quarterdeck_lifecycle.errors import QuarterdeckError
from quarterdeck_lifecycle.records import Record, record_types
from quarterdeck_lifecycle.text import clean_line
from quarterdeck_lifecycle.verbs import Registry, Risk, Verb, VerbKind
from quarterdeck_lifecycle.verbs.registry import RESERVED

PREFIX = "commands."
_FIELD = re.compile(r"\{\{|\}\}|\{([a-z_]+)\}")
_INTERPRETERS = re.compile(r"(?:ba|da|z|k|c|tc|fi)?sh|python[\d.]*|perl|ruby|node|awk|gawk|eval")
_OWN_KEYS_REFUSED = frozenset({"enter", "space", "tab", "backspace", "escape", "y", "q", "colon", "question_mark"})
_CONTROL = frozenset(f"ctrl+{key}" for key in "czqmijh")


class Refused(QuarterdeckError):
    """A template that cannot be filled from this row."""

    word = "refused"


def fields(record: Record) -> dict[str, str]:
    """What a template may name of a row: its text fields, and `ref`, `id`, `kind`, `source`. `id` is as it was sent."""
    found = {
        name: str(value)
        for name in record.__struct_fields__
        if name != "ref" and isinstance(value := getattr(record, name), str | int | float)
        and not isinstance(value, bool)
    }  # fmt: skip
    return found | {"ref": str(record.ref), "id": record.ref.id, "kind": record.kind, "source": record.ref.source}


def named(template: str) -> list[str]:
    """The fields that a template names."""
    return [found[1] for found in _FIELD.finditer(template) if found[1]]


def filled(name: str, argv: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """The argv for these values. Raises Refused; no value ever becomes two items or another program."""
    if named(argv[0]):
        raise _refused(name, "its program is a field of the row", "name the program itself as the first of argv")
    made, free = [argv[0].replace("{{", "{").replace("}}", "}")], False
    for place, item in enumerate(argv[1:], 1):
        if named(item) and _is_code(argv[:place]):
            mend = f"pass it behind the text: [{argv[0]}, -c, '... \"$1\"', name, '{item}']"
            raise _refused(name, f"{item} would be read as code", mend)
        value = _fill(name, item, values)
        if value.startswith("-") and not item.startswith("-") and not free:
            why = f"{clean_line(value, 60)!r} would be read as an option"
            raise _refused(name, why, f"write '--' before {item} in argv, or --option={item}")
        free = free or item == "--"
        made.append(value)
    return tuple(made)


def filled_env(name: str, env: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """The command's own variables for these values. Raises Refused."""
    return {key: _fill(name, value, values) for key, value in env.items()}


def _fill(name: str, template: str, values: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        if found[0] in ("{{", "}}"):
            return found[0][0]
        text = values.get(found[1], "")
        if not text:
            mend = f"it has {', '.join(key for key, held in values.items() if held)}"
            raise _refused(name, f"this row has no {found[1]}", mend)
        if "\0" in text:
            raise _refused(name, f"{found[1]} holds a NUL, which no argument can", "")
        return text

    return _FIELD.sub(value, template)


def _is_code(before: Sequence[str]) -> bool:
    """Whether the next item is the text of a shell's or interpreter's -c or -e."""
    last = before[-1]
    if not re.fullmatch(r"-[a-zA-Z]*[ce]|--?(?:command|eval|exec)", last):
        return False
    return any(_INTERPRETERS.fullmatch(basename(item)) for item in before)


def _refused(name: str, why: str, mend: str) -> Refused:
    return Refused(f"the command {name} is not run", why=why, mend=mend)


def verbs_of(commands: Mapping[str, Command], registry: Registry) -> tuple[list[Verb], tuple[str, ...]]:
    """A verb for each command, and what was refused of them. `registry` holds the program's own verbs and keys.

    A key that the program has where the command applies is left away; the command stays on the command line. Two
    commands may share a key: it opens their menu.
    """
    kinds = sorted({known.kind for known in record_types() if known.kind})
    verbs: list[Verb] = []
    problems: list[str] = []
    taken = {
        (key, place)
        for verb in registry.screen("deck")
        for key in registry.keys(verb.id)
        for place in verb.applies_to or ("",)
    } | {(key, "") for key in RESERVED}
    for name, command in commands.items():
        where = f"commands.{name}"
        unknown = [scope for scope in command.scopes if scope not in kinds]
        if unknown:
            problems.append(f"{where}.scopes: found {unknown[0]}, expected kinds of rows: {', '.join(kinds)}")
            continue
        key, why = _key(command.key or "", command.scopes, taken)
        if why:
            problems.append(f"{where}.key: found {command.key}, expected another key: {why}")
        verbs.append(
            Verb(
                id=f"{PREFIX}{name}", key=key, title=name, kind=VerbKind.SESSION, applies_to=command.scopes,
                risk=Risk.DANGEROUS if command.dangerous else Risk.DISRUPTIVE if command.confirm else Risk.HARMLESS,
                help=command.description or " ".join(command.argv),
            )
        )  # fmt: skip
    return verbs, tuple(problems)


def _key(wanted: str, scopes: Iterable[str], taken: set[tuple[str, str]]) -> tuple[str, str]:
    if not wanted:
        return "", ""
    try:
        key = normal_key(wanted)
    except ValueError:
        return "", "this is no key, such as x, X, ctrl+x or f5"
    if key in _OWN_KEYS_REFUSED or key in _CONTROL:
        return "", "this one is reserved"
    places = tuple(scopes)
    if any(known == key and (not place or not places or place in places) for known, place in taken):
        return "", "it is taken where the command applies"
    return key, ""
