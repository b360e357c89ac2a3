"""Aliases through the operator: journalled, refused, raced, undone; and nothing is written without a permit."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.mlflow_lab import Lab, practice, ref
from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_config.redact import redact
from quarterdeck_demo.faults import BlackHole, Reset, Status
from quarterdeck_demo.mlflow import MlflowAuth
from quarterdeck_lifecycle.actor import Actor
from quarterdeck_lifecycle.errors import Forbidden, NotFound, QuarterdeckError, Refused, Unsupported
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.kinds import ModelVersion
from quarterdeck_lifecycle.ledger import Ledger
from quarterdeck_lifecycle.operate import Operator, Result
from quarterdeck_lifecycle.policy import Policy
from quarterdeck_lifecycle.ports import Preview
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.state import StateDB
from quarterdeck_lifecycle.verbs import Registry, built_in

ALIAS = "registered-models/alias"


class Deck:
    """An operator with a real ledger over one MLflow server."""

    def __init__(self, lab: Lab, source: MlflowSource, model: str, state: StateDB) -> None:
        self.lab, self.source, self.model = lab, source, model
        self.ledger = Ledger(state, Actor.current(environ={}), redact)
        self.operator = Operator(Hub([source]), Registry(built_in()), Policy(), self.ledger)

    async def preview(self, verb: str, number: str, alias: str) -> Preview:
        found = self.operator.registry.get(f"version.{verb}")
        assert found is not None
        return await self.operator.preview(found, ref(self.model, number), {"alias": alias})

    async def do(self, preview: Preview) -> Result:
        return await self.operator.perform(preview, why="a test")

    async def phases(self) -> list[tuple[str, str]]:
        rows = sorted(await self.ledger.rows(), key=lambda row: row.seq)
        return [(row.phase, row.result.partition(":")[0]) for row in rows]

    def written(self) -> list[str]:
        assert self.lab.server is not None
        return [
            f"{s.method} {s.path}" for s in self.lab.server.requests if s.method != "GET" and "search" not in s.path
        ]


async def filled(lab: Lab, folder: Path, **options: object) -> tuple[Deck, StateDB]:
    model = await lab.model("fraud")
    for _ in range(3):
        await lab.version(model, await lab.run("train", [("auc", 0.9, time.time(), 1)], status="FINISHED"))
    await lab.alias(model, "champion", "1")
    assert lab.server is not None
    lab.server.requests.clear()
    state = StateDB(folder / "ledger")
    return Deck(lab, await lab.source(**options), model, state), state


@pytest.fixture
async def deck(tmp_path: Path) -> AsyncIterator[Deck]:
    async with practice() as lab:
        made, state = await filled(lab, tmp_path)
        yield made
        await state.aclose(5)


async def test_a_move_is_in_the_ledger_read_back_and_told_in_tags(deck: Deck) -> None:
    preview = await deck.preview("set_alias", "2", "champion")
    assert deck.written() == []
    result = await deck.do(preview)
    assert result.result == "SUCCEEDED", result.message
    assert "read back" in result.message
    assert await deck.lab.where(deck.model, "champion") == "2"
    assert await deck.phases() == [("intent", ""), ("outcome", "SUCCEEDED")]
    rows = await deck.ledger.rows()
    assert {(row.before, row.after) for row in rows if row.phase == "intent"} == {("@champion v1", "@champion v2")}
    sent = [step.call for step in preview.steps]
    assert [w.removeprefix("POST ") for w in dict.fromkeys(deck.written())] == [c.removeprefix("POST ") for c in sent]


async def test_a_lost_race_sends_nothing_and_names_who_won(deck: Deck) -> None:
    preview = await deck.preview("set_alias", "2", "champion")
    other = await deck.preview("set_alias", "3", "champion")
    assert (await deck.do(other)).result == "SUCCEEDED"
    before = len(deck.written())
    result = await deck.do(preview)
    assert result.result == "FAILED"
    assert "was v1 and is v3 now, moved by" in result.message
    assert len(deck.written()) == before
    assert await deck.lab.where(deck.model, "champion") == "3"


async def test_a_writer_at_the_same_moment_is_seen_by_the_read_back(
    deck: Deck, monkeypatch: pytest.MonkeyPatch
) -> None:
    preview = await deck.preview("set_alias", "2", "champion")
    post = deck.source.api.post

    async def overtaken(path: str, body: dict[str, str]) -> object:
        answer = await post(path, body)
        if path == ALIAS:
            await deck.lab.alias(deck.model, "champion", "3")
        return answer

    monkeypatch.setattr(deck.source.api, "post", overtaken)
    result = await deck.do(preview)
    assert result.result == "FAILED"
    assert "is v3, read back, not v2" in result.message
    assert await deck.lab.tags(deck.model, "2") == {}


async def test_the_alias_stands_when_the_tags_cannot_be_written(deck: Deck) -> None:
    deck.lab.faults.add(Status(code=500), path="set-tag")
    result = await deck.do(await deck.preview("set_alias", "2", "champion"))
    assert result.result == "SUCCEEDED"
    assert "could not be written into its tags" in result.message


async def test_an_answer_that_is_lost_is_settled_by_the_read_back(tmp_path: Path) -> None:
    async with practice() as lab:
        deck, state = await filled(lab, tmp_path, deadline=0.4)
        preview = await deck.preview("set_alias", "2", "champion")
        lab.faults.add(BlackHole(effect=True), method="POST", path=ALIAS)
        result = await deck.do(preview)
        assert result.result == "SUCCEEDED"
        assert await lab.where(deck.model, "champion") == "2"
        assert deck.written().count(f"POST /api/2.0/mlflow/{ALIAS}") == 1
        await state.aclose(5)


@pytest.mark.parametrize("fault", [Status(code=503), Reset()])
async def test_a_write_is_never_sent_twice(deck: Deck, fault: Status | Reset) -> None:
    preview = await deck.preview("set_alias", "2", "champion")
    deck.lab.faults.add(fault, method="POST", path=ALIAS)
    assert (await deck.do(preview)).result == "FAILED"
    assert deck.written() == [f"POST /api/2.0/mlflow/{ALIAS}"]


async def test_a_reader_is_told_that_it_may_not(tmp_path: Path) -> None:
    auth = MlflowAuth(users={"eve": "pw", "admin": "pw"}, readers=frozenset({"eve"}))
    async with practice(auth=auth) as lab:
        lab._client.auth = ("admin", "pw")
        model = await lab.model("fraud")
        await lab.version(model)
        from quarterdeck_config.schema import SecretRef

        source = await lab.source(env={"P": "pw"}, username="eve", password=SecretRef(env="P"))
        action = source.actions["version.set_alias"]
        preview = await action.preview(ref(model, "1"), {"alias": "champion"})
        from quarterdeck_lifecycle.permit import permit

        with permit("ml"), pytest.raises(Forbidden):
            await action.execute(preview)


async def test_nothing_is_written_without_a_permit(deck: Deck) -> None:
    preview = await deck.preview("set_alias", "2", "champion")
    with pytest.raises(Refused, match="no permitted operation"):
        await deck.source.actions["version.set_alias"].execute(preview)
    assert deck.written() == []


@pytest.mark.parametrize("alias", ["latest", "Latest", "v3", "V17", "a b", "x/y", "é", "a" * 256])
async def test_names_that_mlflow_reserves_or_refuses_are_refused_before(deck: Deck, alias: str) -> None:
    with pytest.raises(Refused):
        await deck.preview("set_alias", "2", alias)
    assert deck.written() == []
    assert await deck.phases() == [("refused", "refused")]


async def test_what_makes_no_sense_is_refused(deck: Deck) -> None:
    with pytest.raises(Refused, match="already on v1"):
        await deck.preview("set_alias", "1", "champion")
    with pytest.raises(NotFound):
        await deck.preview("set_alias", "99", "champion")
    with pytest.raises(Refused, match="on no version"):
        await deck.preview("remove_alias", "1", "nobody")
    with pytest.raises(Unsupported):
        await deck.source.actions["version.set_alias"].preview(Ref("ml", "model", deck.model), {"alias": "a"})
    with pytest.raises(NotFound):
        await deck.source.actions["version.set_alias"].preview(Ref("x", "version", "a/1"), {"alias": "a"})


async def test_keys_are_greyed_with_their_reason(deck: Deck) -> None:
    found = {row.name: row for row in (await deck.source.list("version")).rows}
    with_alias, without = found[f"{deck.model} v1"], found[f"{deck.model} v2"]
    removing = deck.source.actions["version.remove_alias"]
    assert isinstance(with_alias, ModelVersion)
    assert removing.permitted(with_alias) is None
    assert removing.permitted(without) == "it has no alias"


async def test_a_removed_alias_comes_back_by_its_inverse(deck: Deck) -> None:
    preview = await deck.preview("remove_alias", "1", "champion")
    assert (await deck.do(preview)).result == "SUCCEEDED"
    assert await deck.lab.where(deck.model, "champion") == ""
    assert preview.inverse == ("version.set_alias", {"alias": "champion"})
    assert (await deck.do(await deck.preview("set_alias", "1", "champion"))).result == "SUCCEEDED"
    assert await deck.lab.where(deck.model, "champion") == "1"


async def test_a_preview_says_who_loads_the_alias_and_what_is_odd_about_the_version(tmp_path: Path) -> None:
    async with practice() as lab:
        deck, state = await filled(lab, tmp_path)
        config = {"services": {"scorer": {"model": f"{deck.model}@champion"}}}
        source = await lab.source(config=config)
        preview = await source.actions["version.set_alias"].preview(ref(deck.model, "2"), {"alias": "champion"})
        assert preview.impact[0].startswith("scorer loads")
        assert lab.mlflow is not None
        lab.mlflow.state.models[deck.model].versions[3].status = "PENDING_REGISTRATION"
        lab.mlflow.state.models[deck.model].versions[3].run_id = "gone"
        preview = await source.actions["version.set_alias"].preview(ref(deck.model, "3"), {"alias": "champion"})
        assert preview.warnings == ("v3 is PENDING_REGISTRATION: not ready", "run missing")
        await state.aclose(5)


async def test_a_read_only_deck_refuses(deck: Deck) -> None:
    deck.operator.policy.read_only = True
    result = await deck.do(await deck.preview("set_alias", "2", "champion"))
    assert result.result == "REFUSED"
    assert isinstance(result.error, QuarterdeckError)
    assert deck.written() == []
