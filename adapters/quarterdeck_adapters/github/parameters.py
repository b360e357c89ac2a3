"""What a new run of a workflow may be given: the inputs that its file declares.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#onworkflow_dispatchinputs
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quarterdeck_adapters.ci.values import Json, rows, shown, text
from quarterdeck_adapters.github.workflow_file import NONCES
from quarterdeck_lifecycle.errors import Forbidden, NotFound, Unsupported
from quarterdeck_lifecycle.ports import Parameter
from quarterdeck_lifecycle.records import Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.github.adapter import GithubSource
    from quarterdeck_adapters.github.places import Place

MOST_CHOICES = 100


async def of(source: GithubSource, ref: Ref) -> list[Parameter]:
    """The inputs of the workflow of a run, by its file on the default branch. Raises QuarterdeckError."""
    if ref.kind != "run":
        raise Unsupported(f"a {ref.kind} is not started", source=source.name, mend="take a run of its workflow")
    place = source.place(ref)
    run = await source.runs.read(place)
    name, path = shown(run.get("name")), text(run.get("path"))
    wants = await source.workflows.declared(place, path)
    if not wants.known:
        raise Unsupported(
            f"the inputs of {name} are not known", source=source.name,
            why=f"{shown(path) or 'its file'} could not be read on the default branch",
            mend="give the token contents: read, or write the inputs as key=value",
        )  # fmt: skip
    if not wants.dispatch:
        raise Unsupported(
            f"{name} cannot be started by hand", source=source.name,
            why="its file on the default branch has no workflow_dispatch under on:",
        )  # fmt: skip
    places: Sequence[str] = ()
    if any(text(spec.get("type")) == "environment" for spec in wants.inputs.values()):
        places = await _environments(source, place)
    return declared_parameters(wants.inputs, places)


async def _environments(source: GithubSource, place: Place) -> list[str]:
    try:
        body = await source.api.object(f"{place.root}/environments", {"per_page": MOST_CHOICES})
    except (NotFound, Forbidden):
        return []
    return [name for each in rows(body, "environments") if (name := text(each.get("name")))]


def declared_parameters(inputs: Mapping[str, Json], environments: Sequence[str] = ()) -> list[Parameter]:
    """The inputs of a file as parameters. What exists to tell runs apart is filled in and not asked for."""
    made = []
    for name, spec in inputs.items():
        if name in NONCES:
            continue
        kind, options = text(spec.get("type")), spec.get("options")
        choices: Sequence[str] = ()
        if kind == "boolean":
            choices = ("true", "false")
        elif kind == "environment":
            choices = environments
        elif isinstance(options, list):
            choices = [_word(option) for option in options]
        default = _word(spec.get("default")) or ("false" if kind == "boolean" else "")
        made.append(
            Parameter(
                name=name, title=shown(spec.get("description"), 120), default=default,
                choices=tuple(choices[:MOST_CHOICES]), required=spec.get("required") is True,
            )
        )  # fmt: skip
    return made


def _word(value: object) -> str:
    """A value of YAML as GitHub passes it on: `true` is no `True`."""
    return str(value).lower() if isinstance(value, bool) else text(value)
