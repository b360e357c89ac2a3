"""Folders and files that other users can neither read nor plant."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from quarterdeck_config import paths
from quarterdeck_config.errors import UnsafeFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_state_dir_in_order(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "xdg")}
    shared = tmp_path / "var"
    own = paths.state_dir(env, shared=shared)
    assert own == tmp_path / "xdg/quarterdeck"
    assert mode(own) == 0o700
    shared.mkdir()
    assert paths.state_dir(env, shared=shared) == shared
    named = paths.state_dir({**env, "QUARTERDECK_STATE": str(tmp_path / "a/b")}, shared=shared)
    assert (named, mode(named)) == (tmp_path / "a/b", 0o700)


def test_relative_xdg_is_ignored(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": "here", "XDG_STATE_HOME": "here"}
    assert paths.user_config_file(env) == tmp_path / ".config/quarterdeck/config.yaml"
    assert paths.user_state_dir(env) == tmp_path / ".local/state/quarterdeck"
    env["XDG_CONFIG_HOME"] = str(tmp_path / "c")
    assert paths.config_dir(env) == tmp_path / "c/quarterdeck"


def test_own_folder_is_narrowed_and_a_shared_one_is_left(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir(mode=0o755)
    assert mode(paths.ensure_private_dir(folder, keep_mode=True)) == 0o755
    assert mode(paths.ensure_private_dir(folder)) == 0o700
    folder.chmod(0o777)
    with pytest.raises(UnsafeFolder, match="writable by everybody"):
        paths.state_dir({"QUARTERDECK_STATE": str(folder)})


def test_folder_of_another_user_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "s"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("giving a folder to another user needs root")
    os.chown(folder, 65534, -1)
    with pytest.raises(UnsafeFolder, match="another user"):
        paths.state_dir({"QUARTERDECK_STATE": str(folder)})


def test_a_file_in_the_folders_place(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with pytest.raises(UnsafeFolder, match="not a folder"):
        paths.ensure_private_dir(tmp_path / "s")


def test_write_private_replaces_whole_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("old")
    path.chmod(0o644)
    paths.write_private(path, b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_write_private_follows_no_planted_link(tmp_path: Path) -> None:
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("kept")
    link.symlink_to(victim)
    paths.write_private(link, b"new")
    assert victim.read_text() == "kept"
    assert not link.is_symlink()


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "f"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        paths.write_private(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_display_path(tmp_path: Path) -> None:
    env = {"HOME": str(tmp_path / "home")}
    assert paths.display_path(tmp_path / "p/x.yaml", tmp_path / "p", env) == "x.yaml"
    assert paths.display_path(tmp_path / "home/x.yaml", tmp_path / "p", env) == "~/x.yaml"
    assert paths.display_path(Path("/etc/x.yaml"), tmp_path / "p", env) == "/etc/x.yaml"
