"""The mutations of an engine, by the ids of their verbs, and what they share."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quarterdeck_adapters.docker.endpoint import Endpoint
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unsupported
from quarterdeck_lifecycle.ports import Action, Preview
from quarterdeck_lifecycle.records import Record, Ref

if TYPE_CHECKING:
    from quarterdeck_adapters.docker.adapter import DockerSource


class Mutation:
    """What every action here has: its source, its verb, and how it refuses what is not its kind."""

    kinds: tuple[str, ...] = ("container",)

    def __init__(self, source: DockerSource, verb: str) -> None:
        self.source = source
        self.verb = verb

    def permitted(self, record: Record) -> str | None:
        """None when the verb fits this record now, else why not."""
        return None if record.ref.kind in self.kinds else f"not for this kind of thing: {record.ref.kind}"

    def check(self, ref: Ref) -> None:
        """Raise when a ref is not of this source or not of this verb's kind."""
        if ref.source != self.source.name:
            raise NotFound(f"{ref} is not of this engine", source=self.source.name)
        if ref.kind not in self.kinds:
            raise Unsupported(f"{self.verb} is not for this kind of thing: {ref.kind}", source=self.source.name)

    def moved(self, preview: Preview, token: object) -> None:
        """Raise Conflict when what the operator saw is not what is there now."""
        if preview.token != token:
            raise Conflict(
                f"{self.verb} was not sent", source=self.source.name,
                why="it changed since you looked", mend="look again, then decide anew",
            )  # fmt: skip

    def command(self, *words: str) -> str:
        """The line of the docker command that does the same."""
        return shlex.join([*docker_argv(self.source.engine().endpoint), *words])


def docker_argv(endpoint: Endpoint) -> list[str]:
    """`docker` pointed at an engine."""
    url = endpoint.url
    if endpoint.scheme in ("http", "https"):
        url = "tcp://" + url.partition("://")[2]
    argv = ["docker", "--host", url]
    if endpoint.scheme == "https":
        argv.append("--tlsverify" if endpoint.verify else "--tls")
        for flag, path in (("--tlscacert", endpoint.ca), ("--tlscert", endpoint.cert), ("--tlskey", endpoint.key)):
            argv += [flag, path] if path else []
    return argv


def truth(args: Mapping[str, str], name: str) -> bool:
    """A yes-or-no argument. Raises ValueError as Conflict for anything else."""
    value = args.get(name, "").strip().lower()
    if value in ("", "0", "no", "false"):
        return False
    if value in ("1", "yes", "true"):
        return True
    raise Conflict(f"{name}={value} is neither true nor false")


def whole(args: Mapping[str, str], name: str, default: int, most: int) -> int:
    """A whole number from 0 to `most`. Raises Conflict for anything else."""
    text = args.get(name, "").strip() or str(default)
    if not text.isascii() or not text.isdigit() or int(text) > most:
        raise Conflict(f"{name}={text} is no whole number from 0 to {most}")
    return int(text)


def size(count: Any) -> str:
    """Bytes as people read them, in powers of 1000, as the docker command does."""
    if not isinstance(count, int) or count < 0:
        return "size unknown"
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} B" if unit == "B" else f"{value:.3g} {unit}"
        value /= 1000
    return ""


def actions(source: DockerSource) -> dict[str, Action]:
    """Every mutation of this source."""
    from quarterdeck_adapters.docker import compose, container_actions, image_actions, prune

    found: dict[str, Action] = {}
    for verb, spec in container_actions.SPECS.items():
        found[verb] = container_actions.Change(source, verb, spec)
    found["container.remove"] = container_actions.Remove(source, "container.remove")
    found["image.pull"] = image_actions.Pull(source, "image.pull")
    found["image.remove"] = image_actions.Remove(source, "image.remove")
    for verb, plan in prune.PLANS.items():
        found[verb] = prune.Prune(source, verb, plan)
    for word in ("up", "down", "pull"):
        found[f"project.{word}"] = compose.Compose(source, f"project.{word}", word)
    return found
