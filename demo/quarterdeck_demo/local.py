"""The local pipeline of the practice world: it runs on the operator's own machine, over a working copy of the story.

There is no server to stand in for. What past runs left is written into the world's folder, as a runner would have.
"""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import Any

from quarterdeck_adapters.local.book import Book
from quarterdeck_adapters.local.definitions import key_of
from quarterdeck_adapters.local.journal import write_past
from quarterdeck_adapters.local.model import Event, Spec, StepSpec, Tree
from quarterdeck_adapters.local.runner import log_name
from quarterdeck_demo.ci import LOCAL
from quarterdeck_demo.story import Commit, Repository, Story

NAME, REPOSITORY = "check", "scorer"
HOUR = 3600.0
RUNS = 18
_PARSE = (
    "import ast, pathlib\n"
    "files = sorted(pathlib.Path('.').rglob('*.py'))\n"
    "for file in files: ast.parse(file.read_text()); print('ok', file, flush=True)\n"
    "print(len(files), 'files parse')"
)
_TEST = (
    "import time\n"
    "for name in ('empty basket', 'round half to even', 'bad currency', 'fallbacks', 'thresholds'):\n"
    "    time.sleep(0.3); print('PASSED', name, flush=True)"
)
STEPS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("commit", ("git", "log", "-3", "--oneline", "--no-decorate"), 0.1),
    ("parse", ("python3", "-c", _PARSE), 0.4),
    ("test", ("python3", "-c", _TEST), 1.8),
)
"""Name, argv and seconds of each step."""
_FAILED = (
    "PASSED empty basket\nPASSED round half to even\nFAILED bad currency\n"
    "Traceback (most recent call last):\n"
    '  File "tests/test_rules.py", line 41, in test_bad_currency\n'
    "    assert answer.status == 422\n"
    "AssertionError: 500 is not 422\n\n[quarterdeck] failure: exit code 1\n"
)
_ENDS = {RUNS - 2: "failure", RUNS - 7: "cancelled", RUNS - 8: "failure", RUNS - 12: "lost"}


def pipelines(story: Story) -> dict[str, Any]:
    """The section `pipelines:` of the operator's config."""
    folder = str(_repository(story).path)
    steps = [{"name": name, "argv": list(argv), "folder": folder, "timeout": "1m"} for name, argv, _ in STEPS]
    return {NAME: {"steps": steps}}


def source(folder: Path) -> dict[str, Any]:
    """The config of the source whose runs are kept in `folder`."""
    return {"name": "local-ci", "system": LOCAL, "options": {"folder": str(folder)}}


def write_runs(story: Story, now: float, folder: Path) -> None:
    """Write the runs of the last days. Raises QuarterdeckError, OSError."""
    repository, random = _repository(story), Random(story.seed)
    book = Book({}, folder=str(folder))
    commits = sorted(repository.commits.values(), key=lambda commit: commit.at)[-RUNS:]
    for place, commit in enumerate(commits, RUNS - len(commits) + 1):
        at = max(commit.at + 0.1 * HOUR, now - (RUNS - place + 1) * 5 * HOUR)
        _write(book, story, commit, at, _ENDS.get(place, "success"), random)


def _repository(story: Story) -> Repository:
    return next(each for each in story.repositories.values() if each.name == REPOSITORY)


def _write(book: Book, story: Story, commit: Commit, at: float, end: str, random: Random) -> None:
    path = _repository(story).path
    steps = tuple(StepSpec(name=name, argv=argv, folder=str(path), timeout_s=60.0) for name, argv, _ in STEPS)
    tree = Tree(path=str(path), name=REPOSITORY, head=commit.sha, branch="main")
    spec = book.make(Spec(pipeline=NAME, key=key_of(NAME, str(path)), number=0, project=str(path.parent.parent),
                          steps=steps, tree=tree, actor=commit.author.login, created_at=at))  # fmt: skip
    folder = book.folder(spec.key, spec.number)
    events = [Event(what="begun", at=at + 0.1, pid=2, start="0", host=os.uname().nodename, boot="before")]
    now = at + 0.1
    for step, (name, _, seconds) in enumerate(STEPS):
        events.append(Event(what="step", at=now, step=step, pid=3, start="0"))
        if end == "lost" and step == 2:
            write_past(folder, events)
            return
        now += seconds * random.uniform(0.85, 1.25)
        state = end if step == 2 and end != "success" else "success"
        code = {"failure": 1, "cancelled": -15}.get(state, 0)
        (folder / log_name(step)).write_text(_log(name, state, commit))
        events.append(Event(what="ended", at=now, step=step, state=state, code=code,
                            why="exit code 1" if state == "failure" else ""))  # fmt: skip
    why = {"failure": "test: exit code 1", "cancelled": f"by {commit.author.login} (local)"}.get(end, "")
    write_past(folder, [*events, Event(what="done", at=now, state=end, why=why)])


def _log(name: str, state: str, commit: Commit) -> str:
    if name == "commit":
        return f"{commit.sha[:7]} {commit.subject}\n"
    if name == "parse":
        return "ok app/main.py\nok tests/test_rules.py\n2 files parse\n"
    if state == "failure":
        return _FAILED
    return "PASSED empty basket\nPASSED round half to even\n" + ("" if state != "success" else "PASSED bad currency\n")
