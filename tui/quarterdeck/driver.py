"""The terminal's driver, less one trap: a terminal that goes sends SIGCONT behind SIGHUP.

Textual's driver takes that for the end of a suspension and starts a second thread that reads the keys; nothing ends
that thread, and it keeps the process alive (and a core busy) without a terminal.
"""

from __future__ import annotations

from typing import Any

from textual.drivers.linux_driver import LinuxDriver


class DeckDriver(LinuxDriver):
    """Takes the terminal again only after it was given up."""

    def _sigcont_application(self, *args: Any) -> None:
        if self._must_signal_resume:
            super()._sigcont_application(*args)
