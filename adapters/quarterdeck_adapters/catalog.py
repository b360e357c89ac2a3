"""The catalog of systems: a name, where its adapter lives, and what brings it. Nothing is imported until used.

Third parties add theirs by the entry point group `quarterdeck.adapters`: the name of the system, and
`module:Class` as value; the module may also offer `async discover(context) -> candidates`.
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
    """A system: `target` is `module:Class`; the module `discovery`, if any, has `async discover(context)`."""

    system: str
    target: str
    discovery: str = ""
    hint: str = ""


def _room(system: str, target: str, discovery: str = "", hint: str = "") -> Entry:
    """A system of ours; the modules are those of its room. Looking for it imports less than driving it."""
    room = f"quarterdeck_adapters.{system}"
    return Entry(system, f"{room}.{target}", discovery and f"{room}.{discovery}", hint)


BUILT_IN = (
    _room("git", "source:GitSource", "finding", hint="install git"),
    _room("docker", "adapter:DockerSource", "discovery"),
    _room("registry", "source:RegistrySource", "discovery"),
    _room("mlflow", "adapter:MlflowSource", "discovery"),
    _room("prometheus", "source:PrometheusSource", "discovery"),
    _room("github", "adapter:GithubSource", "discovery"),
    _room("gitlab", "adapter:GitlabSource"),
    _room("jenkins", "adapter:JenkinsSource"),
    _room("travis", "adapter:TravisSource"),
    _room("codepipeline", "adapter:CodePipelineSource", hint="pip install quarterdeck[aws]"),
    _room("buildbot", "adapter:BuildbotSource", "discovery"),
    _room("host", "adapter:HostSource", "adapter"),
    _room("local", "discovery:LocalSource", "discovery"),
)


@cache
def _third_party() -> tuple[Entry, ...]:
    from importlib.metadata import entry_points

    return tuple(Entry(ep.name, ep.value, ep.module) for ep in entry_points(group="quarterdeck.adapters"))


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


def _module(entry: Entry, module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ToolMissing(
            f"the adapter for {entry.system} cannot be loaded",
            source=entry.system,
            why=str(error),
            mend=entry.hint or f"install what {module} needs",
        ) from error


def load(system: str) -> type:
    """The adapter's class. Importing takes up to a tenth of a second. Raises ToolMissing or Unsupported."""
    entry = find(system)
    module, _, name = entry.target.partition(":")
    found: type = getattr(_module(entry, module), name)
    return found


def make(config: SourceConfig, context: Context) -> Source:
    """The adapter for a configured source. Raises QuarterdeckError; an adapter that fails to start ends nobody else."""
    entry = find(config.system)
    try:
        source: Source = load(config.system)(config, context)
    except QuarterdeckError:
        raise
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise ToolMissing(f"the adapter {entry.target} does not start", source=config.name, why=why) from error
    return source


def discoverer(entry: Entry) -> Discover | None:
    """The passive discovery of a system, when it has one. Raises ToolMissing."""
    found: Discover | None = getattr(_module(entry, entry.discovery), "discover", None) if entry.discovery else None
    return found
