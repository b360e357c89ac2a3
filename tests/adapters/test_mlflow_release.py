"""An alias as the target of a release: names, looks, plans. On the practice server and on a real one."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import msgspec
import pytest

from parts.mlflow_lab import Lab, ml_model, practice
from parts.mlflow_releases import ALIAS, Bench, filled, quiet, step
from quarterdeck_adapters.mlflow.release_plan import wanted_version
from quarterdeck_lifecycle.errors import Conflict, NotFound, Refused, Unsupported
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.model import Change, Identity, ProbeRule
from quarterdeck_lifecycle.release.ports import Deploys, Target


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


@pytest.fixture
async def bench(lab: Lab) -> Bench:
    return Bench(lab, await lab.source(), await filled(lab))


async def test_a_source_has_targets_by_the_name_of_an_alias(bench: Bench) -> None:
    assert isinstance(bench.source, Deploys)
    target: Target = bench.target
    assert str(target.place) == f"ml/{bench.model}@champion"
    assert target.lease.advisory
    assert "advisory" in target.lease.window
    two_at = bench.source.target("alias", "team@home@champion", {})
    assert (two_at.model, two_at.alias) == ("team@home", "champion")
    for name in ("fraud", "@champion", "fraud@", ""):
        with pytest.raises(Unsupported, match="MODEL@ALIAS"):
            bench.source.target("alias", name, {})
    with pytest.raises(Unsupported, match="no target of kind container"):
        bench.source.target("container", "fraud@champion", {})


async def test_every_way_to_name_a_version_is_the_same_identity(bench: Bench) -> None:
    await bench.lab.alias(bench.model, "challenger", "2")
    names = ["2", "v2", "V2", "02", "challenger", "@challenger"]
    names += [f"{prefix}{bench.model}{rest}" for prefix in ("", "model:", "models:/") for rest in ("/2", "@challenger")]
    for wanted in names:
        found = await bench.target.resolve(wanted, bench.model)
        assert (found.kind, found.name, found.digest) == ("model", bench.model, "2"), wanted
        assert (found.revision, found.wanted) == ("8ae0417c3e", wanted)
        assert found.created_at is not None
        assert abs(found.created_at - time.time()) < 3600
        assert found.reference == f"models:/{bench.model}/2"


@pytest.mark.parametrize("wanted", ["99", "v99", "nobody", "other/2", "other@champion", "", "../2", "--help", "²"])
async def test_what_names_no_version_of_this_model_is_not_found(bench: Bench, wanted: str) -> None:
    with pytest.raises((NotFound, Conflict)):
        await bench.target.resolve(wanted, bench.model)


def test_a_model_with_signs_in_its_name_is_parsed_from_the_right() -> None:
    assert wanted_version("a@b@champion", "a@b", "ml") == ("", "champion")
    assert wanted_version("model:a@b/7", "a@b", "ml") == ("7", "")
    with pytest.raises(NotFound):
        wanted_version("a@b@champion", "a", "ml")


async def test_a_look_says_where_the_alias_is_and_a_missing_model_is_not_found(bench: Bench) -> None:
    seen = await bench.target.look()
    assert seen.identity is not None
    assert (seen.identity.digest, seen.running, seen.health, seen.id) == ("1", True, "healthy", "1")
    assert (seen.since, seen.marks) == (None, None)
    nowhere = await bench.source.target("alias", f"{bench.model}@nobody", {}).look()
    assert (nowhere.identity, nowhere.running, nowhere.state) == (None, True, "on no version")
    with pytest.raises(NotFound):
        await bench.source.target("alias", f"no-alias-{bench.model}@champion", {}).look()


async def test_a_plan_writes_nothing_and_names_its_steps_and_facts(bench: Bench) -> None:
    draft = await bench.target.plan(bench.wanted(await bench.target.resolve("2", bench.model), back_candidate="3"))
    assert [(each.name, each.phase) for each in draft.steps] == [("move", "switch"), ("gate", "gate"), ("mark", "keep")]
    change = draft.change
    assert change.facts == {"model": bench.model, "alias": "champion", "before": "1", "to": "2", "back": "3"}
    assert (change.mode, change.to.digest, change.back and change.back.digest) == ("alias", "2", "3")
    assert (change.to.labels, draft.gap_s) == ({}, 0.0)
    assert msgspec.json.decode(msgspec.json.encode(change), type=Change) == change
    assert (await bench.where(), await bench.tags("2")) == ("1", {})


async def test_what_makes_no_sense_is_refused_with_its_reason(bench: Bench) -> None:
    async def plan(alias: str = "champion", version: str = "2", **options: object) -> None:
        target = bench.source.target("alias", f"{bench.model}@{alias}", {})
        await target.plan(bench.wanted(Identity(kind="model", name=bench.model, digest=version), **options))

    with pytest.raises(Refused, match="nothing to do"):
        await plan(version="1")
    with pytest.raises(NotFound):
        await plan(version="99")
    with pytest.raises(Refused, match="reserves"):
        await plan(alias="v3")
    with pytest.raises(Refused, match="letters, digits"):
        await plan(alias="a b")
    with pytest.raises(Refused, match="longer than"):
        await plan(alias="a" * 240)
    with pytest.raises(Refused, match="put back"):
        await plan(back_candidate="2")
    with pytest.raises(Refused, match="nowhere to go"):
        await plan(back_candidate="99")
    with pytest.raises(Refused, match="v3 was chosen"):
        await plan(candidate="3")
    with pytest.raises(Unsupported, match="started anew"):
        await plan(restart_only=True)
    with pytest.raises(Unsupported, match="only versions of"):
        await bench.target.plan(bench.wanted(Identity(kind="image", name="team/app", digest="sha256:1")))
    with pytest.raises(Unsupported, match="only versions of"):
        await bench.target.plan(bench.wanted(Identity(kind="model", name="other", digest="2")))


async def test_a_version_that_is_not_ready_is_refused() -> None:
    async with practice() as lab:
        bench = Bench(lab, await lab.source(), await filled(lab))
        assert lab.mlflow is not None
        lab.mlflow.state.models[bench.model].versions[2].status = "PENDING_REGISTRATION"
        with pytest.raises(Refused, match="PENDING_REGISTRATION"):
            await bench.change("2")
        lab.mlflow.state.models[bench.model].versions[2].status = "READY"
        change = await bench.change("2")
        lab.mlflow.state.models[bench.model].versions[2].status = "FAILED_REGISTRATION"
        with pytest.raises(Conflict, match="FAILED_REGISTRATION"):
            await bench.target.recheck(change)
        with pytest.raises(Conflict, match="FAILED_REGISTRATION"):
            await bench.move(change)
        assert (await bench.where(), await bench.tags("2")) == ("1", {})


async def test_a_changed_signature_a_missing_run_and_who_cannot_reload_are_warned_of(lab: Lab) -> None:
    model = await lab.model("signed")
    await lab.version(model, mlmodel=ml_model())
    other = {"inputs": '[{"type": "double", "name": "sum", "required": true}]', "outputs": None, "params": None}
    await lab.version(model, "0" * 32, mlmodel=ml_model(other))
    await lab.version(model)
    await lab.alias(model, "champion", "1")
    name = f"{model}@champion"
    container = [{"kind": "container", "source": "local", "name": "x"}]
    alias = [{"kind": "alias", "source": "ml", "name": name}]
    config = {"services": {
        "scorer": {"model": name, "environments": {"prod": {"targets": container + alias}}},
        "nightly": {"model": name, "environments": {"prod": {"targets": container}}},
        "batch": {"model": name, "environments": {"prod": {"targets": alias}}},
        "frozen": {"model": name, "resolves_alias": False, "environments": {"prod": {"targets": container}}},
        "stranger": {"model": f"{model}@other"},
    }}  # fmt: skip
    bench = Bench(lab, await lab.source(config=config), model)
    warnings = (await bench.target.plan(bench.wanted(await bench.target.resolve("2", model)))).warnings
    told = "\n".join(warnings)
    assert "run missing" in told
    assert "the signature changes from v1: inputs lose amount; outputs lose double; inputs gain sum" in told
    assert f"frozen does not read {name}" in told
    assert f"nightly loads {name} too, and is not started anew" in told
    assert f"batch loads {name} when it starts, and cannot be started anew from here" in told
    assert "scorer" not in told
    assert "stranger" not in told
    third = (await bench.target.plan(bench.wanted(await bench.target.resolve("3", model)))).warnings
    assert "v3 names no training run" in third


async def test_the_alias_that_moved_since_the_operator_looked_is_refused_and_names_who(bench: Bench) -> None:
    change = await bench.change("2")
    await bench.target.recheck(change)
    verb = bench.source.actions["version.set_alias"]
    from parts.mlflow_lab import ref

    with permit("ml"):
        await verb.execute(await verb.preview(ref(bench.model, "3"), {"alias": "champion"}))
    who = (await bench.tags("3"))["by"]
    with pytest.raises(Conflict, match=f"was v1 and is v3 now, moved by {who}"):
        await bench.target.recheck(change)
    with pytest.raises(Conflict, match=f"is v3 now, moved by {who}"):
        await bench.move(change)
    assert (await bench.where(), await bench.tags("2")) == ("3", {})


async def test_the_probe_reads_the_alias_back(bench: Bench) -> None:
    change = await bench.change("2")
    rule = ProbeRule(engine=True)
    before = await bench.target.probe(change, rule, "traffic")
    assert (before.verdict, before.said) == ("fail", "@champion is v1, READY")
    await bench.move(change)
    after = await bench.target.probe(change, rule, "traffic")
    assert (after.verdict, after.said) == ("pass", "@champion is v2, READY")
    assert await bench.target.endpoint(change, "traffic") == ""
    with pytest.raises(Unsupported):
        await bench.target.probe(change, ProbeRule(exec=("true",)), "direct")
    with permit("ml"), pytest.raises(Unsupported):
        await bench.target.do(change, step("pull"), quiet)


async def test_evidence_is_what_the_registry_says_of_the_version(bench: Bench) -> None:
    change = await bench.change("2")
    for which, number in (("new", "2"), ("old", "1")):
        found = await bench.target.evidence(change, which, 50)  # type: ignore[arg-type]
        assert (found.which, found.state, found.log) == (which, "READY", ())
        assert msgspec.json.decode(found.inspect)["version"] in (number, int(number))
    gone = msgspec.structs.replace(change, to=Identity(kind="model", name=bench.model, digest="99"))
    assert "cannot be read" in (await bench.target.evidence(gone, "new", 50)).inspect


async def test_nothing_is_written_without_a_permit(bench: Bench) -> None:
    change = await bench.change("2")
    with pytest.raises(Refused, match="no permitted operation"):
        await bench.target.do(change, step("move"), quiet)
    assert (await bench.where(), await bench.tags("2")) == ("1", {})


HOSTILE = ["it's", 'say "hi"', "both ' and \"", "a@b", "$(touch x)", "-rf", "é模型", "a b%2F", "x" * 200]


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_name_of_a_model_is_only_a_name(lab: Lab, name: str) -> None:
    model = await filled(lab, name=name)
    bench = Bench(lab, await lab.source(), model)
    change = await bench.change("2")
    await bench.move(change)
    seen = await bench.target.look()
    assert change.to.same(seen.identity)
    assert [each.id for each in await bench.target.candidates("s", "e")][:1] == ["2"]
    await bench.back(change)
    found = (await lab.call("GET", f"{ALIAS}?alias=champion&name=" + _quoted(model)))["model_version"]
    assert str(found["version"]) == "1"


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
