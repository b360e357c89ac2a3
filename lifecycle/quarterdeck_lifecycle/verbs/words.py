"""A verb as the command line that does the same."""

from __future__ import annotations

import shlex

from quarterdeck_lifecycle.ports import Preview


def do_command(preview: Preview) -> str:
    """`quarterdeck do VERB REF --arg k=v`: quoted for a shell; it previews and asks as the screen does."""
    words = ["quarterdeck", "do", preview.verb, str(preview.ref)]
    for name, value in preview.args.items():
        words += ["--arg", f"{name}={value}"] if value else []
    return shlex.join(words)
