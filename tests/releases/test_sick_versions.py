"""Versions that do not live, put on a real engine by the real command: the old one serves, and the message says why."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from crash.arena import PLACE, SERVICE
from crash.containers import IMAGE, NETWORK, StopStart
from parts.deckworld import Done
from parts.process import quiet_port

pytestmark = [pytest.mark.real(*StopStart.needs), pytest.mark.xdist_group("crash-stop-start")]
MEMORY = 48 * 1024 * 1024
# One stream: of two, the engine may keep the last words of one before the first of the other.
TALKS = "exec 2>&1; i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo line $i; done; "
SICK = {
    "oom": (f"{TALKS}echo reading the model; exec tail /dev/zero", ("exit code 137", "for want of memory")),
    "loops": (f"{TALKS}echo cannot load the model; exit 3", ("exit code 3", "cannot load the model")),
    "env": (f"{TALKS}echo ${{MODEL_PATH:?is not set}}", ("exit code 2", "MODEL_PATH: is not set")),
    "port": (f"{TALKS}httpd -p 8080 -h /www; httpd -f -p 8080 -h /www", ("exit code 1", "in use")),
    "deaf": (
        f"{TALKS}echo listening to nobody; trap 'exit 0' TERM; sleep 100000 & wait",
        ("running", "listening to nobody"),
    ),
}


class Small(StopStart):
    """Its container may use little memory; the gate gives up soon."""

    def settle_in(self) -> None:
        """Nothing has to be there to go back to."""

    def begin(self) -> str:
        """A published port."""
        self.port = quiet_port()
        limit = {"mem_limit": MEMORY, "memswap_limit": MEMORY} if self.engine.api.info()["MemoryLimit"] else {}
        self.engine.run(
            f"{IMAGE}:v1", name=SERVICE, network=NETWORK, ports=[8080],
            host={"restart_policy": {"Name": "unless-stopped"}, "port_bindings": {8080: ("127.0.0.1", self.port)},
                  **limit},
        )  # fmt: skip
        for tag, (command, _) in SICK.items():
            self.engine.image(f"{IMAGE}:{tag}", command=("sh", "-c", command), files={"/www/index.html": f"{tag}\n"})
        return f"http://127.0.0.1:{self.port}/"

    def service(self, target: dict[str, object], **keys: object) -> dict[str, object]:
        """With a quick gate."""
        config = super().service(target, **keys)
        config["services"][SERVICE]["gate"] = {"passes": 2, "within": "1s", "soak": "0s"}
        return config

    def deploy(self, reference: str) -> Done:
        """By the command."""
        return self.run("deploy", "--env", PLACE, "--yes", "--json", "--", SERVICE, reference)


@pytest.fixture(scope="module")
def arena() -> Iterator[Small]:
    with Small() as made:
        yield made


@pytest.mark.parametrize("tag", SICK)
def test_the_old_version_serves_again_and_the_message_says_why(arena: Small, tag: str) -> None:
    if tag == "oom" and not arena.engine.api.info()["MemoryLimit"]:
        pytest.skip("needs a kernel whose memory cgroup the engine may use")
    old = arena.engine.api.inspect_container(SERVICE)["Id"]
    done = arena.deploy(tag)
    last = done.lines[-1]
    assert (done.code, last["result"]) == (1, "ROLLED_BACK"), done
    state, words = SICK[tag][1]
    assert state in last["message"], last["message"]
    told = [line["message"].partition(" | ")[2] for line in done.lines if line.get("phase") == "note"]
    kept = [text for text in told if text]
    assert len(kept) == 50
    assert "line 60" in kept
    assert words in "\n".join((last["message"], *kept)), last["message"]
    assert arena.serving() == {"v1"}
    assert arena.engine.api.inspect_container(SERVICE)["Id"] == old
    assert arena.left() == []


def test_an_image_that_is_not_there_is_refused_by_its_name(arena: Small) -> None:
    before = arena.snapshot()
    done = arena.deploy("v99")
    assert done.code in (1, 3, 4), done
    assert "v99" in done.err, done
    assert arena.snapshot() == before
    assert arena.serving() == {"v1"}
