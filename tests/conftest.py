"""Real parts for the tests, started once and only when a test asks; and an environment with nothing of the developer's.

`@pytest.mark.real("docker.io")` names what a test needs beside its fixtures. A test whose part is missing is skipped;
with QUARTERDECK_REQUIRE_REAL=1 it fails.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from parts.buildbot_server import BuildbotServer
from parts.engine import ENGINE_PACKAGES, Engine
from parts.haproxy import Haproxy
from parts.mlflow_server import MlflowServer
from parts.needs import FROM_PYPI, PROGRAMS, missing
from parts.process import Part, is_private
from parts.prom import Alertmanager, Prometheus
from parts.pty import Pty
from parts.registry import Registry
from parts.sshd import Sshd
from parts.swarm import Swarm
from parts.terminal import Terminal

FIXTURE_NEEDS = {
    "engine": ENGINE_PACKAGES,
    "swarm": ENGINE_PACKAGES,
    "mlflow": ("mlflow",),
    "buildbot": ("buildbot",),
    "prometheus": ("prometheus",),
    "alertmanager": ("prometheus-alertmanager",),
    "registry": ("docker-registry",),
    "sshd": ("openssh-server",),
    "open_terminal": ("tmux",),
    "open_haproxy": ("haproxy",),
}
# The tests of one shared part run in one worker, so that it starts once; a test with several goes with the slowest.
GROUPS = (
    "mlflow", "buildbot", "docker.io", "prometheus", "prometheus-alertmanager", "docker-registry", "openssh-server",
)  # fmt: skip
OF_MAKE = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
XDG = ("CONFIG", "CACHE", "DATA", "STATE")
GITCONFIG = "[user]\n\tname = Tester\n\temail = tester@example.invalid\n[init]\n\tdefaultBranch = main\n"
# How fast this machine makes inputs says nothing about the program.
settings.register_profile("quarterdeck", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("quarterdeck")
# Under nohup a hang-up is ignored, and by every program that a test starts.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# The collector looks through all that the tests import, again and again: a sixth of their time.
gc.set_threshold(100_000, 20, 50)
REQUIRED = os.environ.get("QUARTERDECK_REQUIRE_REAL") == "1"


def _needs(item: pytest.Item) -> list[str]:
    named = [str(part) for mark in item.iter_markers("real") for part in mark.args]
    named += ["tmux"] if item.get_closest_marker("tmux") else []
    for fixture in getattr(item, "fixturenames", ()):
        named += FIXTURE_NEEDS.get(fixture, ())
    unknown = set(named) - set(PROGRAMS) - set(FROM_PYPI)
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: no such real part: {', '.join(sorted(unknown))}")
    return list(dict.fromkeys(named))


# First: xdist reads the groups in the same hook.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of one part one xdist group, and those that share what their module makes: it is made once."""
    for item in items:
        group = next((part for part in GROUPS if part in _needs(item)), None) or _shares(item)
        if group and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(group))


def _shares(item: pytest.Item) -> str | None:
    """The module of a test that asks for a fixture of its module; None without one."""
    fixtures = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    shared = any(found[-1].scope == "module" for found in fixtures.values())
    return item.path.stem if shared else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose part is missing, or fail it where every part must be there."""
    reason = next(filter(None, map(missing, _needs(item))), None)
    if reason and REQUIRED:
        pytest.fail(f"needs {reason}, and QUARTERDECK_REQUIRE_REAL=1 forbids the skip", pytrace=False)
    if reason:
        pytest.skip(f"needs {reason}")


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder of the test's own; no token, host, proxy or preference of the developer's is in the environment."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(GITCONFIG)
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if is_private(name) or name in OF_MAKE]:
            patch.delenv(name)
        patch.setenv("HOME", str(home))
        patch.setenv("QUARTERDECK_STATE", str(home / "state"))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        for kind in XDG:
            patch.setenv(f"XDG_{kind}_HOME", str(home / "xdg" / kind.lower()))
        (home / "xdg" / "run").mkdir(mode=0o700, parents=True)
        patch.setenv("XDG_RUNTIME_DIR", str(home / "xdg" / "run"))
        yield home


def _running(part: Part) -> Iterator[Part]:
    with part:
        yield part
    left = part.leftovers()
    assert not left, f"{type(part).__name__} left {left}"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A private Docker engine, shared by the tests of one worker; see `fresh_engine` for an empty one."""
    yield from _running(Engine())  # type: ignore[misc]


@pytest.fixture
def fresh_engine(engine: Engine) -> Engine:
    """The shared engine, running (a test before may have killed it) and without containers, volumes or images."""
    engine.start()
    engine.clear()
    return engine


@pytest.fixture(scope="session")
def swarm() -> Iterator[Swarm]:
    """A private engine that is a Swarm of one, shared by the tests of one worker; `clear_services` empties it."""
    yield from _running(Swarm())  # type: ignore[misc]


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A private OCI registry without authentication."""
    yield from _running(Registry())  # type: ignore[misc]


@pytest.fixture(scope="session")
def alertmanager() -> Iterator[Alertmanager]:
    """A private Alertmanager."""
    yield from _running(Alertmanager())  # type: ignore[misc]


@pytest.fixture(scope="session")
def prometheus() -> Iterator[Prometheus]:
    """A private Prometheus without targets; `configure` gives it some (it looks for new ones every 5 s)."""
    yield from _running(Prometheus())  # type: ignore[misc]


@pytest.fixture(scope="session")
def mlflow() -> Iterator[MlflowServer]:
    """A private MLflow server."""
    yield from _running(MlflowServer())  # type: ignore[misc]


@pytest.fixture(scope="session")
def buildbot() -> Iterator[BuildbotServer]:
    """A private Buildbot with a worker, over a repository of its own; its builds and requests stay."""
    yield from _running(BuildbotServer())  # type: ignore[misc]


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """A private OpenSSH server for the user who runs the tests."""
    yield from _running(Sshd())  # type: ignore[misc]


@pytest.fixture
def open_haproxy() -> Iterator[Callable[..., Haproxy]]:
    """Start haproxys (a few hundredths of a second each) that end with the test. Takes what `Haproxy` takes."""
    started: list[Haproxy] = []
    with contextlib.ExitStack() as stack:

        def start(*args: Any, **options: Any) -> Haproxy:
            started.append(stack.enter_context(Haproxy(*args, **options)))
            return started[-1]

        yield start
    left = [trace for each in started for trace in each.leftovers()]
    assert not left, f"haproxy left {left}"


@pytest.fixture
def open_terminal(isolated_home: Path) -> Iterator[Callable[..., Terminal]]:
    """Open programs in tmux, with the test's home; all end with the test. Takes what `Terminal` takes."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Terminal(*args, **{"home": isolated_home, **options}))


@pytest.fixture
def open_pty(isolated_home: Path) -> Iterator[Callable[..., Pty]]:
    """Open programs on raw pseudo-terminals, with the test's home; all end with the test. Takes what `Pty` takes."""
    with contextlib.ExitStack() as stack:
        yield lambda *args, **options: stack.enter_context(Pty(*args, **{"home": isolated_home, **options}))
