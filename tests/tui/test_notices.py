"""What reaches the terminal when something watched has happened: gated, bounded, and one call for many."""

from __future__ import annotations

import asyncio

import pytest

from parts.bytestream import tokens
from quarterdeck.notices import GIVE_TITLE_BACK, KEEP_TITLE, LINE_MOST, Call, Caller, Terminal, desktop, title
from quarterdeck_config.schema import Notify
from quarterdeck_lifecycle.records import Ref
from quarterdeck_lifecycle.watches import Watch
from quarterdeck_lifecycle.watchkeeper import News
from quarterdeck_lifecycle.watchrules import Told

HOSTILE = (
    "x\x1b]2;owned\x07", "x\x1b[2J", "a\x07b", "c1\x9b31m\x9d0;t\x9c", "dcs\x1bPtmux;\x1b\x1b]52;c;eA==\x07\x1b\\",
    "bidi\u202eabc", "\ud800", "nul\x00", "line\r\nline", "semi;colon;9;4;1", "4;3;100", "\x1b", "long" * 5000,
)  # fmt: skip


def news(name: str = "api", text: str = "exited", good: bool | None = True) -> News:
    return News(Watch(id=name, ref=Ref("one", "container", name), name=name, at=0.0), Told("ended", text, good, True))


def call(*several: News) -> Call:
    made = Call()
    made.add(several)
    return made


@pytest.mark.parametrize("env", [{}, {"TMUX": "/tmp/tmux-0/default,1,0"}])
@pytest.mark.parametrize("utf8", [True, False])
@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_reaches_the_terminal_raw(text: str, utf8: bool, env: dict[str, str]) -> None:
    for line in (text, call(news(f"name {text}", f"state {text}")).line):
        safe(line, utf8, env)


def safe(line: str, utf8: bool, env: dict[str, str]) -> None:
    """Neither title nor desktop notification of a text is anything but itself."""
    for kind, data in (("title", title(line, utf8)), *((str(osc), desktop(line, osc, env, utf8)) for osc in (9, 777))):
        if not utf8:
            assert data.isascii()
        if kind != "title" and env:
            assert data.startswith("\x1bPtmux;\x1b\x1b]")
            assert data.endswith("\x1b\\")
            inner = data.removeprefix("\x1bPtmux;").removesuffix("\x1b\\")
            assert inner.count("\x1b") == 2, "one escape, doubled as tmux asks"
            data = inner.replace("\x1b\x1b", "\x1b")
        found = list(tokens(data.encode()))
        assert [token.kind for token in found] == ["osc"], data
        body = found[0].body
        assert body.isprintable()
        assert len(body) < 300
        assert body.startswith({"title": "2;", "9": "9;quarterdeck: ", "777": "777;notify;quarterdeck;"}[kind])
        if kind != "title":
            assert body.count(";") == {"9": 1, "777": 3}[kind], "no text opens another field"


def test_three_hundred_are_one_line_with_the_count_and_the_worst_first() -> None:
    well = [news(f"c{n}", "exited", True) for n in range(280)]
    several = well + [news(f"b{n}", "OOM" * 999, False) for n in range(20)]
    made = call(*several)
    assert made.line.startswith("✗ 300 watched things (20 badly, 280 well), first b0: ")
    assert len(made.lines) == 5
    assert len(made.line) <= LINE_MOST + 60
    assert call(news("m", "champion v17→v18", None)).line == "△ m: champion v17→v18"


async def test_at_most_one_call_in_a_while_and_none_is_lost() -> None:
    calls: list[int] = []
    heard = asyncio.Event()

    def hear(made: Call) -> None:
        calls.append(made.count)
        heard.set()

    caller = Caller(hear, settle=0.0, gap=0.05)
    for number in range(300):
        caller.add([news(f"c{number}")])
    await heard.wait()
    assert calls == [300]
    heard.clear()
    caller.hold()
    caller.add([news()])
    caller.add([news("etl")])
    caller.go_on()
    await heard.wait()
    assert calls == [300, 2], "what happened while the terminal was another program's"
    caller.close()


def test_bell_and_title_by_default_and_the_title_goes_when_somebody_looks() -> None:
    sent: list[str] = []
    terminal = Terminal(sent.append, {}, True)
    terminal.call(call(news()), Notify())
    terminal.call(call(news("etl")), Notify())
    assert sent == [f"{KEEP_TITLE}\x1b]2;✓ api: exited\a\a", "\x1b]2;✓ etl: exited\a\a"], "kept once, not its own words"
    terminal.looked_at()
    terminal.looked_at()
    assert sent[2:] == [f"\x1b]2;\a{GIVE_TITLE_BACK}"]
    assert terminal.title_back() == ""
    terminal.call(call(news()), Notify(bell=False, title=False, osc=9))
    assert sent[3:] == ["\x1b]9;quarterdeck: ✓ api: exited\a"]
    terminal.call(call(news()), Notify(bell=False, title=False))
    assert len(sent) == 4
