"""What the MLflow adapter promises, kept on the practice server and on a real one by the same tests."""

from __future__ import annotations

import json
import math
import time
from collections.abc import AsyncIterator

import pytest

from parts.mlflow_lab import SIGNATURE, Lab, ml_model, practice, ref, rows, run_of, version_of
from quarterdeck_adapters.mlflow import registry as registry_module
from quarterdeck_adapters.mlflow.discovery import discover
from quarterdeck_lifecycle.errors import Conflict, Malformed, NotFound, Refused
from quarterdeck_lifecycle.kinds import ModelVersion, RegisteredModel, TrainingRun
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.ports import Acts, Describes, Drills, Source
from quarterdeck_lifecycle.records import Ref, Status


@pytest.fixture(params=["practice", pytest.param("real", marks=[pytest.mark.real("mlflow")])])
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[Lab]:
    if request.param == "practice":
        async with practice() as made:
            yield made
        return
    made = Lab(request.getfixturevalue("mlflow").url)
    try:
        yield made
    finally:
        await made.close()


async def with_two(lab: Lab, **tags: str) -> str:
    """A model with two versions, auc .93 and .94; @champion is on the first."""
    model = await lab.model("fraud", **tags)
    for auc, sha in ((0.93, "8ae0417c3e"), (0.94, "c51b0aa001")):
        tagged = {
            "mlflow.source.git.commit": sha,
            "mlflow.source.git.repoURL": "https://me:pw@forge.example/acme/fraud",
        }
        run = await lab.run("train", [("auc", auc, time.time(), 3)], status="FINISHED", tags=tagged)
        await lab.version(model, run)
    await lab.alias(model, "champion", "1")
    return model


async def test_it_is_a_source_that_drills_describes_and_acts(lab: Lab) -> None:
    source = await lab.source()
    assert isinstance(source, Source)
    assert isinstance(source, Drills)
    assert isinstance(source, Describes)
    assert isinstance(source, Acts)
    probe = await source.probe()
    assert probe.version.count(".") >= 1
    assert probe.can == {"version.set_alias": None, "version.remove_alias": None}


async def test_models_versions_and_what_they_came_from(lab: Lab) -> None:
    model = await with_two(lab)
    source = await lab.source(config={"models": {model: {"primary_metric": "auc", "direction": "max"}}})
    found = next(r for r in await rows(source, "model") if r.name == model)
    assert isinstance(found, RegisteredModel)
    assert (found.aliases, found.latest_version, found.primary_metric) == ({"champion": "1"}, "2", "auc (max)")
    first, second = await version_of(source, model, "1"), await version_of(source, model, "2")
    assert (first.aliases, first.metric, first.delta) == (("champion",), 0.93, None)
    assert second.metric == 0.94
    assert second.delta == pytest.approx(0.01)
    assert (second.status, second.state, second.note) == (Status.OK, "READY", "")
    assert second.link("commit") == "c51b0aa001"
    assert second.link("repository") == "https://forge.example/acme/fraud"
    assert second.link("training_run") == second.run_id
    assert "run tag" in next(link.evidence for link in second.links if link.kind == "commit")


async def test_a_metric_to_be_small_turns_the_difference_round_and_none_named_is_never_guessed(lab: Lab) -> None:
    tagged = await with_two(lab, quarterdeck__primary_metric="auc", quarterdeck__direction="min")
    source = await lab.source()
    assert (await version_of(source, tagged, "2")).delta == pytest.approx(-0.01)
    named = await lab.model("plain")
    run = await lab.run("train", [("auc", 0.9, time.time(), 1)], status="FINISHED")
    await lab.version(named, run)
    plain = await version_of(source, named, "1")
    assert (plain.metric_name, plain.metric, plain.delta) == ("", None, None)


async def test_a_version_without_its_run_says_so(lab: Lab) -> None:
    model = await lab.model("orphan")
    await lab.version(model, "0" * 32)
    await lab.alias(model, "champion", "1")
    row = await version_of(await lab.source(), model, "1")
    assert (row.status, row.note) == (Status.LOOK, "run missing")


async def test_a_running_run_is_followed_by_its_new_points(lab: Lab) -> None:
    now = time.time()
    id = await lab.run("live", [("loss", 1.0 / (n + 1), now - 100 + n * 2, n * 10) for n in range(30)])
    source = await lab.source()
    row = await run_of(source, id)
    assert (row.status, row.state, row.metric_name, row.step) == (Status.RUNNING, "running", "loss (last logged)", 290)
    assert row.rate == pytest.approx(5.0)
    assert len(row.history) == 30
    assert source.interval("training_run", [row]) == 5.0
    await lab.log(id, [("loss", 0.01, now - 10, 300), ("loss", 0.005, now - 8, 310)])
    row = await run_of(source, id)
    assert (row.metric, row.step, len(row.history)) == (0.005, 310, 32)
    await lab.call("POST", "runs/update", {"run_id": id, "status": "FINISHED", "end_time": int(now * 1000)})
    row = await run_of(source, id)
    assert (row.status, row.state, row.rate, len(row.history)) == (Status.OK, "finished", None, 32)
    assert source.interval("training_run", [row]) == 30.0


async def test_a_long_history_is_sampled_and_its_rate_still_exact(lab: Lab) -> None:
    now = time.time()
    slower = [(n, n * 0.1 if n < 1450 else 145 + (n - 1450) * 0.5) for n in range(1500)]
    id = await lab.run("long", [("loss", 1.0, now - 1000 + seconds, n) for n, seconds in slower])
    row = await run_of(await lab.source(), id)
    assert len(row.history) == 64
    assert row.rate == pytest.approx(2.0)


async def test_nan_is_named_with_the_step_where_it_began(lab: Lab) -> None:
    now = time.time()
    values = [("loss", "NaN" if n >= 812 else 1.0, now - 1000 + n, n) for n in range(900)]
    id = await lab.run("broken", values, status="FAILED")
    row = await run_of(await lab.source(), id)
    assert (row.status, row.note) == (Status.BAD, "loss is NaN at step 812")
    assert row.metric is not None
    assert math.isnan(row.metric)
    assert None in row.history
    assert row == row.__copy__()


async def test_infinity_is_found_where_the_store_keeps_a_huge_number(lab: Lab) -> None:
    id = await lab.run("huge", [("loss", "Infinity", time.time(), 5)])
    row = await run_of(await lab.source(), id)
    assert (row.status, row.note) == (Status.BAD, "loss is Infinity at step 5")


async def test_a_run_that_went_quiet_is_stalled_in_steps_of_time(lab: Lab) -> None:
    now = time.time()
    id = await lab.run("quiet", [("loss", 1.0, now - 1000 + n, n) for n in range(10)], started=now - 1000)
    row = await run_of(await lab.source(), id)
    assert (row.status, row.note) == (Status.LOOK, "stalled: no metric for 15m")


async def test_the_config_names_the_metric_of_a_run_by_its_model(lab: Lab) -> None:
    model = await lab.model("watched")
    now = time.time()
    id = await lab.run("train", [("auc", 0.9, now - 5, 1), ("loss", 0.1, now, 2)])
    await lab.version(model, id)
    source = await lab.source(config={"models": {model: {"primary_metric": "auc", "direction": "max"}}})
    await source.list("version")
    row = await run_of(source, id)
    assert (row.metric_name, row.metric) == ("auc", 0.9)
    assert row.link("version") == f"{model}/1"


async def test_versions_of_a_model_come_in_pages(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "NEWEST", 3)
    model = await lab.model("paged")
    for _ in range(7):
        await lab.version(model)
    source = await lab.source()
    found, token, pages = [], "", 0
    while pages == 0 or token:
        listing, token = await source.children(Ref("ml", "model", model), token)
        found += [row.version for row in listing.rows if isinstance(row, ModelVersion)]
        pages += 1
    assert (found, pages) == ([str(n) for n in range(7, 0, -1)], 3)


async def test_the_child_of_a_version_is_its_run(lab: Lab) -> None:
    model = await with_two(lab)
    source = await lab.source()
    listing, token = await source.children(ref(model, "2"))
    assert token == ""
    assert isinstance(listing.rows[0], TrainingRun)
    assert listing.rows[0].metrics == {"auc": 0.94}


async def test_details_of_everything(lab: Lab) -> None:
    model = await with_two(lab)
    source = await lab.source()
    run = (await version_of(source, model, "2")).run_id
    titles = {
        kind: [section.title for section in await source.describe(Ref("ml", kind, id))]
        for kind, id in (("model", model), ("version", f"{model}/2"), ("training_run", run))
    }
    assert titles["model"] == ["Overview", "Aliases", "Tags", "Versions"]
    assert titles["version"] == ["Overview", "Tags", "Metrics", "Params", "Signature", "Source run", "Inputs"]
    assert titles["training_run"] == ["Overview", "Metrics", "Params", "Tags", "Inputs", "Artifacts"]
    metrics = next(s for s in await source.describe(Ref("ml", "training_run", run)) if s.title == "Metrics")
    assert metrics.table[1] == ("auc", "0.94", "0.94", "0.94", "3")
    with pytest.raises(NotFound):
        await source.describe(ref(model, "99"))
    with pytest.raises(NotFound):
        await source.describe(Ref("ml", "training_run", "0" * 32))


async def test_an_alias_moves_is_read_back_and_told_in_tags(lab: Lab) -> None:
    model = await with_two(lab)
    source = await lab.source()
    action = source.actions["version.set_alias"]
    preview = await action.preview(ref(model, "2"), {"alias": "champion"})
    assert (preview.before, preview.after, preview.token) == ("@champion v1", "@champion v2", "1")
    assert preview.inverse == ("version.set_alias", {"alias": "champion", "version": "1"})
    assert await lab.where(model, "champion") == "1"
    with permit("ml"):
        await action.execute(preview)
    assert await lab.where(model, "champion") == "2"
    outcome = await action.verify(preview)
    assert (outcome.verified, outcome.observed) == (True, "v2")
    tags = await lab.tags(model, "2")
    assert tags["quarterdeck.alias.champion.from"] == "v1"
    assert "@" in tags["quarterdeck.alias.champion.by"]
    undo = await action.preview(preview.ref, preview.inverse[1])
    with permit("ml"):
        await action.execute(undo)
    assert await lab.where(model, "champion") == "1"


async def test_an_alias_that_moved_since_the_preview_is_left_alone(lab: Lab) -> None:
    model = await with_two(lab)
    await lab.version(model)
    source = await lab.source()
    action = source.actions["version.set_alias"]
    preview = await action.preview(ref(model, "2"), {"alias": "champion"})
    await lab.alias(model, "champion", "3")
    with permit("ml"), pytest.raises(Conflict, match="was v1 and is v3 now"):
        await action.execute(preview)
    assert await lab.where(model, "champion") == "3"


async def test_a_missing_alias_is_set_and_removed_again(lab: Lab) -> None:
    model = await with_two(lab)
    source = await lab.source()
    setting, removing = source.actions["version.set_alias"], source.actions["version.remove_alias"]
    preview = await setting.preview(ref(model, "2"), {"alias": "challenger"})
    assert (preview.token, preview.inverse) == ("", ("version.remove_alias", {"alias": "challenger"}))
    with permit("ml"):
        await setting.execute(preview)
    assert (await setting.verify(preview)).verified
    with pytest.raises(Refused, match="is v2, not v1"):
        await removing.preview(ref(model, "1"), {"alias": "challenger"})
    preview = await removing.preview(ref(model, "2"), {"alias": "challenger"})
    with permit("ml"):
        await removing.execute(preview)
    assert (await removing.verify(preview)).verified
    assert await lab.where(model, "challenger") == ""


async def test_the_server_that_the_environment_names_is_found(lab: Lab) -> None:
    env = {"MLFLOW_TRACKING_URI": lab.url}
    source = await lab.source(env=env)
    found = [c for c in await discover(source.context) if c.source.url == lab.url]
    assert [c.answered for c in found] == [True]
    assert "MLFLOW_TRACKING_URI" in found[0].evidence


async def test_a_foreign_name_of_the_server_is_explained(lab: Lab) -> None:
    source = await lab.source()
    with pytest.raises(Exception, match="Invalid Host header") as caught:
        await source.api.ask("GET", "/api/2.0/mlflow/registered-models/search", headers={"Host": "mlflow.example"})
    assert "--allowed-hosts" in caught.value.mend  # type: ignore[attr-defined]


async def test_another_path_is_no_mlflow(lab: Lab) -> None:
    source = await lab.source()
    with pytest.raises(Malformed, match="no such call"):
        await source.api.get("nothing/here")


async def test_a_signature_that_changed_is_seen_before_the_alias_moves(lab: Lab) -> None:
    columns = [{"type": "double", "name": "amount", "required": True}]
    columns.append({"type": "string", "name": "merchant", "required": True})
    wider = {**SIGNATURE, "inputs": json.dumps(columns)}
    model = await lab.model("signed", quarterdeck__primary_metric="auc", quarterdeck__direction="max")
    for auc, signature in ((0.93, SIGNATURE), (0.91, wider)):
        run = await lab.run("train", [("auc", auc, time.time(), 1)], status="FINISHED")
        await lab.version(model, run, mlmodel=ml_model(signature))
    await lab.alias(model, "champion", "1")
    source = await lab.source()
    second = await version_of(source, model, "2")
    assert second.signature == "inputs amount: double, merchant: string · outputs double"
    assert (second.status, second.note) == (Status.LOOK, "signature differs from champion")
    preview = await source.actions["version.set_alias"].preview(ref(model, "2"), {"alias": "champion"})
    assert preview.warnings == (
        "the signature changes from v1: inputs gain merchant",
        "auc is worse than v1's: 0.91 after 0.93",
    )
    shown = next(s for s in await source.describe(ref(model, "2")) if s.title == "Signature")
    assert shown.table[2] == ("inputs", "merchant", "string", "yes")
    assert "sklearn" in shown.note
