"""A deploy of a container, against the same steps by hand with the Docker command line."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.report import Line, Settings
from bench.tap import scratch
from parts import images
from parts.engine import IDLE, Engine
from parts.needs import program
from parts.registry import Registry

IMAGE_MB = 50
MORE_S, TIMES = 1.5, 1.15
WAITS = ("gate", "soak")
"""Steps whose time is the gate's own waiting."""


def deploys(settings: Settings) -> Sequence[Line]:
    """Two images of 50 MB in turn, pulled anew each time, by the runner and by hand."""
    why = Engine.missing() or Registry.missing()
    if why is not None:
        raise RuntimeError(f"needs {why}")
    with scratch() as name, ExitStack() as stack:
        engine, registry = stack.enter_context(Engine()), stack.enter_context(Registry())
        repository = f"{registry.address}/team/app"
        for tag in ("0", "1", "2"):
            _push(engine, repository, tag)
        engine.network("front")
        home = Path(name)
        ours, by_hand = [], []
        engine.api.pull(repository, "0")
        engine.run(f"{repository}:0", name="app", network="front")
        engine.api.pull(repository, "0")
        engine.run(f"{repository}:0", name="hand", network="front")
        env = _configured(home, engine, repository)
        for turn in range(2 * max(2, settings.repeats(4) // 2)):
            tag = str(1 + turn % 2)
            _forget(engine, repository, "app")
            ours.append(_deploy(env, home, tag))
            _forget(engine, repository, "app", "hand")
            by_hand.append(_by_hand(engine, f"{repository}:{tag}", turn))
    value, reference = statistics.median(ours), statistics.median(by_hand)
    note = f"{IMAGE_MB} MB from a registry here; ours {_told(ours)}; by hand {_told(by_hand)}"
    budget = f"<= {TIMES}x + {MORE_S} s"
    allowed = TIMES * reference + MORE_S
    return [Line("deploy: first to last step", value, "s", budget, value <= allowed, reference, "by hand", note)]


def _told(seconds: Sequence[float]) -> str:
    return " ".join(f"{each:.2f}" for each in seconds)


def _push(engine: Engine, repository: str, tag: str) -> None:
    """An image that shares no layer with the others, of noise that does not compress."""
    noise = os.urandom(IMAGE_MB * 1_000_000 // 2).hex()
    tar = images.busybox_tar({"/noise": noise, "/tag": tag})
    engine.api.import_image_from_data(tar, repository, tag, changes=[f"CMD {json.dumps(list(IDLE))}"])
    for line in engine.api.push(repository, tag=tag, stream=True, decode=True):
        if "error" in line:
            raise RuntimeError(line["error"])
    engine.api.remove_image(f"{repository}:{tag}")


def _forget(engine: Engine, repository: str, *names: str) -> None:
    """Remove what earlier turns left, so that an image is pulled whole."""
    running = {each["ImageID"] for each in engine.api.containers()}
    for each in engine.api.containers(all=True):
        if each["State"] != "running" and any(n in "".join(each["Names"]) for n in names):
            engine.api.remove_container(each["Id"], force=True)
    for image in engine.api.images(repository, all=True):
        if image["Id"] not in running:
            engine.api.remove_image(image["Id"], force=True)


def _configured(home: Path, engine: Engine, repository: str) -> dict[str, str]:
    config = home / "config" / "quarterdeck" / "config.yaml"
    config.parent.mkdir(parents=True)
    service = {
        "image": repository, "keep": 1, "probe": "none", "gate": {"passes": 1, "within": "30s", "soak": "0s"},
        "environments": {"dev": {"targets": [{"kind": "container", "source": "engine", "name": "app"}]}},
    }  # fmt: skip
    config.write_text(
        json.dumps({
            "environments": {"dev": {}}, "sources": [{"name": "engine", "system": "docker", "url": engine.url}],
            "services": {"app": service},
        })
    )  # fmt: skip
    kept = {key: value for key, value in os.environ.items() if key in ("PATH", "LANG")}
    return kept | {
        "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "QUARTERDECK_STATE": str(home / "state"),
    }  # fmt: skip


def _deploy(env: Mapping[str, str], home: Path, tag: str) -> float:
    """Seconds from the first step's beginning to the last one's end, without those that only wait."""
    argv = [sys.executable, "-m", "quarterdeck", "deploy", "app", tag, "--yes", "--json"]
    done = subprocess.run(argv, env=dict(env), cwd=home, capture_output=True, text=True, check=False, timeout=300)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or lines[-1].get("result") != "SUCCEEDED":
        raise RuntimeError(f"the deploy ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}")
    began: dict[str, float] = {}
    spans: list[tuple[float, float]] = []
    waited = 0.0
    for line in lines:
        at = datetime.fromisoformat(line["at"]).timestamp() if line.get("at") else 0.0
        if line.get("phase") == "intent":
            began[line["step"]] = at
        elif line.get("phase") == "outcome" and line["step"] in began:
            spans.append((began[line["step"]], at))
            if line["step"].split()[1] in WAITS:
                waited += at - began[line["step"]]
    return max(end for _, end in spans) - min(start for start, _ in spans) - waited


def _by_hand(engine: Engine, image: str, turn: int) -> float:
    """Pull, create, stop, rename, rename, start, look: what one would type."""
    docker = [program("docker"), "--host", engine.url]
    steps: list[list[str]] = [
        ["pull", "--quiet", image],
        ["create", "--name", f"hand-new-{turn}", "--network", "front", image],
        ["stop", "hand"],
        ["rename", "hand", f"hand-old-{turn}"],
        ["rename", f"hand-new-{turn}", "hand"],
        ["start", "hand"],
        ["inspect", "--format", "{{.State.Status}} {{.Image}}", "hand"],
    ]
    began = time.monotonic()
    for step in steps:
        done: Any = subprocess.run([*docker, *step], capture_output=True, text=True, check=False, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"docker {' '.join(step)}: {done.stderr.strip()}")
    return time.monotonic() - began
