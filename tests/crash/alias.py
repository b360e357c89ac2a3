"""An arena on an MLflow server: the alias `champion` of a model moves between two versions."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from crash.arena import PLACE, Arena, Watch
from crash.containers import Door
from crash.relay import Cut, Relay
from parts.mlflow_server import MlflowServer

MODEL, ALIAS = "fraud", "champion"


class Alias(Arena):
    """The alias."""

    name = "alias"
    needs = ("mlflow",)
    steps = {
        "deploy": ("lease", "preflight", "move", "gate", "soak", "verify", "mark", "release"),
        "rollback": ("lease", "preflight", "move", "gate", "soak", "verify", "mark", "release"),
    }

    def furnish(self) -> None:
        """Server, relay, model, config."""
        self.mlflow = self.stack.enter_context(MlflowServer())
        self.relay = self.stack.enter_context(Relay(self.mlflow.port))
        self._call("POST", "registered-models/create", {"name": MODEL})
        for _ in range(2):
            experiment = self._call("POST", "experiments/create", {"name": f"e{_}"})["experiment_id"]
            body = {"experiment_id": experiment, "name": "model"}
            logged = self._call("POST", "logged-models", body)["model"]["info"]["model_id"]
            body = {"name": MODEL, "model_id": logged, "source": f"models:/{logged}"}
            self._call("POST", "model-versions/create", body)
        self._call("POST", "registered-models/alias", {"name": MODEL, "alias": ALIAS, "version": "1"})
        source = {"name": "ml", "system": "mlflow", "environment": PLACE, "url": f"http://127.0.0.1:{self.relay.port}"}
        target = {"kind": "alias", "source": "ml", "name": f"{MODEL}@{ALIAS}"}
        probe = {"engine": True, "interval": "50ms"}
        self.configure({"sources": [source], **self.service(target, model=f"{MODEL}@{ALIAS}", probe=probe)})

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        answer = httpx.request(method, f"{self.mlflow.url}/api/2.0/mlflow/{path}", json=body, timeout=60)
        answer.raise_for_status()
        return dict(answer.json())

    def reference(self, version: str) -> str:
        """`model:fraud/2`."""
        return f"model:{MODEL}/{version[1:]}"

    def serving(self) -> set[str]:
        """The version that has the alias."""
        told = self._call("GET", f"registered-models/alias?name={MODEL}&alias={ALIAS}")
        return {f"v{told['model_version']['version']}"}

    def left(self) -> list[str]:
        """Leases are tags of the model."""
        return [f"tag {name} is left" for name in self._tags() if "lease" in name]

    def _tags(self) -> dict[str, str]:
        told = self._call("GET", f"registered-models/get?name={quote(MODEL)}")["registered_model"]
        return {each["key"]: each["value"] for each in told.get("tags", [])}

    def snapshot(self) -> Any:
        """Everything that is said of the model and its versions."""
        versions = self._call("GET", f"model-versions/search?filter=name%3D%27{MODEL}%27")["model_versions"]
        tags = {each["version"]: sorted((t["key"], t["value"]) for t in each.get("tags", [])) for each in versions}
        return self.serving(), self._tags(), tags

    def watch(self) -> Watch:
        """Requests for the alias."""
        url = f"{self.mlflow.url}/api/2.0/mlflow/registered-models/alias?name={MODEL}&alias={ALIAS}"
        return Door(url, self.home)

    def cut(self, how: Cut) -> None:
        """The server's port."""
        self.relay.cut(how)

    def mend(self) -> None:
        """The server's port."""
        self.relay.mend()
