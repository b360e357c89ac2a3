"""What a run is given: `key=value ...`, as variables of its environment or of make. Pure."""

from __future__ import annotations

import re
import shlex

from quarterdeck_adapters.local.definitions import Pipeline
from quarterdeck_lifecycle.errors import Refused

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DECIDES = re.compile(
    r"PATH|SHELL|HOME|IFS|ENV|BASH_ENV|LD_\w*|DYLD_\w*|PYTHON\w*|PERL\w*|RUBY\w*|NODE_OPTIONS|GIT_\w*|QUARTERDECK_\w*"
    r"|MAKEFLAGS|MFLAGS|MAKEFILES|MAKE|CI"
)
"""Variables that decide which program runs, or what the deck says itself."""
MOST, LONGEST = 50, 4000


def parse_inputs(text: str, pipeline: Pipeline, source: str) -> dict[str, str]:
    """The variables of `key=value` words, quoted as in a shell; nothing in them is expanded. Raises Refused."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise Refused("the inputs cannot be read", source=source, why=str(error), mend="key=value ...") from error
    found: dict[str, str] = {}
    for word in words:
        name, sep, value = word.partition("=")
        if not sep or not _NAME.fullmatch(name) or "\0" in value or len(value) > LONGEST:
            raise Refused(f"{word[:60]} is no input", source=source, why="inputs are key=value ...")
        if _DECIDES.fullmatch(name):
            raise Refused(f"{name} is not taken as an input", source=source, why="it decides what runs")
        if not pipeline.open_inputs and name not in pipeline.inputs:
            offered = ", ".join(pipeline.inputs) or "none"
            raise Refused(f"{pipeline.name} takes no {name}", source=source, why=f"its Makefile leaves open: {offered}")
        found[name] = value
    if len(found) > MOST:
        raise Refused(f"{len(found)} inputs are too many", source=source, why=f"at most {MOST}")
    # make expands $; what the shell of a recipe makes of a value is the recipe's.
    return {name: value.replace("$", "$$") for name, value in found.items()} if pipeline.as_arguments else found
