"""What a project's `.gitlab-ci.yml` says that a new pipeline may be given. Pure.

https://docs.gitlab.com/ci/yaml/#variablesdescription https://docs.gitlab.com/ci/inputs/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.values import section, shown, text
from quarterdeck_config.masking import looks_secret
from quarterdeck_lifecycle.ports import Parameter

LARGEST = 512 * 1024
MOST = 60


class Declared(NamedTuple):
    """`inputs` are names that go as inputs, the others as variables; `known` is False where the file was not read."""

    known: bool
    parameters: tuple[Parameter, ...] = ()
    inputs: frozenset[str] = frozenset()


def _word(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else text(value)


def _choices(spec: Mapping[str, Any]) -> tuple[str, ...]:
    options = spec.get("options")
    return tuple(shown(_word(each)) for each in options[:MOST]) if isinstance(options, list) else ()


def _variable(name: str, value: Any) -> Parameter | None:
    """A global variable; those with a description are meant to be given, the others may be."""
    spec = value if isinstance(value, Mapping) else {"value": value}
    if isinstance(spec.get("value"), Mapping | list):
        return None
    return Parameter(
        name=name, title=shown(spec.get("description")), default=shown(_word(spec.get("value")), 500),
        choices=_choices(spec), secret=looks_secret(name),
    )  # fmt: skip


def _input(name: str, value: Any) -> Parameter:
    spec = value if isinstance(value, Mapping) else {}
    default = spec.get("default")
    return Parameter(
        name=name, title=shown(spec.get("description")), default=shown(_word(default), 500),
        choices=_choices(spec) or (("true", "false") if spec.get("type") == "boolean" else ()),
        required="default" not in spec, secret=looks_secret(name),
    )  # fmt: skip


def declared(raw: bytes) -> Declared:
    """Read the file. Anything that is not understood counts as not known; described variables come first."""
    import yaml

    if not raw or len(raw) > LARGEST:
        return Declared(False)

    class Loader(yaml.SafeLoader):
        """Takes GitLab's own tags, as `!reference`, for nothing."""

    Loader.add_multi_constructor("!", lambda *_: None)
    documents: list[Any] = []
    try:
        documents += yaml.load_all(raw.decode("utf-8", "replace"), Loader=Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return Declared(False)
    found = [each for each in documents if isinstance(each, Mapping)]
    if not found:
        return Declared(False)
    head = section(found[0], "spec", "inputs") if len(found) > 1 else {}
    inputs = [_input(str(name), value) for name, value in head.items()]
    given = [_variable(str(name), value) for name, value in section(found[-1], "variables").items()]
    variables = sorted((each for each in given if each is not None), key=lambda each: not each.title)
    parameters = (*inputs, *variables)[:MOST]
    return Declared(True, parameters, frozenset(each.name for each in inputs))
