"""Artifacts: listings and single files. MLmodel is served as text; nothing is ever opened.

Source: https://mlflow.org/docs/latest/api_reference/rest-api.html#list-artifacts .
"""

from __future__ import annotations

import posixpath
import re
from typing import Any
from urllib.parse import unquote

from quarterdeck_demo.messages import Request, Response
from quarterdeck_demo.mlflow.state import State, given
from quarterdeck_demo.mlflow.wire import SECURE, MlflowError, html, invalid, missing, reply

__all__ = ["Artifacts"]

TEXT = re.compile(r"(?:^|/)(?:MLmodel|MLproject|[^/]*\.(?:txt|log|ya?ml|json|csv|md|py|cfg|conf|toml))$")


class Artifacts:
    """The artifact endpoints on a state."""

    def __init__(self, state: State) -> None:
        self.state = state

    def of_run(self, request: Request) -> Response:
        """GET /get-artifact"""
        key = request.arg("run_id") or request.arg("run_uuid") or "None"
        run = self.state.run(key)
        return self.file(f"{run.experiment}/{run.id}/artifacts", request.query.get("path"))

    def of_version(self, request: Request) -> Response:
        """GET /model-versions/get-artifact"""
        if "path" not in request.query:
            return html(400)
        if "version" not in request.query:
            told = "int() argument must be a string, a bytes-like object or a real number, not 'NoneType'"
            raise MlflowError("INTERNAL_ERROR", told)
        try:
            number = int(request.arg("version"))
        except ValueError:
            raise invalid(f"Parameter 'version' must be an integer, got '{request.arg('version')}'.") from None
        version = self.state.version(request.arg("name"), number)
        model = self.state.logged_models.get(version.source.removeprefix("models:/"))
        return self.file(model.folder if model else version.source, request.query["path"])

    def of_model(self, request: Request) -> Response:
        """GET /ajax-api/2.0/mlflow/logged-models/{id}/artifacts/files"""
        model = self.state.logged_model(request.match["id"])
        return self.file(model.folder, request.query.get("artifact_file_path"))

    def file(self, folder: str, paths: list[str] | None) -> Response:
        if paths is None:
            return html(400)
        path = unquote(paths[0])
        if path.startswith("/") or ".." in path.split("/"):
            raise invalid("Invalid path")
        data = self.state.artifacts.get(f"{folder}/{path}")
        if data is None:
            raise missing(f"No such artifact: '{folder}/{path}'")
        media_type = "text/plain" if TEXT.search(path) else "application/octet-stream"
        name = posixpath.basename(path)
        head = {"Content-Type": media_type, "Content-Disposition": f"attachment; filename={name}", **SECURE}
        return Response(200, head, data)

    def list_model(self, request: Request) -> Response:
        """GET logged-models/{id}/artifacts/directories"""
        folder = self.state.logged_model(request.match["id"]).folder
        return self.listing(folder, request.arg("artifact_directory_path"))

    def list_run(self, request: Request) -> Response:
        """GET artifacts/list"""
        run = self.state.run(request.arg("run_id") or request.arg("run_uuid"))
        return self.listing(f"{run.experiment}/{run.id}/artifacts", request.arg("path"))

    def listing(self, folder: str, path: str) -> Response:
        inside = f"{folder}/{path.strip('/')}".rstrip("/") + "/"
        entries: dict[str, dict[str, Any]] = {}
        for name, data in self.state.artifacts.items():
            if name.startswith(inside):
                first, below, _ = name.removeprefix(inside).partition("/")
                shown = f"{inside}{first}".removeprefix(f"{folder}/")
                entries[first] = {"path": shown, "is_dir": bool(below)} | ({} if below else {"file_size": len(data)})
        files = [entry for _, entry in sorted(entries.items())]
        return reply(given({"root_uri": f"mlflow-artifacts:/{folder}", "files": files}))

    def store(self, request: Request) -> Response:
        """PUT /api/2.0/mlflow-artifacts/artifacts/{path}"""
        self.state.artifacts[request.match["path"]] = request.body
        return Response(200, dict(SECURE))
