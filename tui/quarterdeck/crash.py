"""The crash report: the traceback without locals, redacted, in a file of 0600."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from quarterdeck_config.secrets import redact
from quarterdeck_lifecycle.state import state_folder


def report(env: Mapping[str, str]) -> str:
    """Write the exception in flight to a private file; answers its path, or why there is none."""
    text = redact("".join(traceback.format_exception(*sys.exc_info(), limit=60, chain=True)))
    folder = state_folder(env) / "crashes"
    name = datetime.now(UTC).strftime("%Y%m%dT%H%M%S") + f"-{os.getpid()}.txt"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path: Path = folder / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError as error:
        return f"(no report could be written: {error})"
    return str(path)
