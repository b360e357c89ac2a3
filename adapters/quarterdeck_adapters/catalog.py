"""The catalog of systems: a name, where its adapter lives, and what brings it. Nothing is imported until used.

Third parties add theirs by the entry point group `quarterdeck.adapters`: the name of the system, and
`module:Class` as value.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import Any

import msgspec

from quarterdeck_adapters.base import Context, Discover, SourceConfig
from quarterdeck_lifecycle.errors import QuarterdeckError, ToolMissing, Unsupported
from quarterdeck_lifecycle.ports import Source


class Entry(msgspec.Struct, frozen=True):
    """A system: `target` is `module:Class`; the module also offers `async discover(context) -> candidates`."""

    system: str
    target: str
    hint: str = ""


BUILT_IN = (
    Entry("git", "quarterdeck_adapters.git:GitSource", "install git"),
    Entry("docker", "quarterdeck_adapters.docker:DockerSource"),
    Entry("registry", "quarterdeck_adapters.registry:RegistrySource"),
    Entry("mlflow", "quarterdeck_adapters.mlflow:MlflowSource"),
    Entry("prometheus", "quarterdeck_adapters.prometheus:PrometheusSource"),
    Entry("github", "quarterdeck_adapters.github:GithubSource"),
    Entry("gitlab", "quarterdeck_adapters.gitlab:GitlabSource"),
    Entry("jenkins", "quarterdeck_adapters.jenkins:JenkinsSource"),
    Entry("travis", "quarterdeck_adapters.travis:TravisSource"),
    Entry("codepipeline", "quarterdeck_adapters.codepipeline:CodePipelineSource", "pip install quarterdeck[aws]"),
    Entry("buildbot", "quarterdeck_adapters.buildbot:BuildbotSource"),
    Entry("host", "quarterdeck_adapters.host:HostSource"),
    Entry("local", "quarterdeck_adapters.local.discovery:LocalSource"),
)


@cache
def _third_party() -> tuple[Entry, ...]:
    from importlib.metadata import entry_points

    return tuple(Entry(ep.name, ep.value) for ep in entry_points(group="quarterdeck.adapters"))


def entries() -> Iterator[Entry]:
    """Every known system, the built-in ones first. A third party cannot replace a built-in one."""
    yield from BUILT_IN
    known = {entry.system for entry in BUILT_IN}
    yield from (entry for entry in _third_party() if entry.system not in known)


def find(system: str) -> Entry:
    """The entry of a system. Raises Unsupported for one that nobody brought."""
    for entry in BUILT_IN:
        if entry.system == system:
            return entry
    for entry in entries():
        if entry.system == system:
            return entry
    known = ", ".join(sorted(entry.system for entry in entries()))
    raise Unsupported(f"no adapter for the system {system!r}", why=f"known are {known}")


def _load(entry: Entry) -> tuple[Any, str]:
    module, _, name = entry.target.partition(":")
    try:
        return import_module(module), name
    except ImportError as error:
        raise ToolMissing(
            f"the adapter for {entry.system} cannot be loaded",
            source=entry.system,
            why=str(error),
            mend=entry.hint or f"install what {module} needs",
        ) from error


def make(config: SourceConfig, context: Context) -> Source:
    """The adapter for a configured source. Raises QuarterdeckError; an adapter that fails to start ends nobody else."""
    entry = find(config.system)
    module, name = _load(entry)
    try:
        source: Source = getattr(module, name)(config, context)
    except QuarterdeckError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ToolMissing(f"the adapter {entry.target} does not start", source=config.name, why=why) from error
    return source


def discoverer(entry: Entry) -> Discover | None:
    """The passive discovery of a system, when it has one."""
    module, _ = _load(entry)
    found: Discover | None = getattr(module, "discover", None)
    return found
