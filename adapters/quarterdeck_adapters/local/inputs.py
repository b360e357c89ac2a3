"""What a run is given: what its pipeline declares, as variables of its environment or of make. Pure."""

from __future__ import annotations

from quarterdeck_adapters.ci import inputs
from quarterdeck_adapters.local.definitions import Pipeline
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.ports import Parameter

LONGEST = 4000


def parameters(pipeline: Pipeline) -> list[Parameter]:
    """What a run of it may be given."""
    title = "make variable" if pipeline.as_arguments else "environment variable"
    return [Parameter(name=name, title=title, default=default) for name, default in pipeline.inputs.items()]


def given(words: str, pipeline: Pipeline, source: str) -> dict[str, str]:
    """The variables of `key=value` words. Raises Refused."""
    found = inputs.parse(words, source)
    inputs.check(found, parameters(pipeline), source)
    for name, value in found.items():
        if "\0" in value or len(value) > LONGEST:
            raise Refused(f"the value of {name} was not taken", source=source, why="it is too long, or no text")
    # make expands $; what the shell of a recipe makes of a value is the recipe's.
    return {name: value.replace("$", "$$") for name, value in found.items()} if pipeline.as_arguments else found
