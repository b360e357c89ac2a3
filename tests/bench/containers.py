"""An engine with 200 containers: from an event to the screen, and how many requests that takes."""

from __future__ import annotations

import io
import re
import statistics
import tarfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import docker

from bench.relay import Relay
from bench.report import Line, Settings, percentile
from bench.tap import scratch, subject
from contract.docker_subjects import Practice
from parts.engine import Engine
from parts.process import wait_until

COUNT = 200
BUDGET_MS = 200.0
CALM_S = 12.0
_ONE = re.compile(r"/containers/[0-9a-f]{12,}/")


@contextmanager
def engine() -> Iterator[tuple[str, Path, docker.APIClient, docker.APIClient]]:
    """The real engine where it can run, else the practice one: its name, its socket, two clients."""
    with ExitStack() as stack:
        if Engine.missing() is None:
            real = stack.enter_context(Engine())
            yield "real engine", real.socket, real.new_api(), real.new_api()
            return
        made = Practice(None, time.time)
        stack.callback(made.close)
        clients = [docker.APIClient(base_url=made.url, version="auto", timeout=20) for _ in range(2)]
        for client in clients:
            stack.callback(client.close)
        yield "practice engine", made.socket, clients[0], clients[1]


def events(settings: Settings) -> Sequence[Line]:
    """Rename one of 200 containers again and again."""
    with scratch() as name, engine() as (what, socket, api, listening):
        first = _fill(api)
        with Relay(Path(name) / "d.sock", socket) as relay, subject("engine", f"unix://{relay.path}") as deck:
            deck.seen("aaa-000")
            deck.quiet(2.0, deadline=60)
            heard: dict[str, float] = {}
            threading.Thread(target=_listen, args=(listening, heard), daemon=True).start()
            before = len(relay.requests)
            time.sleep(CALM_S)
            calm = relay.requests[before:]
            took, lists, asked = [], [], []
            shift = time.time() - time.monotonic()
            for place in range(1, settings.repeats(16) + 1):
                wanted, since, before = f"aaa-{place:03}", deck.count, len(relay.requests)
                api.rename(first, wanted)
                seen = deck.seen(wanted, since, 30) + shift
                at = wait_until(lambda key=wanted: heard.get(key), "the engine's own word of it", 30)  # type: ignore[misc]
                took.append(1000 * (seen - at))
                deck.quiet(0.5)
                asked.append(relay.requests[before:])
                began = time.monotonic()
                api.containers(all=True)
                lists.append(1000 * (time.monotonic() - began))
    value = percentile(took, 0.95)
    requests = statistics.mean(map(len, asked))
    told = [path for paths in (*asked, calm) for path in paths]
    each = [path for path in told if _ONE.search(path)]
    kinds = ", ".join(sorted({re.sub(r"^/v[0-9.]+|\?.*", "", path) for path in told}))
    note = f"{what}; median {percentile(took, 0.5):.0f} ms, most {max(took):.0f} ms of {len(took)} events"
    return [
        Line("200 containers: event on the screen, p95", value, "ms", "<= 200 ms", value <= BUDGET_MS,
             statistics.median(lists), "one listing", note),
        Line("200 containers: requests for an event", requests, "", "none per container", not each, note=kinds),
        Line("200 containers: requests at rest", 60 * len(calm) / CALM_S, "/min", "0 /min", not calm),
    ]  # fmt: skip


def _listen(api: docker.APIClient, heard: dict[str, float]) -> None:
    for event in api.events(decode=True, filters={"event": "rename"}):
        heard[event["Actor"]["Attributes"]["name"]] = event["timeNano"] / 1e9


def _fill(api: docker.APIClient) -> str:
    """Make the containers, none of them started; answers the one that comes first in the table."""
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("empty"))
    api.import_image_from_data(tar.getvalue(), "quarterdeck/bench", "1")
    host = api.create_host_config(network_mode="none")
    made = [
        api.create_container("quarterdeck/bench:1", ["sleep"], name=f"{'box' if n else 'aaa'}-{n:03}", host_config=host)
        for n in range(COUNT)
    ]
    return str(made[0]["Id"])
