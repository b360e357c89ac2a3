"""From what the engine says to rows: pure, on payloads recorded from Docker Engine 20.10.24."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from quarterdeck_adapters.docker import mapping, mapping_stores
from quarterdeck_adapters.docker.mapping import Facts, Known
from quarterdeck_lifecycle.records import Status

RECORDED = json.loads((Path(__file__).parent / "recorded.json").read_text())
BY_NAME = {entry["Names"][0][1:]: entry for entry in RECORDED["containers"]}
HOSTILE = "\x1b]0;x\x07a\x9bb\u202ec\n[@click=app.quit]"


def row(name: str, **known: Any) -> Any:
    return mapping.container(BY_NAME[name], source="local", environment="prod", known=Known(**known))


@pytest.mark.parametrize(
    ("name", "facts", "status", "state"),
    [
        ("run1", None, Status.OK, "running"),
        ("healthy1", None, Status.OK, "healthy"),
        ("starting1", None, Status.RUNNING, "starting"),
        ("sick1", Facts(failed=3, checks=5), Status.BAD, "unhealthy 3/5"),
        ("sick1", None, Status.BAD, "unhealthy"),
        ("crash1", None, Status.BAD, "restarting, exited 3"),
        ("paused1", None, Status.LOOK, "paused"),
        ("created1", None, Status.IDLE, "created"),
        ("done1", None, Status.IDLE, "exited"),
        ("bad1", None, Status.BAD, "exited 2"),
        ("term1", Facts(), Status.BAD, "exited 137"),
        ("oom1", Facts(oom=True), Status.BAD, "exited 137 OOM"),
    ],
)
def test_state_is_the_word_an_operator_reads(name: str, facts: Facts | None, status: Status, state: str) -> None:
    found = row(name, facts=facts)
    assert (found.status, found.state) == (status, state)


@pytest.mark.parametrize("code", [143, 130])
def test_ended_by_a_request_to_end_is_no_trouble(code: int) -> None:
    assert mapping.judge("exited", code, "", None)[:2] == (Status.IDLE, f"exited {code}")


def test_a_row_does_not_age() -> None:
    for name, entry in BY_NAME.items():
        older = {**entry, "Status": re.sub(r"\d+ seconds", "About an hour", entry["Status"])}
        assert older["Status"] != entry["Status"] or name == "created1"
        again = mapping.container(older, source="local", environment="prod", known=Known())
        assert again == row(name), name


def test_the_order_in_which_the_engine_lists_ports_and_mounts_is_of_no_matter() -> None:
    entry = BY_NAME["run1"]
    two = [
        *entry["Ports"],
        {"PrivatePort": 9, "Type": "udp"},
        {"IP": "::", "PrivatePort": 80, "PublicPort": 81, "Type": "tcp"},
    ]
    one = mapping.container({**entry, "Ports": two}, source="local", environment="", known=Known())
    other = mapping.container({**entry, "Ports": two[::-1]}, source="local", environment="", known=Known())
    assert one == other
    assert one.ports == ("9/udp", "127.0.0.1:18081->80/tcp", "[::]:81->80/tcp")


def test_links_say_where_they_come_from() -> None:
    entry = dict(BY_NAME["run1"])
    entry["Labels"] = {
        **entry["Labels"],
        "mlflow.model": "fraud",
        "mlflow.model.version": "17",
        "API_TOKEN": "abcdefgh",
    }
    found = mapping.container(
        entry, source="local", environment="prod", known=Known(repo_digests=("reg/box@sha256:ab",), host="edge-7")
    )
    links = {(link.kind, link.value): link.evidence for link in found.links}
    assert links["commit", "9f3c2e1d"] == "label org.opencontainers.image.revision"
    assert links["digest", entry["ImageID"]] == "the container's image id"
    assert links["digest", "sha256:ab"] == "repository digest reg/box@sha256:ab"
    assert links["image", "qd/box:1"]
    assert links["environment", "prod"]
    assert links["project", "fraud"]
    assert links["service", "api"]
    assert links["model", "fraud"]
    assert links["version", "fraud/17"].endswith("(declared)")
    assert links["address", "127.0.0.1:18081"] == "published port 80/tcp"
    assert found.digest == "sha256:ab"
    assert found.labels["API_TOKEN"] == "***"
    assert (found.project, found.service, found.networks) == ("fraud", "api", ("web",))


def test_a_port_on_every_address_is_reached_at_the_engine() -> None:
    entry = {**BY_NAME["run1"], "Ports": [{"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"}]}
    found = mapping.container(entry, source="local", environment="", known=Known(host="edge-7"))
    assert found.link("address") == "edge-7:8080"


def test_hostile_text_is_gated_in_every_field_and_the_id_is_kept() -> None:
    def spoil(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: spoil(item) for key, item in value.items()}
        if isinstance(value, list):
            return [spoil(item) for item in value]
        return value + HOSTILE if isinstance(value, str) else value

    entry = spoil(BY_NAME["run1"])
    entry["Labels"] = {HOSTILE: HOSTILE, **entry["Labels"]}
    rows: list[Any] = [mapping.container(entry, source="local", environment="", known=Known())]
    users = mapping_stores.Users([])
    where = {"source": "local", "environment": ""}
    rows.append(mapping_stores.image(spoil(RECORDED["images"][0]), users, **where))
    rows.append(mapping_stores.volume(spoil(RECORDED["volumes"]["Volumes"][0]), users, **where))
    rows += [mapping_stores.network(spoil(each), users, **where) for each in RECORDED["networks"]]
    assert rows[0].ref.id == entry["Id"]
    for found in rows:
        for field in found.__struct_fields__:
            if field not in ("ref", "links"):
                text = repr(getattr(found, field)).replace("\\\\x9b", "")
                assert not any(bad in text for bad in ("\\x1b", "\\x9b", "\\u202e", "\\x07")), (found.kind, field)
        for link in found.links:
            assert "\x1b" not in link.value
            assert "\u202e" not in link.evidence


def test_facts_from_an_inspect() -> None:
    found = mapping.facts(
        {
            "RestartCount": 6,
            "State": {
                "OOMKilled": True,
                "StartedAt": "2026-11-23T05:54:11.123456789Z",
                "FinishedAt": "0001-01-01T00:00:00Z",
                "Health": {"Log": [{"ExitCode": 1, "Output": "no\n"}, {"ExitCode": 0, "Output": "yes\n"}]},
            },
        }
    )
    assert (found.restarts, found.oom, found.failed, found.checks, found.said) == (6, True, 1, 2, "yes")
    assert found.started_at == pytest.approx(1795413251.123456)
    assert found.finished_at is None


def test_images_volumes_and_networks_know_their_users() -> None:
    users = mapping_stores.Users(RECORDED["containers"])
    where = {"source": "local", "environment": ""}
    image = mapping_stores.image(RECORDED["images"][0], users, **where)
    assert (image.name, image.containers, image.status) == ("qd/box:1", len(BY_NAME), Status.OK)
    volume = mapping_stores.volume(RECORDED["volumes"]["Volumes"][0], users, **where)
    assert (volume.name, volume.state, volume.anonymous) == ("data1", "used by 1", False)
    networks = {each["Name"]: mapping_stores.network(each, users, **where) for each in RECORDED["networks"]}
    assert networks["web"].state == "used by 1"
    assert networks["host"].state == "predefined"
    unused = mapping_stores.volume({"Name": "a" * 64, "Driver": "local"}, users, **where)
    assert (unused.anonymous, unused.status) == (True, Status.IDLE)


def test_a_dangling_image_is_named_by_its_id() -> None:
    entry = {**RECORDED["images"][0], "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}
    found = mapping_stores.image(entry, mapping_stores.Users([]), source="local", environment="")
    assert found.name == f"<none> {entry['Id'][7:19]}"
    assert (found.state, found.tags, found.digests) == ("dangling", (), ())
