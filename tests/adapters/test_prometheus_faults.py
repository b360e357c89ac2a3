"""What the Prometheus adapter does when things go wrong: typed errors, old rows kept, credentials where they belong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest

from adapters.promrig import NOW, PracticeRig, make_source, make_story, rows
from quarterdeck_adapters.base import Context
from quarterdeck_adapters.prometheus import PrometheusSource, discover
from quarterdeck_config.schema import Config, SecretRef
from quarterdeck_config.schema import Series as SeriesConfig
from quarterdeck_demo import faults as bad
from quarterdeck_demo.hostile import HOSTILE
from quarterdeck_demo.prometheus import WebAuth
from quarterdeck_demo.server import Response, Server
from quarterdeck_demo.story import Story
from quarterdeck_lifecycle import errors
from quarterdeck_lifecycle.kinds import Series
from quarterdeck_lifecycle.records import Status
from quarterdeck_lifecycle.text import clean

KINDS = PrometheusSource.kinds


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    return make_story(tmp_path_factory.mktemp("prom"))


@pytest.fixture
async def rig(story: Story) -> AsyncIterator[PracticeRig]:
    made = await PracticeRig().start(story)
    try:
        yield made
    finally:
        await made.close()


async def every(source: PrometheusSource) -> list[type]:
    """The type of error that each call ends in."""
    found = []
    for call in (
        *(lambda kind=kind: source.list(kind) for kind in KINDS), source.probe,
        lambda: source.query("up", NOW - 60, NOW, 15), lambda: source.complete("http_"),
    ):  # fmt: skip
        with pytest.raises(errors.QuarterdeckError) as caught:
            await call()
        found.append(type(caught.value))
        assert caught.value.source == "prom"
    return found


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (bad.Status(code=401), errors.AuthFailed),
        (bad.Status(code=403), errors.Forbidden),
        (bad.Status(code=429), errors.RateLimited),
        (bad.Status(code=500), errors.Unavailable),
        (bad.Status(code=503), errors.Unavailable),
        (bad.Reset(), errors.Unavailable),
        (bad.BlackHole(), errors.Timeout),
        (bad.Truncate(), errors.Malformed),
        (bad.Truncate(framed=False), errors.Unavailable),
        (bad.Html(), errors.Malformed),
    ],
)
async def test_every_fault_is_a_typed_error(rig: PracticeRig, fault: Any, expected: type) -> None:
    source = rig.source(series={"up": SeriesConfig(query="up")}, deadline=0.2)
    rig.server.faults.add(fault)
    assert set(await every(source)) == {expected}


async def test_a_missing_api_is_not_found_with_a_hint(rig: PracticeRig) -> None:
    source = rig.source()
    rig.server.faults.add(bad.Status(code=404))
    with pytest.raises(errors.NotFound) as caught:
        await source.list("alert")
    assert "path prefix" in caught.value.mend


async def test_a_pause_that_is_asked_for_is_told(rig: PracticeRig) -> None:
    source = rig.source()
    rig.server.faults.add(bad.Status(code=429, retry_after=7))
    with pytest.raises(errors.RateLimited) as caught:
        await source.list("series")
    assert caught.value.retry_after == 7


async def test_one_query_that_fails_keeps_its_points_and_says_so(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)"), "two": SeriesConfig(query="count(up)")})
    before = await rows(source, "series")
    assert before["one"].status is Status.OK
    rig.clock += 30
    rig.server.faults.add(bad.Status(code=503), path="query_range", count=1)
    after = await rows(source, "series")
    lost = [row for row in after.values() if "not asked anew: down: 503" in row.note]
    assert [(row.status, row.value, row.points) for row in lost] == [
        (Status.LOOK, before[lost[0].name].value, before[lost[0].name].points)
    ]
    healed = await rows(source, "series")
    assert {row.note for row in healed.values()} == {""}
    assert {row.points[-1][0] for row in healed.values()} == {NOW // 30 * 30 + 30}


async def test_only_what_is_new_is_asked_for(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)")})
    first = await source.list("series")
    asked = [seen.query for seen in rig.server.requests if seen.path.endswith("query_range")]
    assert float(asked[0]["end"][0]) - float(asked[0]["start"][0]) == 3600
    rig.server.requests.clear()
    again = await source.list("series")
    assert [seen.path for seen in rig.server.requests] == ["/api/v1/query"]
    assert again.rows == first.rows
    rig.clock += 30
    rig.server.requests.clear()
    await source.list("series")
    asked = [seen.query for seen in rig.server.requests if seen.path.endswith("query_range")]
    assert float(asked[0]["end"][0]) - float(asked[0]["start"][0]) == 60
    row = (await source.list("series")).rows[0]
    assert isinstance(row, Series)
    assert len(row.points) == 121
    assert None not in [value for _, value in row.points]


async def test_a_server_that_died_is_noticed_though_no_step_is_new(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)")})
    await source.list("series")
    rig.server.faults.add(bad.Reset())
    with pytest.raises(errors.Unavailable):
        await source.list("series")


async def test_warnings_are_said_and_asked_for_again(rig: PracticeRig) -> None:
    source = rig.source(series={"one": SeriesConfig(query="sum(up)")})
    rig.prometheus.warnings = ["2 of 3 stores answered"]
    listing = await source.list("series")
    assert "one: 2 of 3 stores answered" in listing.partial
    assert (listing.rows[0].status, listing.rows[0].warnings) == (Status.LOOK, ("2 of 3 stores answered",))  # type: ignore[attr-defined]
    answer = await source.query("up", NOW - 60, NOW, 15)
    assert answer.warnings == ("2 of 3 stores answered",)
    rig.prometheus.warnings = []
    assert (await source.list("series")).rows[0].status is Status.OK


async def test_many_series_are_cut_and_said(rig: PracticeRig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quarterdeck_adapters.prometheus.query.MOST_SERIES", 4)
    answer = await rig.source().query("up", NOW - 60, NOW, 15)
    assert len(answer.rows) == 4
    assert answer.warnings == ("4 of 15 series shown; aggregate, or use topk()",)


async def test_large_answers_are_read_off_the_loop(rig: PracticeRig) -> None:
    answer = await rig.source().query("up", NOW - 86_400, NOW, 15)
    assert len(answer.rows) == 15
    assert all(len(row.points) > 1000 for row in answer.rows)  # type: ignore[attr-defined]


async def test_alerts_do_not_wait_for_a_dead_alertmanager_each_time(rig: PracticeRig) -> None:
    source = rig.source(deadline=0.3)
    rule = rig.alerts_server.faults.add(bad.BlackHole())
    firing = (await rows(source, "alert"))["FraudP95High"]
    assert firing.silenced_by == "unknown: Alertmanager does not answer"
    assert firing.status is Status.BAD
    assert (await source.list("alert")).partial == ""
    assert rule.hits == 1
    assert any("silences are unknown" in line for line in (await source.probe()).warnings)
    rig.alerts_server.faults.clear()
    rig.clock += 31
    assert (await rows(source, "alert"))["FraudP95High"].silenced_by == ""


async def test_a_configured_alertmanager_goes_before_the_discovered_one(rig: PracticeRig) -> None:
    await rig.silence("FraudP95High")
    rig.prometheus.alertmanagers = ("http://127.0.0.1:9",)
    source = rig.source(options={"alertmanager": rig.alerts_url + "/"})
    assert (await rows(source, "alert"))["FraudP95High"].silenced_by == "op1: known, on it"


@pytest.mark.parametrize("everything", [False, True])
async def test_hostile_strings_become_rows_or_typed_errors(rig: PracticeRig, everything: bool) -> None:
    source, seen = rig.source(), 0
    for word in HOSTILE:
        for faults in (rig.server.faults, rig.alerts_server.faults):
            faults.clear()
            faults.add(bad.Hostile(strings=(word,), everything=everything))
        for kind in ("alert", "rule", "target", "series"):
            try:
                listing = await source.list(kind)
            except errors.QuarterdeckError:
                continue
            for row in listing.rows[:2]:
                seen += 1
                assert row.name == clean(row.name, 20_000)
                sections = await source.describe(row.ref)
                assert "\x1b" not in str(sections)
        for ask in (source.complete(word), source.query(word, NOW - 60, NOW, 15)):
            with suppress(errors.QuarterdeckError):
                await ask
    assert seen > 50


@pytest.mark.parametrize(
    ("auth", "config"),
    [
        (WebAuth(token="s3cret-token"), {"token": SecretRef(env="T")}),
        (WebAuth(users={"op": "s3cret-token"}), {"username": "op", "password": SecretRef(env="T")}),
    ],
)
async def test_a_credential_is_resolved_when_needed_and_not_sent_when_forbidden(
    rig: PracticeRig, auth: WebAuth, config: dict[str, Any]
) -> None:
    asked: list[SecretRef] = []

    def secret(ref: SecretRef) -> str:
        asked.append(ref)
        return "s3cret-token"

    rig.prometheus.auth = auth
    source = rig.source(secret=secret, **config)
    assert asked == []
    assert (await source.probe()).version
    assert len(asked) == 1
    assert not any("authorization" in seen.headers for seen in rig.alerts_server.requests)
    shut = rig.source(secret=secret, credentials=False, **config)
    rig.server.requests.clear()
    with pytest.raises(errors.AuthFailed):
        await shut.list("alert")
    assert len(asked) == 1
    assert not any("authorization" in seen.headers for seen in rig.server.requests)


async def test_a_refused_credential_is_resolved_anew(rig: PracticeRig) -> None:
    rig.prometheus.auth = WebAuth(token="new-token")
    secrets = iter(["old-token", "new-token"])
    source = rig.source(secret=lambda _: next(secrets), token=SecretRef(env="T"))
    with pytest.raises(errors.AuthFailed):
        await source.list("rule")
    assert (await source.list("rule")).rows


async def test_a_secret_that_cannot_be_had_is_an_auth_error_of_this_source(rig: PracticeRig) -> None:
    def secret(ref: SecretRef) -> str:
        raise errors.AuthFailed("a secret could not be resolved", why="the variable T is not set")

    with pytest.raises(errors.AuthFailed) as caught:
        await rig.source(secret=secret, token=SecretRef(env="T")).list("alert")
    assert caught.value.source == "prom"


async def test_a_credential_does_not_travel_in_the_clear() -> None:
    source = make_source("http://prometheus.invalid:9090", secret=lambda _: "x" * 9, token=SecretRef(env="T"))
    with pytest.raises(errors.AuthFailed, match="plain http"):
        await source.list("alert")
    await source.close()


async def test_options_are_checked() -> None:
    for options in ({"step": 0}, {"step": "fast"}, {"window": True}, {"window": 1e9}):
        with pytest.raises(errors.Conflict, match="option"):
            make_source("http://127.0.0.1:9", options=options)


def context(**env: str) -> Context:
    return Context(secret=lambda _: "", env=env, config=Config(), project="/")


async def test_discovery_takes_what_answers_as_prometheus(rig: PracticeRig) -> None:
    found = await discover(context(PROMETHEUS_URL=f"{rig.url}/"), [rig.url, rig.alerts_url, "http://127.0.0.1:9"])
    assert [(one.answered, one.source.url) for one in found] == [
        (True, rig.url), (True, rig.url), (False, rig.alerts_url), (False, "http://127.0.0.1:9")
    ]  # fmt: skip
    assert "PROMETHEUS_URL" in found[0].evidence
    assert found[0].why == "Prometheus 2.53.1"


async def test_discovery_shows_a_named_one_that_is_down_and_uses_no_password_of_an_address(rig: PracticeRig) -> None:
    [down] = await discover(context(PROMETHEUS_URL="http://127.0.0.1:9"), ())
    assert (down.answered, down.source.url) == (None, "http://127.0.0.1:9")
    [held] = await discover(context(PROMETHEUS_URL=rig.url.replace("//", "//op:pw@")), ())
    assert held.answered is True
    assert held.source.url == rig.url
    assert not any("authorization" in seen.headers for seen in rig.server.requests)
    [nothing] = await discover(context(PROMETHEUS_URL="prom:\x1b[2J"), ())
    assert nothing.answered is False


async def test_discovery_is_not_fooled_by_another_json_server() -> None:
    async def other(_: object) -> Response:
        return Response(200, {"Content-Type": "application/json"}, b'{"data": {"name": "x"}}')

    server = Server(other)
    url = f"http://127.0.0.1:{await server.start_tcp()}"
    [found] = await discover(context(), [url])
    assert found.answered is False
    await server.stop()
