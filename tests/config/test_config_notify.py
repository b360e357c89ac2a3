"""`notify:`: how the deck may call its operator; an untrusted project has no say in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck_config.load import load
from quarterdeck_config.schema import Notify

USER = "webhooks: {ops: {url: 'https://chat.example/hook'}}\nnotify: {bell: false, osc: 777, webhook: ops}\n"


def config(tmp_path: Path, user: str = "", project: str = "") -> tuple[Path, dict[str, str]]:
    home = tmp_path / "xdg" / "quarterdeck"
    home.mkdir(mode=0o700, parents=True)
    if user:
        (home / "config.yaml").write_text(user)
    if project:
        (tmp_path / "quarterdeck.yaml").write_text(project)
    return tmp_path, {"XDG_CONFIG_HOME": str(tmp_path / "xdg"), "HOME": str(tmp_path)}


def test_bell_and_title_unless_told_otherwise(tmp_path: Path) -> None:
    cwd, env = config(tmp_path, USER)
    assert load(cwd, env=env).config.notify == Notify(bell=False, title=True, osc=777, webhook="ops")
    assert Notify() == Notify(bell=True, title=True, osc=None, webhook=None)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("notify: {osc: 8}", "notify.osc"),
        ("notify: {webhook: nobody}", "notify.webhook"),
        ("notify: {beep: true}", "notify"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    cwd, env = config(tmp_path, text)
    assert any(said in str(error) for error in load(cwd, env=env).problems)


def test_an_untrusted_project_calls_nobody(tmp_path: Path) -> None:
    cwd, env = config(tmp_path, project="notify: {osc: 9, bell: false}\n")
    loaded = load(cwd, env=env)
    assert loaded.config.notify == Notify()
    assert "the notify options are not used" in loaded.held_back
