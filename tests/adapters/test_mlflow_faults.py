"""The MLflow adapter under every fault of a server: a typed error with its place, and the last good rows stay."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator

import pytest

from parts.mlflow_lab import Lab, practice, rows, version_of
from quarterdeck_adapters.mlflow import history as history_module
from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_demo.faults import (
    AnyFault,
    BlackHole,
    Drip,
    DuplicatePages,
    Hostile,
    Html,
    Reset,
    Status,
    TokenLoop,
    Truncate,
)
from quarterdeck_lifecycle.busy import Busy
from quarterdeck_lifecycle.errors import (
    AuthFailed,
    Forbidden,
    Malformed,
    NotFound,
    QuarterdeckError,
    RateLimited,
    Timeout,
    Unavailable,
    Unsupported,
)
from quarterdeck_lifecycle.feed import Feed
from quarterdeck_lifecycle.records import Ref, State, row_json

KINDS = ("model", "version", "training_run")
FAULTS: dict[str, tuple[AnyFault, type[QuarterdeckError], State]] = {
    "401": (Status(code=401), AuthFailed, State.AUTH),
    "403": (Status(code=403), Forbidden, State.STALE),
    "404": (Status(code=404), Malformed, State.STALE),
    "429": (Status(code=429, retry_after=7), RateLimited, State.STALE),
    "500": (Status(code=500), Unavailable, State.STALE),
    "503": (Status(code=503), Unavailable, State.STALE),
    "html": (Html(), Malformed, State.STALE),
    "html 404": (Html(code=404), Malformed, State.STALE),
    "truncated": (Truncate(), Malformed, State.STALE),
    "cut": (Truncate(framed=False), Unavailable, State.STALE),
    "reset": (Reset(), Unavailable, State.STALE),
    "black hole": (BlackHole(), Timeout, State.STALE),
    "drip": (Drip(interval=0.2), Timeout, State.STALE),
    "a list": (Status(code=200, body=[]), Malformed, State.STALE),
}


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with practice() as made:
        yield made


async def filled(lab: Lab) -> str:
    model = await lab.model("fraud", quarterdeck__primary_metric="auc", quarterdeck__direction="max")
    run = await lab.run("train", [("auc", 0.9, time.time(), 1)], params={"depth": "3"})
    await lab.version(model, run)
    await lab.alias(model, "champion", "1")
    return model


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_is_named_and_the_rows_stay(lab: Lab, kind: str, name: str) -> None:
    fault, error, state = FAULTS[name]
    await filled(lab)
    slow = name in ("black hole", "drip")
    source = await lab.source(**({"deadline": 0.3} if slow else {}))
    feed = Feed(source, kind, lambda old, new: None, Busy())
    good = await feed.once()
    assert (good.state, len(good.rows)) == (State.FRESH, 1)
    lab.faults.add(fault, path="/search")
    bad = await feed.once()
    assert bad.rows == good.rows
    assert bad.state is state
    assert isinstance(bad.error, error), bad.error
    assert bad.error.source == "ml"
    if isinstance(bad.error, RateLimited):
        assert bad.error.retry_after == 7
    lab.faults.clear()
    feed.poke()
    assert (await feed.once()).state is State.FRESH


async def test_rows_stand_without_histories_that_cannot_be_had(lab: Lab) -> None:
    await filled(lab)
    lab.faults.add(Status(code=500), path="get-history")
    listing = await (await lab.source()).list("training_run")
    assert len(listing.rows) == 1
    assert "without metric histories" in listing.partial


async def test_a_server_without_the_sampled_call_is_read_by_the_plain_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_module, "FALLBACK_PAGE", 4)
    lab.faults.add(Html(code=404), path="get-history-bulk-interval")
    now = time.time()
    id = await lab.run("old", [("loss", 1 / (n + 1), now - 50 + n, n) for n in range(10)])
    source = await lab.source()
    first = await rows(source, "training_run")
    assert [len(row_json(row)["history"]) for row in first] == [10]
    asked = lab.asked("metrics/get-history")
    await lab.log(id, [("loss", 0.05, now, 10)])
    again = await rows(source, "training_run")
    assert [len(row_json(row)["history"]) for row in again] == [11]
    assert lab.asked("metrics/get-history") == asked + 1


async def test_versions_stand_without_runs_and_signatures(lab: Lab) -> None:
    model = await filled(lab)
    source = await lab.source()
    lab.faults.add(Status(code=500), path="runs/")
    lab.faults.add(Status(code=500), path="get-artifact")
    listing = await source.list("version")
    assert "without some source runs" in listing.partial
    row = await version_of(source, model, "1")
    assert (row.metric, row.note) == (None, "")


async def test_pages_that_overlap_give_each_row_once(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck_adapters.mlflow.registry.MODELS_A_PAGE", 4)
    names = {await lab.model(f"m{n:02}") for n in range(10)}
    lab.faults.add(DuplicatePages(), path="registered-models/search")
    found = [row.name for row in await rows(await lab.source(), "model")]
    assert sorted(found) == sorted(names)


async def test_pages_that_go_in_circles_end(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck_adapters.mlflow.registry.MODELS_A_PAGE", 4)
    for n in range(10):
        await lab.model(f"m{n:02}")
    lab.faults.add(TokenLoop(), path="registered-models/search")
    listing = await (await lab.source()).list("model")
    assert len(listing.rows) >= 4
    assert "repeats its pages" in listing.partial
    assert lab.asked("registered-models/search") <= 4


@pytest.mark.parametrize("everything", [False, True])
async def test_hostile_strings_in_every_field_break_nothing(lab: Lab, everything: bool) -> None:
    model = await filled(lab)
    source = await lab.source()
    lab.faults.add(Hostile(everything=everything))
    for kind in KINDS:
        for row in await rows(source, kind):
            shown = [value for value in row_json(row).values() if isinstance(value, str)]
            assert all(text.isprintable() or text == "\n" for text in "".join(shown) if text != "\n"), shown
    for ref in (Ref("ml", "model", model), Ref("ml", "version", f"{model}/1")):
        for section in await source.describe(ref):
            for line in (*section.fields, *section.table):
                assert "\x1b" not in "".join(line)


async def test_odd_types_count_as_absent(lab: Lab) -> None:
    odd = {"registered_models": [{"name": "x", "aliases": [None, {"alias": 3}], "tags": "no", "creation_timestamp": {}},
                                 7, {"name": ["y"]}]}  # fmt: skip
    lab.faults.add(Status(code=200, body=odd), path="registered-models/search")
    found = await rows(await lab.source(), "model")
    assert [row.name for row in found] == ["x"]


async def test_an_enormous_server_is_never_read_whole(lab: Lab) -> None:
    model = await filled(lab)
    assert lab.mlflow is not None
    registered = lab.mlflow.state.models[model]
    first = registered.versions[1]
    for number in range(2, 10_001):
        copy = type(first)(**{slot: getattr(first, slot) for slot in type(first).__slots__})
        copy.version, copy.created = number, first.created + number
        registered.versions[number] = copy
    source = await lab.source()
    before = len(lab.server.requests) if lab.server else 0
    listing = await source.list("version")
    assert len(listing.rows) == 101
    assert "the newest 100 versions" in listing.partial
    assert (await version_of(source, model, "1")).aliases == ("champion",)
    assert lab.asked("model-versions/get") - lab.asked("get-artifact") == 1
    page, token = await source.children(Ref("ml", "model", model))
    assert (len(page.rows), bool(token)) == (100, True)
    assert lab.server is not None
    asked = [seen for seen in list(lab.server.requests)[before:] if seen.path.endswith("model-versions/search")]
    assert len(asked) == 3
    assert all(int(seen.query["max_results"][0]) <= 100 for seen in asked)


async def test_a_run_that_stands_still_costs_no_history_and_one_that_moves_its_new_points(lab: Lab) -> None:
    await filled(lab)
    source = await lab.source()
    await source.list("training_run")
    asked = lab.asked("get-history")
    for _ in range(3):
        await source.list("training_run")
    assert lab.asked("get-history") == asked
    await lab.log((await rows(source, "training_run"))[0].ref.id, [("auc", 0.95, time.time(), 5)])
    await source.list("training_run")
    assert lab.server is not None
    last = [seen.query for seen in lab.server.requests if "get-history" in seen.path][-1]
    assert (last["start_step"], last["end_step"]) == (["2"], ["5"])


async def test_refs_of_another_source_and_unknown_kinds_are_refused(lab: Lab) -> None:
    source = await lab.source()
    with pytest.raises(Unsupported):
        await source.list("container")
    with pytest.raises(NotFound):
        await source.describe(Ref("other", "model", "x"))
    with pytest.raises(Unsupported):
        await source.children(Ref("ml", "training_run", "x"))
    with pytest.raises(NotFound):
        await source.describe(Ref("ml", "version", "noslash"))


async def test_a_source_without_an_http_address_says_what_to_do(lab: Lab) -> None:
    context = (await lab.source()).context
    from quarterdeck_adapters.base import SourceConfig

    with pytest.raises(Unsupported, match="mlflow server"):
        MlflowSource(SourceConfig(name="ml", system="mlflow", url="file:///mlruns"), context)


async def test_nan_does_not_make_a_row_new_at_each_poll(lab: Lab) -> None:
    await lab.run("broken", [("loss", "NaN", time.time(), 5)], status="FAILED")
    source = await lab.source()
    feed = Feed(source, "training_run", lambda old, new: None, Busy())
    first = (await feed.once()).rows
    assert math.isnan(row_json(first[0])["metric"])
    assert (await feed.once()).rows[0] is first[0]


async def test_a_read_on_a_connection_that_was_closed_meanwhile_is_asked_once_more(lab: Lab) -> None:
    await filled(lab)
    source = await lab.source()
    lab.faults.add(Reset(), path="registered-models/search", count=1)
    assert len(await rows(source, "model")) == 1
    assert lab.asked("registered-models/search") == 2
