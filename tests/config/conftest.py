"""A home and a project of their own for every test, and files written into them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from quarterdeck_config.load import Loaded, load
from quarterdeck_config.trust import trust


@dataclass(frozen=True)
class Ship:
    """``project``: the working folder; ``env``: an environment whose home is empty."""

    project: Path
    env: dict[str, str]

    def write(self, text: str | bytes, *, trusted: bool = True) -> Path:
        path = self.project / "quarterdeck.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        if trusted:
            trust(path, self.env)
        return path

    def write_user(self, text: str) -> Path:
        path = Path(self.env["HOME"]) / ".config/quarterdeck/config.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self) -> Loaded:
        return load(self.project, env=self.env)

    def messages(self) -> list[str]:
        return [str(problem) for problem in self.load().problems]


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ship:
    home, project = tmp_path / "home", tmp_path / "project"
    home.mkdir(mode=0o700)
    project.mkdir()
    monkeypatch.chdir(project)
    return Ship(project, {"HOME": str(home)})
