"""Aliases watched through the hub, kept in the state, and asked for by the command; registries are practice servers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parts.mlflow_lab import Lab, practice, ref
from parts.mlflow_releases import ALIAS, filled
from quarterdeck.boot import Boot
from quarterdeck.commands.champion import moment, print_champion
from quarterdeck.releasing.aliaswatch import KEEP_S, AliasWatch
from quarterdeck_adapters.mlflow.adapter import MlflowSource
from quarterdeck_demo.faults import Status
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.hub import Hub
from quarterdeck_lifecycle.permit import permit
from quarterdeck_lifecycle.release.aliasbook import AliasBook
from quarterdeck_lifecycle.release.aliases import Move
from quarterdeck_lifecycle.release.ports import RemembersMoves
from quarterdeck_lifecycle.state import StateDB


class Watcher:
    """A deck's watch on a registry, with a clock of its own."""

    def __init__(self, lab: Lab, source: MlflowSource, model: str, state: StateDB) -> None:
        self.lab, self.source, self.model, self.state = lab, source, model, state
        self.now = 10_000.0
        self.book = AliasBook(state, lambda text: text)
        self.open()

    def open(self) -> None:
        """A new deck on the same state."""
        self.hub = Hub([self.source], now=lambda: self.now)
        self.watch = AliasWatch(self.hub, self.book, lambda: self.now)
        self.hub.changes.append(self.watch.changed)

    async def look(self, at: float) -> int:
        """One look of the deck at that time; how many moves it tells of."""
        self.now = at
        await self.hub.once(10.0, ("models",))
        return await self.watch.look()

    async def moves(self) -> list[Move]:
        return list(await self.book.moves("ml", self.model, "champion"))

    async def at(self, when: float) -> tuple[bool, str, tuple[str, ...]]:
        """What is answered for that time."""
        found = await self.book.champion_at("ml", self.model, "champion", when)
        return found.known, found.version, found.possible


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    async with practice() as made:
        yield made


@pytest.fixture
async def watcher(lab: Lab, tmp_path: Path) -> AsyncIterator[Watcher]:
    state = StateDB(tmp_path / "state")
    made: list[Watcher] = []
    source = await lab.source(now=lambda: made[0].now if made else 10_000.0)
    made.append(Watcher(lab, source, await filled(lab), state))
    yield made[0]
    await made[0].watch.close()
    await made[0].hub.close()
    await state.aclose(5)


async def test_a_strangers_move_is_a_window_between_two_looks(watcher: Watcher) -> None:
    assert await watcher.look(10_000) == 0
    assert await watcher.look(10_030) == 0
    await watcher.lab.alias(watcher.model, "champion", "2")
    await watcher.look(10_060)
    [move] = await watcher.moves()
    assert (move.version, move.origin, move.at, move.how) == ("2", "1", None, "outside")
    assert (move.seen_from, move.seen_to) == (10_030, 10_060)
    assert await watcher.at(10_020) == (True, "1", ("1",))
    assert await watcher.at(10_045) == (False, "", ("1", "2"))
    assert await watcher.at(10_060) == (True, "2", ("2",))
    assert await watcher.at(9_000) == (False, "", ("1",))


async def test_a_move_by_a_verb_is_exact_and_names_who(watcher: Watcher) -> None:
    await watcher.look(10_000)
    watcher.now = 10_010.0
    verb = watcher.source.actions["version.set_alias"]
    with permit("ml"):
        await verb.execute(await verb.preview(ref(watcher.model, "3"), {"alias": "champion"}))
    await watcher.look(10_030)
    [move] = await watcher.moves()
    assert (move.version, move.origin, move.at, move.how, bool(move.by)) == ("3", "1", 10_010, "us", True)
    assert await watcher.at(10_009) == (True, "1", ("1",))
    assert await watcher.at(10_010) == (True, "3", ("3",))


async def test_a_removed_alias_was_on_no_version_from_then_on(watcher: Watcher) -> None:
    await watcher.look(10_000)
    await watcher.lab.call("DELETE", ALIAS, {"name": watcher.model, "alias": "champion"})
    await watcher.look(10_030)
    await watcher.look(10_060)
    [move] = await watcher.moves()
    assert (move.version, move.origin) == ("", "1")
    await watcher.watch.close()
    assert await watcher.at(10_050) == (True, "", ("",))
    await watcher.lab.alias(watcher.model, "champion", "2")
    await watcher.look(10_090)
    assert [(each.version, each.origin) for each in await watcher.moves()] == [("", "1"), ("2", "")]


async def test_what_happened_while_no_deck_was_open_is_a_blind_spot(watcher: Watcher) -> None:
    await watcher.look(10_000)
    await watcher.look(10_100)
    await watcher.watch.close()
    await watcher.lab.alias(watcher.model, "champion", "2")
    watcher.open()
    await watcher.look(90_000)
    [move] = await watcher.moves()
    assert (move.version, move.origin, move.seen_from, move.seen_to) == ("2", "1", 10_100, 90_000)
    assert await watcher.at(50_000) == (False, "", ("1", "2"))
    found = await watcher.book.champion_at("ml", watcher.model, "champion", 50_000)
    assert (found.blind_spots[0].start, found.blind_spots[0].end) == (10_100, 90_000)


async def test_a_registry_that_does_not_answer_tells_of_no_removal(watcher: Watcher) -> None:
    await watcher.look(10_000)
    watcher.lab.faults.add(Status(code=500), path="registered-models|model-versions")
    await watcher.look(10_030)
    watcher.lab.faults.clear()
    await watcher.look(10_060)
    assert await watcher.moves() == []


async def test_an_alias_of_an_unlisted_version_is_no_removal(watcher: Watcher) -> None:
    await watcher.look(10_000)
    watcher.lab.faults.add(Status(code=403, body={"error_code": "PERMISSION_DENIED"}), path="model-versions/get")
    for _ in range(101):
        await watcher.lab.call("POST", "model-versions/create", {"name": watcher.model, "source": "s3://x"})
    await watcher.look(10_030)
    assert await watcher.moves() == []
    assert await watcher.at(10_030) == (True, "1", ("1",))


async def test_a_removal_is_believed_when_the_model_says_it_too(watcher: Watcher) -> None:
    await watcher.look(10_000)
    await watcher.lab.call("DELETE", ALIAS, {"name": watcher.model, "alias": "champion"})
    watcher.now = 11_000.0
    await watcher.hub._feeds["ml", "version"].once()
    assert await watcher.watch.look() == 0
    assert await watcher.look(11_030) == 1
    [move] = await watcher.moves()
    assert (move.version, move.origin) == ("", "1")


async def test_a_quiet_watch_writes_seldom(watcher: Watcher) -> None:
    await watcher.look(10_000)
    looks = await watcher.book.looks("ml", watcher.model, "champion")
    assert [(each.first, each.last) for each in looks] == [(10_000, 10_000)]
    await watcher.look(10_060)
    assert await watcher.book.looks("ml", watcher.model, "champion") == looks
    await watcher.look(10_120)
    await watcher.look(10_240)
    await watcher.look(10_000 + KEEP_S)
    [grown] = await watcher.book.looks("ml", watcher.model, "champion")
    assert (grown.first, grown.last, grown.widest) == (10_000, 10_300, 120)


async def boot(lab: Lab, folder: Path, *more: dict[str, str]) -> Boot:
    """A command's, on this registry alone."""
    config = folder / "config" / "quarterdeck"
    config.mkdir(parents=True, mode=0o700, exist_ok=True)
    sources = [{"name": "ml", "system": "mlflow", "url": lab.url}, *more]
    (config / "config.yaml").write_text(json.dumps({"sources": sources}))
    env = {"XDG_CONFIG_HOME": str(folder / "config"), "QUARTERDECK_STATE": str(folder / "state"), "HOME": str(folder)}
    return Boot(cwd=folder, env=env, read_only=True, discovery=False)


async def ask(made: Boot, *words: str, when: str = "", source: str = "", as_json: bool = False) -> int:
    try:
        return await print_champion(made, *words, when, source, as_json=as_json)  # type: ignore[arg-type]
    finally:
        await made.close()


async def test_the_command_looks_once_and_answers(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = await filled(lab)
    name = f"{model}@champion"
    assert await ask(await boot(lab, tmp_path), name) == 0
    said = capsys.readouterr().out
    assert f"{name} on ml at " in said
    assert "): v1\n" in said
    assert "evidence    found on v1 at" in said
    assert "nobody has looked since" in said
    assert await ask(await boot(lab, tmp_path), name, when="2020-01-01T00:00:00Z", as_json=True) == 1
    found = json.loads(capsys.readouterr().out)
    assert (found["known"], found["version"], found["possible"], found["at"]) == (
        False, None, ["1"], "2020-01-01T00:00:00Z",
    )  # fmt: skip
    assert found["blind_spots"][0]["from"] is None


async def test_the_command_refuses_what_makes_no_sense(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = await filled(lab)
    for words, options, code, told in (
        (model, {}, 2, "name it as MODEL@ALIAS"),
        (f"{model}@champion", {"when": "yesterday"}, 2, "not a time"),
        (f"{model}@champion", {"when": "2999-01-01"}, 2, "still to come"),
        (f"{model}@nobody", {}, 1, "nobody has ever seen it"),
        (f"{model}@champion", {"source": "other"}, 1, "is not known on other"),
    ):
        assert await ask(await boot(lab, tmp_path), words, **options) == code, words  # type: ignore[arg-type]
        assert told in capsys.readouterr().err
    twice = await boot(lab, tmp_path, {"name": "ml2", "system": "mlflow", "url": lab.url})
    assert await ask(twice, f"{model}@champion") == 2
    assert "--source ml or --source ml2" in capsys.readouterr().err


async def test_what_was_seen_is_answered_while_the_registry_is_down(
    lab: Lab, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = await filled(lab)
    assert await ask(await boot(lab, tmp_path), f"{model}@champion") == 0
    lab.faults.add(Status(code=500), path="registered-models|model-versions")
    capsys.readouterr()
    assert await ask(await boot(lab, tmp_path), f"{model}@champion") == 0
    assert "): v1\n" in capsys.readouterr().out
    with pytest.raises(Unavailable, match="nothing is known of unseen@champion"):
        await ask(await boot(lab, tmp_path), "unseen@champion")


async def test_a_deck_records_what_it_sees_and_offers_it_to_releases(lab: Lab, tmp_path: Path) -> None:
    model = await filled(lab)
    deck = await boot(lab, tmp_path)
    deck.take_configured()
    await deck.hub.once(10.0, ("models",))
    deck.watch_aliases()
    await lab.alias(model, "champion", "2")
    await deck.hub.once(10.0, ("models",))
    await deck.close()
    later = await boot(lab, tmp_path)
    later.take_configured()
    try:
        looks = await later.aliasbook.looks("ml", model, "champion")
        assert looks[-1].version == "2"
        source = later.hub.sources["ml"]
        assert isinstance(source, RemembersMoves)
        assert source.past_moves == later.aliasbook.moves
    finally:
        await later.close()


def test_a_time_without_a_zone_is_utc() -> None:
    assert moment("1970-01-02") == moment("1970-01-02T00:00:00Z") == moment("1970-01-02T01:00:00+01:00") == 86400
