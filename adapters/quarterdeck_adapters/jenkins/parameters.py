"""What a job asks for before a build, and how a build is given it.

https://www.jenkins.io/doc/book/pipeline/syntax/#parameters
https://javadoc.jenkins.io/hudson/model/ParameterDefinition.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci.inputs import SECRETS
from quarterdeck_adapters.ci.values import Json, rows, section, text
from quarterdeck_adapters.jenkins.api import Api
from quarterdeck_adapters.jenkins.places import path_of
from quarterdeck_config.schema import SecretRef
from quarterdeck_lifecycle.errors import Refused
from quarterdeck_lifecycle.ports import Parameter

DEFINITIONS = (
    "buildable,property[parameterDefinitions[_class,name,type,description,choices,defaultParameterValue[value]]]"
)
_FILES = ("FileParameterDefinition", "StashedFileParameterDefinition", "Base64FileParameterDefinition")
MASK = "••••"
SECRET_DEADLINE_S = 12.0


def definitions(job: Json) -> list[Json]:
    """The parameter definitions of a job."""
    return [each for property in rows(job, "property") for each in rows(property, "parameterDefinitions")]


def _spoken(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else text(value)


def parameter_of(definition: Json) -> Parameter:
    """A definition as what is asked for. A file cannot be given here: it is sent as an upload."""
    kind = text(definition.get("type")) or text(definition.get("_class")).rpartition(".")[2]
    listed = definition.get("choices")
    choices = tuple(_spoken(each) for each in listed) if isinstance(listed, list) else ()
    if kind == "BooleanParameterDefinition":
        choices = ("true", "false")
    secret = "Password" in kind or "Hidden" in kind
    title = text(definition.get("description")).partition("\n")[0][:200]
    if kind in _FILES:
        title = f"a file, which cannot be given here: {title}".rstrip(": ")
    return Parameter(
        name=text(definition.get("name")), title=title, choices=choices, secret=secret,
        default="" if secret else _spoken(section(definition, "defaultParameterValue").get("value")),
    )  # fmt: skip


def input_of(payload: Json) -> Parameter:
    """A parameter of an input step, as wfapi's pendingInputActions has it."""
    inner = section(payload, "definition")
    default = inner.get("defaultVal")
    return parameter_of({
        "name": payload.get("name"), "type": payload.get("type"), "description": payload.get("description"),
        "choices": inner.get("choices"), "defaultParameterValue": {"value": default},
    })  # fmt: skip


async def declared(api: Api, job: str) -> list[Parameter]:
    """What a new build of a job may be given. Raises QuarterdeckError."""
    found = definitions(await api.fields(path_of(job), DEFINITIONS))
    return [parameter_of(each) for each in found if text(each.get("name"))]


def masked(given: Mapping[str, str], known: Sequence[Parameter]) -> dict[str, str]:
    """The values as they may be shown: what a secret is read from, never the secret."""
    secret = {parameter.name for parameter in known if parameter.secret}
    return {name: value if name not in secret or value.startswith(SECRETS) else MASK for name, value in given.items()}


async def resolved(
    given: Mapping[str, str], known: Sequence[Parameter], secret: Callable[[SecretRef], str], source: str
) -> dict[str, str]:
    """The values as they are sent: secrets are read now, at the moment of use. Raises AuthFailed, Timeout, Refused."""
    hidden = {parameter.name for parameter in known if parameter.secret}
    made = dict(given)
    for name in hidden & made.keys():
        kind, _, where = made[name].partition(":")
        if kind not in ("env", "file") or not where:
            raise Refused(f"the value of {name} is a secret and was not taken", source=source)
        ref = SecretRef(env=where) if kind == "env" else SecretRef(file=where)
        made[name] = await call(
            partial(secret, ref), deadline=SECRET_DEADLINE_S, source=source, what=f"the value of {name}"
        )
    return made
