"""From exec to the first painted frame, and what a command without a screen imports."""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.report import Line, Settings
from bench.tap import BIN, COMPILED, Tap, bare, scratch
from parts.process import clean_env, free_port
from quarterdeck.statusline import Teller
from quarterdeck_lifecycle.statefolder import own_path

LIMIT = 1.5
LINE_MS = 50.0
"""What `status --line` may take more than an interpreter that does nothing."""
CONFIG = """\
sources:
  - {{name: engine, system: docker, url: "{docker}"}}
  - {{name: ml, system: mlflow, url: "{url}"}}
  - {{name: prom, system: prometheus, url: "{url}"}}
  - {{name: reg, system: registry, url: "{url}"}}
  - {{name: forge, system: github, url: "{url}", repos: [acme/fraud-api]}}
"""
STATUS = """\
import sys
from quarterdeck.grammar import cli
try:
    cli(["status", "--line", "--timeout", "5"], prog_name="quarterdeck")
except SystemExit:
    pass
print("screen:", "textual" in sys.modules)
"""


@contextmanager
def black_hole() -> Iterator[str]:
    """An address that takes connections and never answers."""
    with socket.socket() as hole:
        hole.bind(("127.0.0.1", 0))
        hole.listen(64)
        yield f"127.0.0.1:{hole.getsockname()[1]}"


def first_paint(settings: Settings) -> Sequence[Line]:
    """Medians of alternating runs: a bare app, the deck without a config, with everything down, with a black hole."""
    with scratch() as name, black_hole() as hole:
        folder = Path(name)
        down = f"127.0.0.1:{free_port()}"
        places = {"no config": folder / "none", "everything down": folder / "down", "a black hole": folder / "hole"}
        for place in places.values():
            place.mkdir()
        for words, url, docker in (
            ("everything down", down, "unix:///nowhere/docker.sock"), ("a black hole", hole, f"tcp://{hole}"),
        ):  # fmt: skip
            (places[words] / "quarterdeck.yaml").write_text(CONFIG.format(url=f"http://{url}", docker=docker))
        took: dict[str, list[float]] = {name: [] for name in ("bare", *places)}
        # Byte code and page cache.
        _deck(places["no config"])
        with bare() as app:
            app.seen("bare-app-painted")
        for _ in range(settings.repeats(9)):
            with bare() as app:
                took["bare"].append(app.seen("bare-app-painted") - app.started)
            for words, place in places.items():
                took[words].append(_deck(place))
    median = {words: 1000 * statistics.median(values) for words, values in took.items()}
    return [
        Line(
            f"first paint, {words}", median[words], "ms", f"<= {LIMIT}x", median[words] <= LIMIT * median["bare"],
            median["bare"], "bare app", f"{len(took[words])} runs: {_range(took[words])}; bare {_range(took['bare'])}",
        )
        for words in places
    ]  # fmt: skip


def _deck(folder: Path) -> float:
    with Tap([str(BIN / "quarterdeck")], cwd=folder) as deck:
        return deck.seen("Containers") - deck.started


def _range(seconds: Sequence[float]) -> str:
    return f"{1000 * min(seconds):.0f} to {1000 * max(seconds):.0f} ms"


def imports(settings: Settings) -> Sequence[Line]:
    """What `quarterdeck status` imports, and how long it and its help take beside an empty interpreter."""
    with scratch() as name:
        home = Path(name)
        env = clean_env(home, COMPILED)
        done = subprocess.run(
            [sys.executable, "-c", STATUS], env=env, cwd=home, capture_output=True, text=True, timeout=60, check=True
        )
        drawn = done.stdout.strip().endswith("screen: True")
        commands = {
            "pass": [sys.executable, "-c", "pass"],
            "help": [str(BIN / "quarterdeck"), "status", "--help"],
            "status": [str(BIN / "quarterdeck"), "status"],
        }
        took: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(settings.repeats(8)):
            for words, command in commands.items():
                began = time.monotonic()
                subprocess.run(command, env=env, cwd=home, stdout=subprocess.DEVNULL, check=False, timeout=60)
                took[words].append(1000 * (time.monotonic() - began))
    median = {words: statistics.median(values) for words, values in took.items()}
    return [
        Line("status: Textual imported", int(drawn), "", "0", not drawn),
        Line("status --help", median["help"], "ms", "", None, median["pass"], "python -c pass"),
        Line("status, nothing here", median["status"], "ms", "", None, median["pass"], "python -c pass",
             f"discovery included, {os.cpu_count()} cores"),
    ]  # fmt: skip


def status_line(settings: Settings) -> Sequence[Line]:
    """`quarterdeck status --line` beside a deck that tells, more than an empty interpreter takes to start."""
    with scratch() as name:
        home = Path(name)
        env = clean_env(home, COMPILED) | {"QUARTERDECK_STATE": str(home / "state")}
        teller = Teller(own_path("line", env), name)
        teller.tell("fraud ✗2 ‖1 FraudP95High prod 4m", 0, "{}")
        commands = {
            "pass": [sys.executable, "-c", "pass"], "line": [str(BIN / "quarterdeck"), "status", "--line"],
        }  # fmt: skip
        took: dict[str, list[float]] = {words: [] for words in commands}
        for _ in range(settings.repeats(20)):
            for words, command in commands.items():
                began = time.monotonic()
                subprocess.run(command, env=env, cwd=home, stdout=subprocess.DEVNULL, check=True, timeout=60)
                took[words].append(1000 * (time.monotonic() - began))
        teller.close()
    bare, line = (min(took[words]) for words in ("pass", "line"))
    more = line - bare
    return [
        Line("status --line, more than the interpreter", more, "ms", f"<= {LINE_MS:.0f} ms", more <= LINE_MS, bare,
             "python -c pass", f"the quickest of {len(took['line'])} runs; a deck's line is there"),
    ]  # fmt: skip
