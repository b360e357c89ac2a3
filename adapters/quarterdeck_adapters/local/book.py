"""The runs on the disk: STATE/local-UID/PIPELINE/NUMBER/, each for its owner's eyes alone. Blocks on the disk.

What others could have written there is not read: a journal names processes that the operator may want ended.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from quarterdeck_adapters.local import identity, locks
from quarterdeck_adapters.local.journal import RunState, read_events, read_spec, state_of, write_spec
from quarterdeck_adapters.local.model import BUSY, CANCEL, OUTPUT, RUNNER, Spec
from quarterdeck_lifecycle.errors import Conflict, NotFound, Unavailable
from quarterdeck_lifecycle.statefolder import own_path

KEEP = 50
"""Runs of one pipeline that are kept."""
KEEP_BYTES = 1024 * 1024 * 1024
"""Bytes that the runs of one pipeline may take; the newest is kept all the same."""
PIPELINES = 500
STARTING_S = 30.0
"""Until a runner is there, in seconds."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it is on the disk now. `alive`: its runner holds its lock; `here`: it runs on this machine, since its
    last start; `output`: what the runner itself said."""

    folder: Path
    spec: Spec
    state: RunState
    alive: bool = False
    here: bool = True
    booted: bool = False
    """The machine was started anew since."""
    starting: bool = False
    """It was asked for a moment ago, and its runner may not be there yet."""
    output: str = ""
    orphans: tuple[tuple[int, str], ...] = ()
    """Pid and start time of what outlived the runner of a lost run."""

    @property
    def id(self) -> str:
        """The id of its ref."""
        return f"{self.spec.key}/{self.spec.number}"

    @property
    def over(self) -> bool:
        """Whether it has ended, or will never."""
        return bool(self.state.result) or bool(self.lost)

    @property
    def lost(self) -> str:
        """Why nobody knows how it ended; empty for one that goes on, has ended, or runs on another machine."""
        if self.state.result or self.alive or not self.here or self.starting:
            return ""
        if self.state.began is None:
            return f"its runner never began{f': {self.output}' if self.output else ''}"
        at = self.state.current
        during = f" during {self.spec.steps[at].name}" if at >= 0 else ""
        if self.booted:
            return f"this machine was restarted{during}"
        said = f": {self.output}" if self.output else " without a word: killed, or out of memory?"
        return f"its runner (pid {self.state.pid}) ended{during}{said}"


class Book:
    """Reads and makes run folders. What has ended is remembered: it changes no more."""

    def __init__(
        self, env: Mapping[str, str], source: str = "", *, folder: str = "", now: Callable[[], float] = time.time
    ) -> None:
        """`folder` takes the place of the one in the state folder."""
        self.path = Path(folder or own_path("local", env))
        self._now = now
        self.source = source
        self._ended: dict[Path, Kept] = {}

    def _own(self) -> bool:
        """Whether nobody else could have written what is there."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077

    def pipelines(self) -> list[str]:
        """The keys of the pipelines that have runs."""
        return _folders(self.path)[:PIPELINES] if self._own() else []

    def numbers(self, key: str) -> list[int]:
        """The numbers of a pipeline's runs, the newest first."""
        found = _folders(self.path / key) if self._own() else []
        return sorted((int(name) for name in found if name.isascii() and name.isdigit()), reverse=True)

    def folder(self, key: str, number: int) -> Path:
        """Where a run is kept."""
        return self.path / key / f"{number:06}"

    def read(self, key: str, number: int) -> Kept:
        """A run as it is now. Raises NotFound, Unavailable."""
        folder = self.folder(key, number)
        if not self._own():
            raise NotFound(f"run {number} is not read", source=self.source, why=f"{self.path} is not ours alone")
        known = self._ended.get(folder)
        if known is not None and folder.exists():
            return known
        try:
            # Asked first: what is written until a runner lets its lock go is read afterwards.
            alive = locks.held(folder, RUNNER)
            spec = read_spec(folder)
            state = state_of(spec, read_events(folder))
        except FileNotFoundError as error:
            why = f"the newest {KEEP} of each pipeline are kept, or what options.keep says"
            raise NotFound(f"run {number} is not kept any more", source=self.source, why=why) from error
        except (OSError, msgspec.MsgspecError) as error:
            why = getattr(error, "strerror", "") or str(error)
            raise Unavailable(f"run {number} cannot be read", source=self.source, why=f"{folder}: {why}") from error
        here = not state.host or state.host == identity.host()
        kept = Kept(
            folder=folder, spec=spec, state=state, alive=alive, here=here,
            booted=here and bool(state.boot) and state.boot != identity.boot(),
            starting=state.began is None and abs(self._now() - spec.created_at) < STARTING_S,
            output="" if state.result or alive else _last_line(folder / OUTPUT),
        )  # fmt: skip
        if kept.lost:
            kept = msgspec.structs.replace(kept, orphans=_orphans(kept))
        if not alive and (state.result or (kept.lost and not kept.orphans)):
            self._ended[folder] = kept
        return kept

    def newest(self, key: str, most: int) -> list[Kept]:
        """The newest runs of a pipeline, the newest first; one that cannot be read is left out."""
        found = []
        for number in self.numbers(key)[:most]:
            with suppress(NotFound, Unavailable):
                found.append(self.read(key, number))
        return found

    def busy(self, key: str) -> bool:
        """Whether a run of this pipeline is under way."""
        return locks.held(self.path / key, BUSY)

    def make(self, spec: Spec) -> Spec:
        """Make the folder of a new run, with the next number, and write into it what is asked. Raises Unavailable."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._own():
                raise Unavailable(
                    "no run was made", source=self.source, why=f"{self.path} is not ours alone",
                    mend=f"chmod 700 {self.path}",
                )  # fmt: skip
            (self.path / spec.key).mkdir(mode=0o700, exist_ok=True)
            while True:
                spec = msgspec.structs.replace(spec, number=next(iter(self.numbers(spec.key)), 0) + 1)
                with suppress(FileExistsError):
                    self.folder(spec.key, spec.number).mkdir(mode=0o700)
                    break
            write_spec(self.folder(spec.key, spec.number), spec)
        except OSError as error:
            why = f"{self.path}: {error.strerror or error}"
            raise Unavailable("the run's folder cannot be made", source=self.source, why=why) from error
        return spec

    def discard(self, spec: Spec) -> None:
        """Remove the folder of a run that never began."""
        shutil.rmtree(self.folder(spec.key, spec.number), ignore_errors=True)

    def prune(self, key: str, keep: int = KEEP, keep_bytes: int = KEEP_BYTES) -> None:
        """Remove the oldest runs beyond what is kept; never one whose runner lives, nor the newest."""
        taken = 0
        for place, number in enumerate(self.numbers(key)):
            folder = self.folder(key, number)
            taken += _size(folder)
            if place and (place >= keep or taken > keep_bytes) and not locks.held(folder, RUNNER):
                self._ended.pop(folder, None)
                shutil.rmtree(folder, ignore_errors=True)

    def wish(self, kept: Kept, who: str, *, force: bool) -> None:
        """Write down who wants it ended. Raises Conflict when that cannot be written."""
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            handle = os.open(kept.folder / CANCEL, flags, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(f"{who}\n{'force' if force else ''}")
        except OSError as error:
            raise Conflict("nothing was sent", source=self.source, why=error.strerror or str(error)) from error


def _orphans(kept: Kept) -> tuple[tuple[int, str], ...]:
    at = kept.state.current
    if kept.booted or at < 0:
        return ()
    return tuple(identity.members(kept.state.steps[at].pid, f"QUARTERDECK_RUN={kept.id}"))


def _folders(path: Path) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _size(folder: Path) -> int:
    try:
        with os.scandir(folder) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 2000))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
