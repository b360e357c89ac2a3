"""The reference: a Textual app with one line. Imports nothing of the deck."""

import os

os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")

from textual.app import App, ComposeResult
from textual.widgets import Static


class Bare(App[None]):
    """As little as an app can do."""

    ENABLE_COMMAND_PALETTE = False

    def compose(self) -> ComposeResult:
        """One line."""
        yield Static("bare-app-painted")


if __name__ == "__main__":
    Bare().run()
