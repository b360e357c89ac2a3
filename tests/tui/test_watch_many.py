"""300 watched things that end at once: one call of the terminal, one toast, one message to the webhook; the list."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from adapters.peerrig import answers, authority, peer
from deckcase import deck
from parts.bytestream import tokens
from quarterdeck.screens.watches import WatchesScreen
from quarterdeck_config.schema import Config, Notify, Webhook
from quarterdeck_lifecycle.records import Ref, Status
from scripted import Scripted, container

MANY = 300
HOSTILE = "etl\x1b]2;owned\x07\u202e"


async def test_one_bell_one_line_one_message(tmp_path: Path) -> None:
    private = authority(tmp_path)
    names = [f"c{number}" for number in range(MANY - 1)] + [HOSTILE]
    source = Scripted(rows=[container(name) for name in names])
    async with peer(answers(200), tls=private.context(["IP:127.0.0.1"])) as there:
        hook = Webhook(url=f"https://127.0.0.1:{there.port}/", ca_file=str(private.ca_file), peers=("127.0.0.0/8",))
        config = Config(webhooks={"ops": hook}, notify=Notify(osc=777, webhook="ops"))
        async with deck([source], config=config) as d:
            app = d.app
            assert app.watching is not None
            sent: list[str] = []
            app.watching.terminal._write = sent.append
            d.app.deck.table._model.marked = {row.ref for row in source.rows}
            await d.press("w")
            assert f"{MANY} rows are watched" in " ".join(d.toasts)
            await d.press("escape")
            assert "◉" in d.text, "the row under the cursor has its mark"
            assert d.text.count("◎") > 5

            source.rows = [
                msgspec.structs.replace(row, state="exited 1", status=Status.BAD) if row.name.startswith("etl")
                else msgspec.structs.replace(row, state="exited")
                for row in source.rows
            ]  # fmt: skip
            app.boot.hub.poke()
            await d.until(lambda: sent, "the call")
            await d.until(lambda: there.heard, "the webhook's message")
            assert len(sent) == 1
            found = list(tokens(sent[0].encode()))
            assert [token.kind for token in found] == ["csi", "osc", "osc", "control"], "title kept, set, told, bell"
            words = f"✗ {MANY} watched things (1 badly, {MANY - 1} well), first etl␛<U+202E>: exited 1"
            assert found[1].body == f"2;{words}"[:121]
            assert found[2].body.startswith("777;notify;quarterdeck;✗ 300 watched things")
            assert [words == toast for toast in d.toasts].count(True) == 1
            (message,) = there.heard
            told = json.loads(message.body)
            assert (told["kind"], told["service"], told["result"]) == ("watch", f"{MANY} things", "badly")
            assert told["message"].startswith(words)
            assert "◎" not in d.text

            await d.press(":", *"watches", "enter")
            assert isinstance(app.screen, WatchesScreen)
            assert "0 go on, 200 were heard" in d.text, "what was heard is bounded too"
            await d.press("x")
            assert "nothing is watched" in d.text


async def test_the_list_goes_there_and_removes(tmp_path: Path) -> None:
    source = Scripted(rows=[container("api"), container("etl"), container("web")])
    async with deck([source], size=(120, 30)) as d:
        await d.press("w", "j", "w")
        await d.press(":", *"watches", "enter")
        assert "2 go on, 0 were heard" in d.text
        await d.press("/", *"api", "enter", "w")
        assert "1 go on" in d.text
        await d.press("/", "escape")
        assert isinstance(d.app.screen, WatchesScreen)
        assert [row.cells[1].text for row in d.app.screen.table.rows] == ["etl"]
        await d.press("enter")
        assert d.app.screen is d.app.deck
        assert d.app.deck.pane.ref == Ref("local", "container", "id-etl")
        await d.press("w")
        assert "etl is watched no more" in d.toasts[-1]
        source.rows = [container("etl", "unhealthy 2/5", Status.BAD, health="unhealthy"), container("api")]
        d.app.boot.hub.poke()
        await d.rest()
        await d.press("0", "w", "h")
        assert isinstance(d.app.screen, WatchesScreen)
        assert "1 go on" in d.text
        await d.press("w", "escape", "escape")
        assert d.app.watching is not None
        assert not d.app.watching.keeper.refs
