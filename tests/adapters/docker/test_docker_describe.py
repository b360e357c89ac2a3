"""Details, with secrets masked wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from quarterdeck_adapters.docker import describe
from quarterdeck_lifecycle.errors import NotFound
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Ref

from .conftest import Rig, until

CANARY = "canary-5f2b9d"


def titles(sections: Sequence[Section]) -> list[str]:
    return [section.title for section in sections]


async def test_a_container_with_all_its_tabs_and_no_secret(rig: Rig) -> None:
    check = {"Test": ["CMD-SHELL", "echo well"], "Interval": 50_000_000}
    id = rig.subject.run(
        "app",
        "trap 'exit 0' TERM; while true; do sleep 0.05; done",
        Env=[f"DB_PASSWORD={CANARY}", "COLOUR=blue", "PLAIN"],
        Labels={"api.token": CANARY, "team": "fraud"},
        Healthcheck=check,
        host={"Binds": ["data:/data:ro"]},
    )
    ref = Ref("local", "container", id)

    async def checked() -> bool:
        return any(s.title == "Health" and len(s.table) > 1 for s in await rig.source.describe(ref))

    await until(checked, "a health check")
    sections = {section.title: section for section in await rig.source.describe(ref)}
    assert list(sections) == ["Overview", "Env", "Labels", "Mounts", "Networks", "Health", "Processes", "JSON"]
    overview = dict(sections["Overview"].fields)
    assert (overview["name"], overview["state"], overview["image"]) == ("app", "running", "test/box:1")
    assert "exit code" not in overview
    assert "finished" not in overview
    env = dict(sections["Env"].fields)
    assert (env["DB_PASSWORD"], env["COLOUR"]) == ("***", "blue")
    assert dict(sections["Labels"].fields)["api.token"] == "***"
    assert ("volume", "data", "/data", "read only") in sections["Mounts"].table
    assert sections["Networks"].table[1][0] == "test-net"
    assert sections["Health"].table[1][2] == "well"
    assert len(sections["Processes"].table) > 1
    assert CANARY not in repr(list(sections.values()))
    assert '"Health"' in sections["JSON"].text


def test_the_raw_answer_is_masked_wherever_a_secret_may_stand() -> None:
    found = describe.masked(
        {
            "Args": ["--password", CANARY, f"--token={CANARY}"],
            "Config": {
                "Env": [f"API_KEY={CANARY}"],
                "Cmd": ["run", f"secret={CANARY}"],
                "Labels": {"db.password": CANARY},
            },
            "Options": [{"auth_token": CANARY, "size": 3}],
        }
    )
    assert CANARY not in repr(found)
    assert found["Options"][0]["size"] == 3
    assert found["Config"]["Cmd"][0] == "run"


async def test_an_image_a_volume_a_network(rig: Rig) -> None:
    id = rig.subject.run("app", "exit 0", host={"Binds": ["data:/data"]})
    image = await rig.source.describe((await rig.row("test/box:1", "image")).ref)
    assert titles(image) == ["Overview", "Layers", "Env", "Labels", "JSON"]
    assert dict(image[0].fields)["tags"] == "test/box:1"
    assert len(image[1].table) >= 2
    volume = await rig.source.describe(Ref("local", "volume", "data"))
    assert titles(volume) == ["Overview", "Containers", "Labels", "JSON"]
    assert volume[1].table[1][0] == "app"
    network = await rig.source.describe((await rig.row("test-net", "network")).ref)
    assert titles(network) == ["Overview", "Containers", "Labels", "JSON"]
    assert dict(network[0].fields)["driver"] == "bridge"
    rig.subject.api.remove_container(id, force=True)
    with pytest.raises(NotFound):
        await rig.source.describe(Ref("local", "container", id))


async def test_the_probe_says_who_answered(rig: Rig) -> None:
    probe = await rig.source.probe()
    assert probe.version
    assert "API 1." in probe.identity
    assert rig.subject.url.removeprefix("unix://") in probe.evidence
    assert set(probe.can) == {"project.up", "project.down", "project.pull"}
