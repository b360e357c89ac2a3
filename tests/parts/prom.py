"""A private Prometheus and Alertmanager, and an exporter whose metrics the test sets.

Sources: https://prometheus.io/docs/prometheus/latest/configuration/configuration/ and
https://prometheus.io/docs/alerting/latest/configuration/
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import httpx

from parts.needs import missing, program
from parts.process import Part, Process, clean_env, wait_until


class _Server(Part):
    """What the two servers share: a folder, a port that stays, /-/ready and /-/reload."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"qd-{name}-"))
        self.config = self.folder / "config.json"
        self.port = 0
        self.process = Process([], self.folder / "log", clean_env(self.folder))

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://{self.address}"

    def argv(self) -> list[str]:
        """The command line."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the server and wait until it is ready."""
        if self.process.alive:
            return
        self.process.argv = self.argv()
        self.process.start()
        self.port = self.process.wait_port()
        self.process.wait_ready(self._ready, "it was ready")

    def close(self) -> None:
        """End it and remove its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def leftovers(self) -> list[str]:
        """What is still there after `close`."""
        return super().leftovers() + ([f"folder {self.folder}"] if self.folder.exists() else [])

    def reload(self) -> None:
        """Read the configuration again. Raises httpx.HTTPStatusError where the server refuses it."""
        self.call("POST", "/-/reload")

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """One request. Raises httpx.HTTPStatusError on 4xx and 5xx."""
        response = httpx.request(method, f"{self.url}{path}", trust_env=False, timeout=30, **options)
        return response.raise_for_status()

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/-/ready", trust_env=False, verify=False).status_code == 200
        except httpx.TransportError:
            return False


class Prometheus(_Server):
    """Prometheus with the given jobs (job name to host:port targets), rule groups and Alertmanager addresses."""

    def __init__(
        self,
        targets: Mapping[str, Sequence[str]] | None = None,
        groups: Sequence[Mapping[str, Any]] = (),
        alertmanagers: Sequence[str] = (),
        interval: str = "250ms",
    ) -> None:
        super().__init__("prometheus")
        self.interval = interval
        self._rules = self.folder / "rules.json"
        self._write(targets or {}, groups, alertmanagers)

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming the package that would bring it."""
        return missing("prometheus")

    def argv(self) -> list[str]:
        """The command line (prometheus --help)."""
        return [
            program("prometheus"),
            f"--config.file={self.config}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--web.enable-lifecycle",
        ]

    def configure(
        self,
        targets: Mapping[str, Sequence[str]],
        groups: Sequence[Mapping[str, Any]] = (),
        alertmanagers: Sequence[str] = (),
    ) -> None:
        """Replace jobs, rules and Alertmanagers of the running server."""
        self._write(targets, groups, alertmanagers)
        self.reload()

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query."""
        body = self.call("POST", "/api/v1/query", data={"query": expression}).json()
        return list(body["data"]["result"])

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """The result of an instant query, once it has one."""
        return wait_until(lambda: self.query(expression), f"a sample of {expression}")

    def _write(
        self,
        targets: Mapping[str, Sequence[str]],
        groups: Sequence[Mapping[str, Any]],
        alertmanagers: Sequence[str],
    ) -> None:
        # A YAML document may be JSON.
        self._rules.write_text(json.dumps({"groups": list(groups)}))
        jobs = [{"job_name": job, "static_configs": [{"targets": list(at)}]} for job, at in targets.items()]
        alerting = {"alertmanagers": [{"static_configs": [{"targets": list(alertmanagers)}]}]}
        self.config.write_text(
            json.dumps(
                {
                    "global": {"scrape_interval": self.interval, "evaluation_interval": self.interval},
                    "rule_files": [str(self._rules)],
                    "scrape_configs": jobs,
                    "alerting": alerting if alertmanagers else {},
                }
            )
        )


class Alertmanager(_Server):
    """Alertmanager that notifies nobody, alone (no cluster)."""

    def __init__(self) -> None:
        super().__init__("alertmanager")
        route = {"receiver": "nobody", "group_wait": "100ms", "group_interval": "1s"}
        self.config.write_text(json.dumps({"route": route, "receivers": [{"name": "nobody"}]}))

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming the package that would bring it."""
        return missing("prometheus-alertmanager")

    def argv(self) -> list[str]:
        """The command line (prometheus-alertmanager --help)."""
        return [
            program("prometheus-alertmanager"),
            f"--config.file={self.config}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]


class Exporter:
    """Metrics in the text exposition format, inside the test's own process; `set` says what the next scrape sees."""

    def __init__(self) -> None:
        self._samples: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
        self._lock = threading.Lock()
        exporter = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = exporter.text().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def address(self) -> str:
        """Host and port, as a scrape target."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def set(self, name: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        """Set one sample."""
        with self._lock:
            self._samples[name, tuple(sorted((labels or {}).items()))] = value

    def remove(self, name: str) -> None:
        """Let a metric vanish with all its labels."""
        with self._lock:
            self._samples = {key: value for key, value in self._samples.items() if key[0] != name}

    def text(self) -> str:
        """What a scrape reads."""
        with self._lock:
            samples = list(self._samples.items())
        return "".join(f"{name}{_labels(labels)} {value!r}\n" for (name, labels), value in samples)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _labels(labels: Sequence[tuple[str, str]]) -> str:
    if not labels:
        return ""
    escaped = ((key, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")) for key, value in labels)
    return "{" + ",".join(f'{key}="{value}"' for key, value in escaped) + "}"
