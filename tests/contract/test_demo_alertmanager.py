"""The practice Alertmanager, held to the real one by the same tests."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest

from parts.prom import Alertmanager
from quarterdeck_demo.prometheus import AlertmanagerServer
from quarterdeck_demo.prometheus.alertmanager import Notified
from quarterdeck_demo.server import Server


def test_a_fingerprint_is_that_of_prometheus() -> None:
    labels = {"alertname": "Fires", "region": "x", "severity": "page"}
    assert Notified(labels, {}, 0, 0, 0, "").fingerprint == "79335c3923796bdb"


@pytest.fixture(params=["practice", pytest.param("real", marks=pytest.mark.real("prometheus-alertmanager"))])
async def alerts(request: pytest.FixtureRequest) -> AsyncIterator[httpx.AsyncClient]:
    """An Alertmanager that holds two posted alerts."""
    server = Server(AlertmanagerServer(None, time.time, receiver="nobody").handler)
    if request.param == "practice":
        url = f"http://127.0.0.1:{await server.start_tcp()}"
    else:
        url = request.getfixturevalue("fresh_alertmanager").url
    async with httpx.AsyncClient(base_url=f"{url}/api/v2", trust_env=False, verify=False, timeout=30) as client:
        posted = [
            {"labels": {"alertname": name, "env": "prod"}, "annotations": {"summary": "s"},
             "startsAt": stamp(-60), "generatorURL": "http://p/graph?a=1&b=2"}
            for name in ("Slow", "Full")
        ]  # fmt: skip
        assert (await client.post("/alerts", json=posted)).status_code == 200
        yield client
    await server.stop()
    assert server.errors == []


@pytest.fixture
def fresh_alertmanager() -> Iterator[Alertmanager]:
    with Alertmanager() as part:
        yield part


def stamp(offset: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))


def silence(**changes: Any) -> dict[str, Any]:
    matcher = {"name": "alertname", "value": "Slow", "isRegex": False}
    body = {"matchers": [matcher], "startsAt": stamp(-1), "endsAt": stamp(3600), "createdBy": "op", "comment": "c"}
    return {key: value for key, value in {**body, **changes}.items() if value is not ...}


async def names(client: httpx.AsyncClient, **query: str) -> list[str]:
    return sorted(a["labels"]["alertname"] for a in (await client.get("/alerts", params=query)).json())


async def test_a_silence_mutes_what_it_matches_until_it_is_deleted(alerts: httpx.AsyncClient) -> None:
    key = (await alerts.post("/silences", json=silence())).json()["silenceID"]
    assert await names(alerts) == ["Full", "Slow"]
    assert await names(alerts, silenced="false") == ["Full"]
    assert await names(alerts, active="false") == ["Slow"]
    [muted] = (await alerts.get("/alerts", params={"filter": 'alertname="Slow"'})).json()
    assert muted["status"] == {"inhibitedBy": [], "silencedBy": [key], "state": "suppressed"}
    assert list(muted) == [
        "annotations", "endsAt", "fingerprint", "receivers", "startsAt", "status", "updatedAt", "generatorURL",
        "labels",
    ]  # fmt: skip
    assert (await alerts.delete(f"/silence/{key}")).status_code == 200
    assert await names(alerts, silenced="false") == ["Full", "Slow"]
    assert (await alerts.get(f"/silence/{key}")).json()["status"] == {"state": "expired"}
    assert (await alerts.delete(f"/silence/{key}")).status_code == 200


async def test_a_longer_silence_keeps_its_id_and_another_match_makes_another(alerts: httpx.AsyncClient) -> None:
    body = silence(startsAt=stamp(0))
    key = (await alerts.post("/silences", json=body)).json()["silenceID"]
    stands = (await alerts.get(f"/silence/{key}")).json()
    body["startsAt"] = stands["startsAt"]
    longer = await alerts.post("/silences", json={**body, "id": key, "endsAt": stamp(7200)})
    assert longer.json() == {"silenceID": key}
    other = {"name": "env", "value": "p.*", "isRegex": True, "isEqual": True}
    wider = (await alerts.post("/silences", json={**body, "id": key, "matchers": [other]})).json()["silenceID"]
    assert wider != key
    assert await names(alerts, silenced="false") == []
    listed = (await alerts.get("/silences")).json()
    assert [(s["id"], s["status"]["state"]) for s in listed] == [(wider, "active"), (key, "expired")]
    assert list(listed[0]) == [
        "id", "status", "updatedAt", "comment", "createdBy", "endsAt", "matchers", "startsAt",
    ]  # fmt: skip


async def test_filters_read_every_operator(alerts: httpx.AsyncClient) -> None:
    for text, expected in (
        ("alertname=Slow", ["Slow"]), ('alertname!="Slow"', ["Full"]), ('alertname=~"S.*|F.*"', ["Full", "Slow"]),
        ('env!~"p.*"', []),
    ):  # fmt: skip
        assert await names(alerts, filter=text) == expected
    bad = await alerts.get("/alerts", params={"filter": "bad!!"})
    assert (bad.status_code, bad.json()) == (400, "bad matcher format: bad!!")


MATCHER = {"name": "a", "value": "x", "isRegex": False}
ONES = "11111111-1111-1111-1111-111111111111"


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        ({"matchers": []}, 422, {"code": 612, "message": "matchers in body should have at least 1 items"}),
        ({"comment": ...}, 422, {"code": 602, "message": "comment in body is required"}),
        ({"matchers": [{"name": "a", "value": "x"}]}, 422,
         {"code": 602, "message": "matchers.0.isRegex in body is required"}),
        ({"matchers": [{**MATCHER, "value": ""}]}, 400,
         "silence invalid: at least one matcher must not match the empty string"),
        ({"endsAt": stamp(-7200)}, 400, "Failed to create silence: start time must be before end time"),
        ({"startsAt": stamp(-7200), "endsAt": stamp(-3600)}, 400,
         "Failed to create silence: end time can't be in the past"),
        ({"id": ONES}, 404, "silence not found"),
    ],
)  # fmt: skip
async def test_a_bad_silence_is_refused(
    alerts: httpx.AsyncClient, changes: dict[str, Any], status: int, body: Any
) -> None:
    answer = await alerts.post("/silences", json=silence(**changes))
    assert (answer.status_code, answer.json()) == (status, body)


async def test_wrong_paths_methods_and_bodies(alerts: httpx.AsyncClient) -> None:
    told = [
        await alerts.get("/nope"),
        await alerts.put("/silences"),
        await alerts.post("/silences", data={"a": "b"}),
        await alerts.post("/silences", content=b"{", headers={"Content-Type": "application/json"}),
        await alerts.get("/silence/nope"),
        await alerts.get(f"/silence/{ONES}"),
        await alerts.delete(f"/silence/{ONES}"),
    ]
    assert told.pop(1).json()["message"] in (
        "method PUT is not allowed, but [GET,POST] are",
        "method PUT is not allowed, but [POST,GET] are",
    )
    assert [(one.status_code, json.loads(one.text) if one.text else None) for one in told] == [
        (404, {"code": 404, "message": "path /api/v2/nope was not found"}),
        (415, {"code": 415, "message": 'unsupported media type "application/x-www-form-urlencoded", '
               "only [application/json] are allowed"}),
        (400, {"code": 400, "message": 'parsing silence body from "" failed, because unexpected EOF'}),
        (422, {"code": 601, "message": 'silenceID in path must be of type uuid: "nope"'}),
        (404, None),
        (500, "silence not found"),
    ]  # fmt: skip


async def test_status_groups_and_receivers_have_their_shape(alerts: httpx.AsyncClient) -> None:
    status = (await alerts.get("/status")).json()
    assert list(status) == ["cluster", "config", "uptime", "versionInfo"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", status["uptime"])
    assert sorted(status["versionInfo"]) == [
        "branch", "buildDate", "buildUser", "goVersion", "revision", "version",
    ]  # fmt: skip
    assert (await alerts.get("/receivers")).json() == [{"name": "nobody"}]
    assert (await alerts.get("/../../-/ready")).text == "OK"
