"""A private Buildbot: a master with one worker inside, on SQLite, over a real repository of its own.

Sources: https://docs.buildbot.net/latest/manual/cmdline.html and
https://docs.buildbot.net/latest/developer/rest.html
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import httpx

from parts import gitrepo
from parts.needs import BUILDBOT_HOME, missing
from parts.process import Part, Process, clean_env, quiet_port

CONFIG = Path(__file__).with_name("buildbot_master.py")
TAC = """\
from twisted.application import service
from buildbot.master import BuildMaster
application = service.Application('buildmaster')
BuildMaster({folder!r}, "master.cfg", umask=None).setServiceParent(application)
"""
PASSES, FAILS = "echo 4 tests; exit 0\n", "echo 4 tests\necho 'ERROR: score is 0.4, wanted 0.9' >&2\nexit 3\n"


class BuildbotServer(Part):
    """A master at the same address and with the same builds after a restart.

    Builders: fraud-api (checks a commit, by `check.sh` in it), train (ends when `go` is called, takes parameters),
    arm (its worker never comes), guarded (only ada, whose password is "word", may force or stop it).
    """

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qd-buildbot-"))
        self.repository = self.folder / "fraud-api"
        self.port = quiet_port()
        self._database = self.folder / "state.sqlite"
        env = clean_env(self.folder, settings(self.repository, f"{self.url}/", self.port))
        twistd = str(BUILDBOT_HOME / "bin" / "twistd")
        argv = [twistd, "--no_save", "--nodaemon", "--pidfile=", "--python", "buildbot.tac"]
        self.process = Process(argv, self.folder / "log", env, cwd=self.folder)
        self._ids = itertools.count(1)

    @staticmethod
    def missing() -> str | None:
        """Why it cannot run here, naming what would bring it."""
        return missing("buildbot")

    @property
    def url(self) -> str:
        """The base URL."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start the master and wait until its worker takes work."""
        if self.process.alive:
            return
        if not self._database.exists():
            gitrepo.init(self.repository)
            self.commit(PASSES, "check the score")
            shutil.copyfile(migrated_database(), self._database)
            shutil.copyfile(CONFIG, self.folder / "master.cfg")
            (self.folder / "buildbot.tac").write_text(TAC.format(folder=str(self.folder)))
        self.process.start()
        self.process.wait_ready(self._answers, "its worker was there")

    def close(self) -> None:
        """End it and remove its data. What it still builds ends with it."""
        self.kill()
        shutil.rmtree(self.folder)

    def leftovers(self) -> list[str]:
        """What is still there after `close`."""
        return super().leftovers() + ([f"folder {self.folder}"] if self.folder.exists() else [])

    def commit(self, check: str, message: str) -> str:
        """Commit a `check.sh` on the branch main; answers the sha."""
        env = {f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.invalid"))}  # fmt: skip
        (self.repository / "check.sh").write_text(check)
        gitrepo.git(self.repository, "add", "check.sh")
        gitrepo.git(self.repository, "commit", "-q", "--allow-empty", "-m", message, env=env)
        return gitrepo.git(self.repository, "rev-parse", "HEAD")

    def push(self, sha: str, comments: str = "a push") -> None:
        """Tell the master of a commit by its change hook, as a repository's post-receive hook does."""
        change = {"author": "Ada <ada@example.invalid>", "revision": sha, "branch": "main", "comments": comments,
                  "repository": str(self.repository), "project": "fraud"}  # fmt: skip
        answer = httpx.post(f"{self.url}/change_hook/base", data=change, trust_env=False, verify=False, timeout=30)
        answer.raise_for_status()

    def go(self, number: int) -> None:
        """Let a build of the builder train go on to its end."""
        (self.folder / f"go-{number}").touch()

    def get(self, path: str, **params: str | int) -> dict[str, Any]:
        """One read below /api/v2/. Raises httpx.HTTPStatusError on 4xx and 5xx."""
        try:
            return self._read(path, params)
        except (httpx.RemoteProtocolError, ValueError):
            # Buildbot garbles an answer now and then: it writes them from a thread beside its loop.
            return self._read(path, params)

    def _read(self, path: str, params: dict[str, str | int]) -> dict[str, Any]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        url = f"{self.url}/api/v2/{path}"
        answer = httpx.get(url, params=params, headers=headers, trust_env=False, verify=False, timeout=30)
        return dict(answer.raise_for_status().json())

    def call(self, path: str, method: str, **params: Any) -> Any:
        """One JSON-RPC call below /api/v2/; answers its result. Raises httpx.HTTPStatusError on 4xx and 5xx."""
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": params}
        answer = httpx.post(f"{self.url}/api/v2/{path}", json=body, trust_env=False, verify=False, timeout=30)
        return answer.raise_for_status().json()["result"]

    def force(self, builder: str, **params: Any) -> int:
        """Ask for a build; answers the id of its build request."""
        name = "train-force" if builder == "train" else "force"
        id = next(each["builderid"] for each in self.get("builders")["builders"] if each["name"] == builder)
        return int(self.call(f"forceschedulers/{name}", "force", builderid=id, **params)[1][str(id)])

    def clear(self) -> None:
        """Let what is built go to its end, and take back what waits, so that the next test finds its workers free."""
        for request in self.get("buildrequests", complete="false", claimed="false")["buildrequests"]:
            self.call(f"buildrequests/{request['buildrequestid']}", "cancel")
        for build in self.get("builds", complete="false")["builds"]:
            self.go(build["number"])

    def _answers(self) -> bool:
        try:
            workers = self.get("workers")["workers"]
        except (httpx.TransportError, httpx.HTTPStatusError):
            return False
        return any(each["name"] == "local" and each["connected_to"] for each in workers)


def settings(repository: Path, url: str, port: int) -> dict[str, str]:
    """What the master's configuration reads from its environment."""
    return {"DECK_REPOSITORY": str(repository), "DECK_URL": url, "DECK_PORT": str(port)}


def migrated_database() -> Path:
    """An empty database with the server's own schema, made once for each installation: the migration takes seconds."""
    version = hashlib.sha256((BUILDBOT_HOME / ".installed").read_bytes()).hexdigest()[:16]
    cached = BUILDBOT_HOME.parent / f"buildbot-{version}.sqlite"
    if not cached.exists():
        with tempfile.TemporaryDirectory(dir=BUILDBOT_HOME.parent) as folder:
            Path(folder, "buildbot.tac").write_text(TAC.format(folder=folder))
            shutil.copyfile(CONFIG, Path(folder, "master.cfg"))
            subprocess.run(
                [BUILDBOT_HOME / "bin" / "buildbot", "upgrade-master", "--quiet", folder],
                check=True,
                capture_output=True,
                env=clean_env(Path(folder), settings(Path(folder), "http://127.0.0.1:1/", 1)),
                timeout=180,
            )
            os.replace(Path(folder, "state.sqlite"), cached)
    return cached
