"""`quarterdeck where` and `quarterdeck trace`: what they print and how they end, on told rows and a practice world."""

from __future__ import annotations

import json
from typing import Any

import pytest

from parts import tracing as made
from parts.deckworld import PracticeWorld
from parts.tracedsources import Rows, Told
from quarterdeck.boot import Boot
from quarterdeck.commands.ending import ended
from quarterdeck.commands.trace import between_for, trace_for, where_for
from quarterdeck_config.load import Loaded
from quarterdeck_config.schema import Config, Environment
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.records import Status
from scripted import Scripted

LINE = [made.commit("new", "speed up"), made.commit("c", "fix: null"), made.commit("old", "feat: cache")]


def engine() -> Rows:
    """The second commit runs in prod, the oldest in staging."""
    return Rows("engine", [
        made.box("api-1", "n", "prod", service="api", manifest="two", seed="c", image="reg:5000/team/api:v2"),
        made.box("api-s", "o", "staging", service="api", manifest="one", seed="old"),
    ])  # fmt: skip


def booted(*sources: Scripted) -> Boot:
    config = Config(environments={name: Environment() for name in ("staging", "prod", "empty")})
    boot = Boot(loaded=Loaded(config), discovery=False, read_only=True)
    for source in sources:
        boot.hub.add(source)
    return boot


async def where(words: str, environment: str = "", *sources: Scripted) -> int:
    boot = booted(*(sources or (engine(), Told(LINE))))
    return await ended(boot, where_for(boot, words, environment, as_json=True))


def states(capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    found = json.loads(capsys.readouterr().out)
    return {each["environment"]: each["state"] for each in found["environments"]}


async def test_where_tells_each_environment_and_ends_by_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert await where(f"git:{made.sha('c')[:8]}") == 0
    assert states(capsys) == {"staging": "not there", "prod": "running", "empty": "not there"}
    assert await where(made.sha("c"), "prod") == 0
    assert await where(made.sha("c"), "staging") == 1
    assert await where(made.sha("c"), "nowhere") == 2
    assert "there is staging, prod, empty" in capsys.readouterr().err


async def test_a_commit_that_only_the_history_knows_runs_inside_a_later_one(capsys: pytest.CaptureFixture[str]) -> None:
    history = Told(LINE)
    assert await where(f"git:{made.sha('old')[:8]}", "prod", engine(), history) == 0
    found = json.loads(capsys.readouterr().out)["environments"][0]
    assert found["message"] == f"api, inside {made.sha('c')[:10]}, 1 commit later"
    assert found["evidence"].startswith("git: ")
    assert history.asked == [(made.sha("old"), made.sha("c"))]
    assert await where("git:main") == 1
    assert states(capsys) == {"staging": "not there", "prod": "not there", "empty": "not there"}


async def test_what_is_called_by_nobody_and_what_is_called_by_two(capsys: pytest.CaptureFixture[str]) -> None:
    assert await where("git:0123456789") == 1
    assert "nothing here is called git:0123456789" in capsys.readouterr().err
    pulls = Rows("gh", [made.pull(7, "c"), made.pull(7, "x", "https://github.com/acme/other")])
    assert await where("pr:7", "", engine(), pulls) == 2
    assert capsys.readouterr().err.splitlines()[1:] == [
        "  gh/pull_request/acme%2Fapi%2F7  #7 a change api", "  gh/pull_request/acme%2Fother%2F7  #7 a change other"
    ]
    assert await where("gh/pull_request/acme%2Fapi%2F7", "prod", engine(), pulls) == 0


async def test_a_source_that_is_down_is_said_and_never_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    silent = Rows("engine-2", [made.box("x", "x", "staging")], environment="staging")
    silent.error = Unavailable("listing", source="engine-2", why="timeout")
    rows = (engine(), Told(LINE), silent)
    assert await where(made.sha("c"), "staging", *rows) == 4
    assert states(capsys) == {"staging": "unknown"}
    assert await where(made.sha("c"), "prod", *rows) == 0
    assert await where("nothing-of-that-name", "", *rows) == 4
    assert "as far as is known: engine-2" in capsys.readouterr().err


async def test_trace_prints_every_hop_its_evidence_and_its_gaps(capsys: pytest.CaptureFixture[str]) -> None:
    rows = made.world()
    boot = booted(*(Rows(name, [r for r in rows if r.ref.source == name]) for name in {r.ref.source for r in rows}))
    assert await ended(boot, trace_for(boot, "api-1")) == 0
    out = capsys.readouterr().out
    for words in ("commit                ", f"{made.sha('c')[:10]}", "ci #1", "fraud v3", "Slow · firing",
                  "head_sha of the run = label org.opencontainers.image.revision"):  # fmt: skip
        assert words in out
    boot = booted(engine())
    assert await ended(boot, trace_for(boot, "api-1")) == 0
    assert "run                     - no source here lists runs: add its CI under sources:" in capsys.readouterr().out


async def test_trace_as_json_has_every_hop_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    boot = booted(engine(), Told(LINE), Rows("reg", [made.tag("team/api:v1", "moved"), made.tag("team/api:v2", "two")]))
    assert await ended(boot, trace_for(boot, "api-s", as_json=True)) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert [hop["hop"] for hop in found["hops"]][:5] == ["commit", "change_request", "run", "image", "release"]
    assert found["hops"][0]["things"][0]["name"] == made.sha("old")[:10]
    assert found["hops"][2]["gap"]["why"] == "no source here lists runs"
    assert found["notes"] == ["reg:5000/team/api:v1 is another image in tag of reg: the tag was moved"]
    assert all(link["evidence"] for link in found["links"])


async def test_two_environments_and_the_commits_between_them(capsys: pytest.CaptureFixture[str]) -> None:
    boot = booted(engine(), Told(LINE))
    assert await ended(boot, between_for(boot, "prod", "staging")) == 0
    out = capsys.readouterr().out
    assert f"+ {made.sha('c')[:10]} fix: null" in out
    assert "feat: cache" not in out
    boot = booted(engine())
    assert await ended(boot, between_for(boot, "prod", "staging", as_json=True)) == 0
    service = json.loads(capsys.readouterr().out)["services"][0]
    assert (service["same"], service["commits_unknown"]) == (False, ["no repository is listed here"])
    boot = booted(engine())
    assert await ended(boot, between_for(boot, "prod", "test")) == 2


async def test_what_is_under_way_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    waits = made.run(9, "new", status=Status.WAITING, state="waiting", where="approval", workflow="deploy-prod")
    assert await where(made.sha("new"), "prod", engine(), Told(LINE), Rows("gh", [waits])) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["environments"][0]["state"], found["environments"][0]["guess"]) == ("on its way", True)
    assert found["under_way"][0]["step"] == "ci #9: approval"


def test_the_program_answers_on_the_practice_world() -> None:
    with PracticeWorld() as world:
        where = world.run("where", "image:team/fraud-api:v42", "--in", "staging", "--json", "--timeout", "40")
        trace = world.run("trace", "scorer-1", "--json", "--timeout", "40")
    assert where.code == 0, where
    here = where.json["environments"][0]
    assert (here["environment"], here["state"]) == ("staging", "running")
    assert trace.code == 0, trace
    hops = {hop["hop"]: hop["things"] for hop in trace.json["hops"]}
    for hop in ("commit", "run", "image", "workload", "model_version", "training_run", "training_commit", "signal"):
        assert hops[hop], hop
    assert [thing["name"] for thing in hops["model_version"]] == ["fraud v17"]
    assert not any(thing["guess"] for things in hops.values() for thing in things)
