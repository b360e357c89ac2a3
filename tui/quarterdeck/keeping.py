"""What a running deck keeps for those outside its screen: its line for status bars, and its own log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.linekeeper import LineKeeper
from quarterdeck.ownlog import LOG, OwnLog
from quarterdeck_lifecycle.records import State

if TYPE_CHECKING:
    from quarterdeck.app import QuarterdeckApp

WELL = (State.FRESH, State.NONE, State.LOADING, State.PAUSED)


class Keeping:
    """Begun once the deck is painted, closed when it ends."""

    def __init__(self, app: QuarterdeckApp) -> None:
        self._app = app
        self._log = OwnLog(app.boot.env, debug=app.debug_mode)
        self._states: dict[tuple[str, str], str] = {}
        files = ", ".join(map(str, app.boot.loaded.files)) or "none"
        LOG.info("deck begins: project %s, config %s", app.boot.cwd, files)
        if app.boot.notice:
            LOG.warning("%s", app.boot.notice)
        self._leave = app.boot.hub.listen(self._changed)
        self._line = LineKeeper(app)

    def _changed(self, _kinds: frozenset[str]) -> None:
        """A source that fails is written down once, and once when it is well again."""
        for snap in self._app.boot.hub.snapshots():
            key = snap.source, snap.kind
            said = "" if snap.error is None or snap.state in WELL else str(snap.error)
            if said != self._states.get(key, ""):
                self._states[key] = said
                if said:
                    LOG.warning("%s %s: %s", *key, said)
                else:
                    LOG.info("%s %s: answers again", *key)

    def said(self, text: str, severity: str) -> None:
        """What the operator was told."""
        LOG.log({"error": 40, "warning": 30}.get(severity, 20), "said: %s", text)

    def close(self) -> None:
        """The deck ends."""
        self._leave()
        self._line.close()
        LOG.info("deck ends")
        self._log.close()
