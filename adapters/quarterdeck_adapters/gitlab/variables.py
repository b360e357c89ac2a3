"""Variables that go to a pipeline or a job: as GitLab takes them, and as they are shown, without secrets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.blocking import call
from quarterdeck_adapters.ci.inputs import SECRETS
from quarterdeck_adapters.ci.values import text
from quarterdeck_config.errors import Misfit
from quarterdeck_config.masking import looks_secret
from quarterdeck_config.redact import MASK
from quarterdeck_config.schema import SecretRef
from quarterdeck_lifecycle.errors import Refused

if TYPE_CHECKING:
    from quarterdeck_adapters.gitlab.adapter import GitlabSource

SECRET_S = 12.0


def listed(given: Mapping[str, str]) -> list[dict[str, str]]:
    """As GitLab takes them: https://docs.gitlab.com/api/pipelines/#create-a-new-pipeline"""
    return [{"key": key, "value": value} for key, value in given.items()]


def is_reference(name: str, value: str) -> bool:
    """Whether a value only names where a secret is."""
    return looks_secret(name) and value.startswith(SECRETS)


def checked(given: Mapping[str, str], source: str) -> None:
    """Raise Refused for a secret that was typed: previews and the ledger would hold it."""
    for name, value in given.items():
        if value and looks_secret(name) and not value.startswith(SECRETS):
            raise Refused(
                f"the value of {name} is a secret and was not taken", source=source,
                mend=f"name where it is: {name}=env:NAME or {name}=file:/PATH",
            )  # fmt: skip


def _each(body: Any, change: Callable[[str, str], str]) -> Any:
    if not isinstance(body, Mapping):
        return body
    made = dict(body)
    for key in ("variables", "job_variables_attributes"):
        if isinstance(listed := made.get(key), list):
            made[key] = [{**one, "value": change(text(one.get("key")), text(one.get("value")))} for one in listed]
    return made


def masked(body: Mapping[str, Any] | None) -> Any:
    """A body fit to be shown: references stay, other secrets go."""

    def hidden(name: str, value: str) -> str:
        return MASK if value and looks_secret(name) and not is_reference(name, value) else value

    return _each(body, hidden)


async def _secret(source: GitlabSource, reference: str) -> str:
    kind, _, rest = reference.partition(":")
    try:
        ref = SecretRef(env=rest) if kind == "env" else SecretRef(file=rest)
    except Misfit as error:
        raise Refused(f"{reference} names no secret", source=source.name, why=str(error)) from error
    return await call(
        lambda: source.secret(ref), deadline=SECRET_S, source=source.name, what=f"the secret {reference}"
    )


async def resolved(source: GitlabSource, body: Mapping[str, Any] | None) -> Any:
    """A body as it is sent: every reference replaced by what it names. Raises QuarterdeckError."""
    found: dict[str, str] = {}

    def note(name: str, value: str) -> str:
        if is_reference(name, value):
            found[value] = ""
        return value

    _each(body, note)
    for value in found:
        found[value] = await _secret(source, value)
    return _each(body, lambda name, value: found[value] if is_reference(name, value) else value)
