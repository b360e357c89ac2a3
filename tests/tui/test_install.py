"""The wheel alone, in empty environments: it holds everything, overwrites nobody, and runs from any tool."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from parts.deckworld import Done
from parts.needs import ROOT
from parts.process import clean_env

UV = Path(sys.executable).with_name("uv")
TOGETHER = ("tui", "adapters", "lifecycle", "config", "demo", "pyproject.toml", "README.md", "LICENSE")
DEADLINE_S = 300.0
NO_INDEX = re.compile(r"dns error|Could not connect|error sending request|Network connectivity is disabled")
REQUIRED = os.environ.get("QUARTERDECK_REQUIRE_REAL") == "1"

pytestmark = pytest.mark.xdist_group("install")


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the built wheel in `dist`; a copy of the sources is built, so that nothing is left here."""
    folder = tmp_path_factory.mktemp("install")
    sources = folder / "sources"
    sources.mkdir()
    for name in TOGETHER:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, sources / name)
    build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder / "dist"))
    built = run(folder, *build, str(sources))
    assert built.code == 0, built.out + built.err
    return folder


@pytest.fixture(scope="module")
def wheel(workshop: Path) -> Path:
    (found,) = (workshop / "dist").glob("*.whl")
    return found


def run(folder: Path, *command: str, cwd: Path | None = None, **extra: str) -> Done:
    """A command with a home of its own below `folder`; downloads are shared with the developer's cache."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    ours = {"UV_CACHE_DIR": cache(), "UV_PYTHON": sys.executable, "UV_PYTHON_DOWNLOADS": "never"}
    env = clean_env(home, {**ours, **extra})
    env.pop("PYTHONPATH", None)
    done = subprocess.run(
        list(command), env=env, cwd=cwd or folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode and NO_INDEX.search(done.stderr) and not REQUIRED:
        pytest.skip("needs a package index that answers, for the dependencies")
    return Done(done.returncode, done.stdout, done.stderr)


def cache() -> str:
    """uv's cache of this user: what was downloaded once is linked."""
    asked = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True, timeout=60)
    return os.environ.get("UV_CACHE_DIR") or asked.stdout.strip()


def test_the_wheel_holds_five_packages_and_what_they_need(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    info = next(top for top in tops if top.endswith(".dist-info"))
    packages = {"quarterdeck", *(f"quarterdeck_{part}" for part in ("adapters", "lifecycle", "config", "demo"))}
    assert tops == {*packages, info}
    assert {f"{package}/py.typed" for package in packages} <= set(names)
    assert {"quarterdeck/deck.tcss", "quarterdeck_demo/world.py", f"{info}/licenses/LICENSE"} <= set(names)
    python = {path.relative_to(ROOT / part).as_posix() for part in TOGETHER[:5] for path in (ROOT / part).rglob("*.py")}
    assert python <= set(names), "every module is in it"
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests")]


def test_it_runs_beside_a_package_that_has_the_name_of_a_folder(workshop: Path, wheel: Path) -> None:
    place = workshop / "venv"
    assert run(workshop, str(UV), "venv", "-q", str(place)).code == 0
    python = str(place / "bin" / "python")
    decoys = next((place / "lib").glob("python*/site-packages"))
    for name in ("adapters", "config"):
        (decoys / name).mkdir()
        (decoys / name / "__init__.py").write_text("WHOSE = 'another distribution'\n")
    installed = run(workshop, str(UV), "pip", "install", "-q", "--python", python, str(wheel))
    assert installed.code == 0, installed.err
    whose = run(workshop, python, "-c", "import adapters, config; print(adapters.WHOSE, config.WHOSE, sep='|')")
    assert whose.out.strip() == "another distribution|another distribution"

    program = str(place / "bin" / "quarterdeck")
    assert run(workshop, program, "--version").out.startswith("quarterdeck, version ")
    status = run(workshop, program, "status", "--json")
    assert list(status.json) == ["repositories", "pipelines", "containers", "models", "metrics"], status.err
    demo = run(workshop, program, "demo", "--once", "--json")
    assert demo.code == 0, demo.err
    assert all(pane["rows"] for pane in demo.json.values())
    picture = run(workshop, program, "screenshot", "deck.svg", "--size", "80x24")
    assert picture.code == 0, picture.err
    assert "</svg>" in (workshop / "deck.svg").read_text()


def test_it_is_a_tool_for_uv_and_for_uvx(workshop: Path, wheel: Path) -> None:
    tools = {"UV_TOOL_DIR": str(workshop / "tools"), "UV_TOOL_BIN_DIR": str(workshop / "bin")}
    made = run(workshop, str(UV), "tool", "install", "-q", str(wheel), **tools)
    assert made.code == 0, made.err
    assert run(workshop, str(workshop / "bin" / "quarterdeck"), "--version").out.startswith("quarterdeck, version ")
    once = run(workshop, str(UV), "tool", "run", "--from", str(wheel), "quarterdeck", "--version", **tools)
    assert once.out.startswith("quarterdeck, version "), once.err
