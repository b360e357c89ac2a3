"""A private MLflow tracking server (https://mlflow.org/docs/latest/self-hosting/) on SQLite."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx

from parts.needs import MLFLOW_HOME, missing
from parts.process import Part, Process, clean_env

ENV = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


class MlflowServer(Part):
    """`mlflow server` on loopback, at the same address and with the same data after a restart."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qd-mlflow-"))
        self.artifacts = self.folder / "artifacts"
        self.port = 0
        self._database = self.folder / "mlflow.db"
        self.process = Process([], self.folder / "log", clean_env(self.folder, ENV), cwd=self.folder)

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming what would bring it."""
        return missing("mlflow")

    @property
    def url(self) -> str:
        """The base URL, also the tracking URI."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        if self.process.alive:
            return
        if not self._database.exists():
            shutil.copyfile(migrated_database(), self._database)
        self.process.argv = [
            *(str(MLFLOW_HOME / "bin" / "mlflow"), "server", "--workers", "1", "--host", "127.0.0.1"),
            *("--port", str(self.port), "--backend-store-uri", f"sqlite:///{self._database}"),
            *("--artifacts-destination", str(self.artifacts)),
        ]
        self.process.start()
        self.port = self.process.wait_port()
        self.process.wait_ready(self._answers, "it answered")

    def close(self) -> None:
        """End it and remove its data."""
        self.stop()
        shutil.rmtree(self.folder)

    def leftovers(self) -> list[str]:
        """What is still there after `close`."""
        return super().leftovers() + ([f"folder {self.folder}"] if self.folder.exists() else [])

    def call(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """One REST call below /api/2.0/mlflow/. Raises httpx.HTTPStatusError on 4xx and 5xx."""
        url = f"{self.url}/api/2.0/mlflow/{path}"
        response = httpx.request(method, url, trust_env=False, timeout=60, **options)
        return dict(response.raise_for_status().json())

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", trust_env=False, verify=False, timeout=30).status_code == 200
        except httpx.TransportError:
            return False


def migrated_database() -> Path:
    """An empty database with the server's own schema, made once for each installation: the migration takes seconds."""
    version = hashlib.sha256((MLFLOW_HOME / ".installed").read_bytes()).hexdigest()[:16]
    cached = MLFLOW_HOME.parent / f"mlflow-{version}.db"
    if not cached.exists():
        with tempfile.TemporaryDirectory(dir=MLFLOW_HOME.parent) as folder:
            fresh = Path(folder, "mlflow.db")
            subprocess.run(
                [MLFLOW_HOME / "bin" / "mlflow", "db", "upgrade", f"sqlite:///{fresh}"],
                check=True,
                capture_output=True,
                env=clean_env(Path(folder), ENV),
                timeout=180,
            )
            os.replace(fresh, cached)
    return cached
