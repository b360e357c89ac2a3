"""What the program adds to local runs: that their runners outlive its user's login, and that none outlives a world."""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from quarterdeck.releasing.outliving import Host, outlives, prefix, this_host
from quarterdeck_adapters.local import identity
from quarterdeck_adapters.local.book import Book
from quarterdeck_lifecycle.errors import QuarterdeckError


class Logind:
    """Satisfies `launching.Outliving` by what logind says here. Asked when the first run is previewed; blocks then."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    @cached_property
    def _host(self) -> Host:
        return this_host(self._env)

    def prefix(self, id: str) -> Sequence[str]:
        """As `outliving.prefix`."""
        return prefix(self._host, id)

    def lines(self) -> Sequence[str]:
        """What a run outlives: a line each for the link and the logout; a reboot ends it, and it shows as lost."""
        return (*outlives(self._host)[:2], "does not outlive a reboot: it shows as lost then")


def end_all(folder: Path) -> None:
    """End every local run that is kept in a folder, with what its step began."""
    book = Book({}, folder=str(folder))
    for key in book.pipelines():
        for number in book.numbers(key):
            try:
                kept = book.read(key, number)
            except QuarterdeckError:
                continue
            at = kept.state.current
            left = identity.members(kept.state.steps[at].pid, f"QUARTERDECK_RUN={kept.id}") if at >= 0 else []
            for pid, start in [(kept.state.pid, kept.state.start), *left] if not kept.booted else ():
                identity.send(pid, start, signal.SIGKILL)
