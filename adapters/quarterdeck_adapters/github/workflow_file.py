"""The inputs that a workflow declares for being started by hand, and its concurrency group, read from its file.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#onworkflow_dispatchinputs
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, NamedTuple

from quarterdeck_adapters.ci.values import Json, section, text
from quarterdeck_lifecycle.errors import Refused

NONCES = ("nonce", "correlation_id", "distinct_id", "dispatch_id", "return_dispatch")
"""Names of inputs that exist to tell one's own run from others."""
LARGEST = 256 * 1024


class Declared(NamedTuple):
    """What a workflow takes: `inputs` by name; `known` is False when the file could not be read.

    `group` is the concurrency group of its runs as the file has it, expressions and all.
    """

    known: bool
    dispatch: bool = True
    inputs: Mapping[str, Json] = {}
    group: str = ""


def declared(content: Json) -> Declared:
    """Read a file of the contents API. Anything that is not understood counts as not known."""
    import yaml

    try:
        raw = base64.b64decode(text(content.get("content")).encode("ascii", "ignore"), validate=False)
    except (binascii.Error, ValueError):
        return Declared(False)
    if not raw or len(raw) > LARGEST:
        return Declared(False)
    try:
        document = yaml.safe_load(raw.decode("utf-8", "replace"))
    except (yaml.YAMLError, ValueError, RecursionError):
        return Declared(False)
    if not isinstance(document, Mapping):
        return Declared(False)
    # YAML 1.1 reads the bare word `on` as true.
    on: Any = document.get("on", document.get(True))
    concurrency = document.get("concurrency")
    group = text(concurrency) or text(section(document, "concurrency").get("group"))
    if isinstance(on, str | list):
        return Declared(True, "workflow_dispatch" in ([on] if isinstance(on, str) else on), group=group)
    if not isinstance(on, Mapping):
        return Declared(False)
    found = section(on, "workflow_dispatch", "inputs")
    inputs = {str(name): spec if isinstance(spec, Mapping) else {} for name, spec in found.items()}
    return Declared(True, "workflow_dispatch" in on, inputs, group)


def check_inputs(given: Mapping[str, str], wants: Declared, source: str) -> None:
    """Raise Refused for inputs that the workflow does not declare, lacks, or does not offer as a choice."""
    if not wants.known:
        return
    if unknown := sorted(set(given) - set(wants.inputs)):
        takes = ", ".join(wants.inputs) or "none"
        raise Refused(f"the workflow takes no input {', '.join(unknown)}", source=source, mend=f"it takes: {takes}")
    for name, spec in wants.inputs.items():
        if spec.get("required") is True and spec.get("default") in (None, "") and not given.get(name):
            raise Refused(f"the workflow needs the input {name}", source=source, mend=text(spec.get("description")))
        options = ["true", "false"] if spec.get("type") == "boolean" else spec.get("options")
        if name in given and isinstance(options, list) and given[name] not in map(text, options):
            raise Refused(f"{name} is one of {', '.join(map(text, options))}", source=source)
