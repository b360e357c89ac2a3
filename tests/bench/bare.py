"""The reference: a Textual app with a line, a field, and a line that follows the field. Imports nothing of the deck."""

import os

os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")

from textual.app import App, ComposeResult
from textual.widgets import Input, Static


class Bare(App[None]):
    """As little as an app can do."""

    ENABLE_COMMAND_PALETTE = False

    def compose(self) -> ComposeResult:
        """Two lines and a field."""
        yield Static("bare-app-painted")
        field = Input()
        field.cursor_blink = False
        yield field
        yield Static("", id="echo")

    def on_input_changed(self, event: Input.Changed) -> None:
        """Say what stands in the field."""
        self.query_one("#echo", Static).update(f"typed {len(event.value)} characters")


if __name__ == "__main__":
    Bare().run()
