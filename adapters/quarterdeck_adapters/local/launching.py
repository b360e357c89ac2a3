"""Starting a runner: a process of its own session that nothing of the operator's can end by going away. Blocks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from quarterdeck_adapters.local.book import Book
from quarterdeck_adapters.local.model import OUTPUT, Spec
from quarterdeck_config.schema import Config
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.permit import require

MODULE = "quarterdeck_adapters.local.runner"
START_S = 30.0
"""Until the runner holds its lock, in seconds."""
_MAKES = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
"""What a make that the deck was started by says to the makes below it."""


class Outliving(Protocol):
    """What a runner outlives on this host. Both block for a few seconds, at most."""

    def prefix(self, id: str) -> Sequence[str]:
        """What goes before a runner's own command, so that it is not ended with its user's login."""

    def lines(self) -> Sequence[str]:
        """What it outlives, a line each."""


class SessionOnly:
    """A session of its own is all there is."""

    def prefix(self, id: str) -> Sequence[str]:  # noqa: ARG002 - part of the protocol
        """Nothing."""
        return ()

    def lines(self) -> Sequence[str]:
        """The link alone is sure."""
        return ("outlives your SSH link and this terminal",)


def step_env(env: Mapping[str, str], config: Config) -> dict[str, str]:
    """The environment of a run's steps: the operator's own, less the variables that hold the deck's credentials.

    Those are what the config names as `{env: NAME}` for a source or a webhook: they are meant for the deck's hosts.
    """
    refs = [ref for source in config.sources for ref in (source.token, source.password)]
    refs += [hook.token for hook in config.webhooks.values()]
    withheld = {ref.env for ref in refs if ref is not None and ref.env is not None} | set(_MAKES)
    return {name: value for name, value in env.items() if name not in withheld}


def withheld(env: Mapping[str, str], config: Config) -> list[str]:
    """The names of variables that steps do not get."""
    return sorted(env.keys() - step_env(env, config).keys())


def launch(
    book: Book, spec: Spec, env: Mapping[str, str], outliving: Outliving, python: Sequence[str] = (sys.executable, "-I")
) -> Spec:
    """Make the run's folder and start its runner; returns when that holds its lock, with the run's number.

    Raises Refused without a permit for the source, Unavailable when no runner could be started.
    """
    require(book.source, f"start of {spec.pipeline}")
    spec = book.make(spec)
    folder = book.folder(spec.key, spec.number)
    facts = {
        "CI": "true", "QUARTERDECK_PIPELINE": spec.pipeline, "QUARTERDECK_RUN": f"{spec.key}/{spec.number}",
        "QUARTERDECK_COMMIT": spec.tree.head, "QUARTERDECK_BRANCH": spec.tree.branch,
    }  # fmt: skip
    argv = [*python, "-m", MODULE, str(folder)]
    prefix = list(outliving.prefix(f"run-{spec.key}-{spec.number}"))
    try:
        if prefix:
            try:
                _spawn(folder, [*prefix, *argv], {**env, **facts, **spec.added})
                return spec
            except Unavailable:
                pass  # no scope of its own: it then does not outlive the last logout, and runs all the same
        _spawn(folder, argv, {**env, **facts, **spec.added})
    except Unavailable:
        book.discard(spec)
        raise
    return spec


def _spawn(folder: Path, argv: Sequence[str], env: Mapping[str, str]) -> None:
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        output = os.open(folder / OUTPUT, flags, 0o600)
        try:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(env), start_new_session=True,
                cwd="/", close_fds=True,
            )  # fmt: skip
        finally:
            os.close(output)
    except OSError as error:
        raise Unavailable("the runner was not started", why=error.strerror or str(error)) from error
    try:
        code = child.wait(START_S)
    except subprocess.TimeoutExpired as error:
        child.kill()
        child.wait()
        raise Unavailable("the runner was not started", why=f"it said nothing within {START_S:g} s") from error
    if code != 0:
        said = (folder / OUTPUT).read_text("utf-8", "replace").strip().splitlines()
        told = said[-1] if said else ""
        raise Unavailable("the runner did not start", why=f"exit code {code}{f': {told}' if told else ''}")
