"""The detail and the comparison by their keys."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence

import pytest

from deckcase import Deck, deck
from quarterdeck.screens.compare import CompareScreen, compared
from quarterdeck.screens.detail import DetailScreen, section_lines
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.ports import Section
from quarterdeck_lifecycle.records import Link, Ref
from scripted import Scripted, container


class Described(Scripted):
    """Answers a detail for each name, or fails; `asked` counts."""

    def __init__(self, *names: str) -> None:
        link = Link(kind="commit", value="9f3c2e1", evidence="label revision")
        super().__init__(rows=[container(name, image=f"team/{name}:v41", links=(link,)) for name in names])
        self.details: dict[str, Sequence[Section]] = {}
        self.asked = 0

    async def describe(self, ref: Ref) -> Sequence[Section]:
        self.asked += 1
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.details.get(self.row(ref).name, ())


def tabs(d: Deck) -> str:
    return d.text.split("\n")[1].rstrip()


async def test_the_record_shows_at_once_and_the_tabs_when_they_are_answered() -> None:
    source = Described("api")
    source.details["api"] = [
        Section(title="Overview", fields=(("Image", "team/api:v41"), ("Args", "one\ntwo"))),
        Section(title="Ports", shape="table", table=(("IN", "OUT"), ("80/tcp", "127.0.0.1:8080")), note="published"),
        Section(title="Diff", shape="diff", text="@@ -1 +1 @@\n-old\n+new"),
        Section(title="Void"),
    ]
    async with deck([source], size=(100, 24)) as d:
        source.gate.clear()
        d.app.deck.do_detail()
        await d.shows("asking, at most 30 s")
        assert "link commit" in d.text
        assert "9f3c2e1  (label revision)" in d.text
        source.gate.set()
        await d.shows("Overview")
        assert tabs(d).split() == ["Overview", "Ports", "Diff", "Void", "Record"]
        assert "Image  team/api:v41" in d.text
        lines = d.text.split("\n")
        assert next(n for n, line in enumerate(lines) if "one" in line) + 1 == next(
            n for n, line in enumerate(lines) if "two" in line
        )
        text = await d.press("]")
        assert "published" in text
        assert "80/tcp  127.0.0.1:8080" in text
        assert "+new" in await d.press("tab")
        assert "empty" in await d.press("]")
        assert "image" in await d.press("]")
        assert "Image  team" in await d.press("]")
        assert "+new" in await d.press("[", "[", "shift+tab")


async def test_a_failing_detail_says_why_keeps_what_is_known_and_asks_again() -> None:
    source = Described("api")
    async with deck([source]) as d:
        source.error = Unavailable("its detail", source="local", why="connection refused", mend="start docker")
        await d.press("d")
        assert "down: connection refused" in tabs(d)
        assert "start docker" in d.toasts[-1]
        assert "team/api:v41" in d.text
        source.error = None
        source.details["api"] = [Section(title="Overview", text="all is well")]
        text = await d.press("r")
        assert "all is well" in text
        assert "refused" not in tabs(d)
        assert source.asked == 2


async def test_a_detail_is_searched_scrolled_and_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TMUX", raising=False)
    source = Described("api")
    text = "\n".join(f"line {n}" if n % 40 else f"needle {n}" for n in range(200))
    source.details["api"] = [Section(title="Inspect", shape="text", text=text)]
    async with deck([source]) as d:
        await d.press("d", "/")
        await d.burst("needle", "enter")
        assert "needle 0" in d.text
        assert "needle 40" in await d.press("n")
        assert "needle 0" in await d.press("N")
        await d.press("/")
        await d.burst("*", "enter")
        assert "not a regular expression" in d.toasts[-1]
        assert isinstance(d.app.screen, DetailScreen)
        await d.press("/")
        await d.burst("nowhere", "enter")
        assert d.toasts[-1] == "no hit for nowhere"
        assert "line 199" in await d.press("G")
        assert "line 199" not in await d.press("k")
        assert "line 199" in await d.press("j")
        assert "needle 0" in await d.press("g")
        await d.press("y")
        await d.until(lambda: d.app.clipboard)
        assert d.app.clipboard == text


async def test_an_answer_that_comes_before_the_screen_stands_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """As what needs no request does: its task may end while the screen is still told that it is mounted."""

    def at_once(job: Coroutine[None, None, None], name: str) -> None:
        with pytest.raises(StopIteration):
            job.send(None)

    source = Described("api")
    source.details["api"] = [Section(title="Overview", fields=(("Image", "team/api:v41"),))]
    async with deck([source]) as d:
        monkeypatch.setattr(d.app, "work", at_once)
        await d.press("d")
        assert isinstance(d.app.screen, DetailScreen)
        assert tabs(d).split() == ["Overview", "Record"]


async def test_leaving_while_it_is_asked_harms_nothing() -> None:
    source = Described("api")
    source.gate.clear()
    source.gate.set()
    async with deck([source]) as d:
        source.gate.clear()
        d.app.deck.do_detail()
        await d.until(lambda: source.asked)
        d.app.screen.dismiss()
        source.gate.set()
        await d.rest()
        assert d.app.screen is d.app.deck
        assert d.toasts == []


async def test_a_comparison_shows_only_what_differs_and_a_all_of_it() -> None:
    source = Described("blue", "green", "red")
    source.details["blue"] = [Section(title="Env", fields=(("LEVEL", "debug"), ("PORT", "80"), ("ONLY", "here")))]
    source.details["green"] = [Section(title="Env", fields=(("LEVEL", "info"), ("PORT", "80")))]
    async with deck([source], size=(100, 40)) as d:
        await d.press("=")
        assert d.toasts[-1] == "mark two rows with Space, then ="
        await d.press("g", " ", " ", "=")
        assert isinstance(d.app.screen, CompareScreen)
        await d.shows("Env: LEVEL")
        rows = [line.split() for line in d.text.split("\n")]
        assert ["image", "team/blue:v41", "team/green:v41"] in rows
        assert ["Env:", "LEVEL", "debug", "info"] in rows
        assert ["Env:", "ONLY", "here", "-"] in rows
        assert "Env: PORT" not in d.text
        assert "running" not in d.text
        text = await d.press("a")
        assert "Env: PORT" in text
        assert "running" in text
        assert "Env: PORT" not in await d.press("a")
        source.error = Unavailable("its detail", source="local", why="gone")
        await d.press("escape", "escape", "g", " ", " ", "=")
        await d.until(lambda: any("gone" in toast for toast in d.toasts))
        assert "team/blue:v41" in d.text
        await d.press("escape", " ", "=")
        assert d.toasts[-1] == "mark two rows with Space, then ="


def test_a_comparison_of_odd_values_stands_and_equal_ones_say_so() -> None:
    one, two = container("a"), container("b")
    assert [line.text for line in compared(one, two, {"x": "1"}, {"x": "1"}, everything=False)] == [
        "no difference in anything that is known of them"
    ]
    lines = compared(one, two, {"x": "\n", "long": "v" * 500}, {"x": "two\nlines", "long": "w"}, everything=False)
    assert [line.text.split() for line in lines[1:3]] == [["x", "-", "two"], ["lines"]]
    assert sum(line.text.count("v") for line in lines) == 500
    assert max(len(line.text) for line in lines) <= 100
    many = compared(one, two, {"x": "v\n" * 99}, {"x": "w"}, everything=False)
    assert len(many) == 42
    assert "… 198 characters" in many[-1].text
    assert all(0 <= start <= end <= len(line.text) for line in lines for start, end, _ in line.spans)


def test_a_section_of_every_shape_has_lines() -> None:
    for shape in ("fields", "text", "diff", "table", "json"):
        made = Section(title="x", shape=shape, note="why\nso", text="a\nb", table=(("h",), ("1", "2")))  # type: ignore[arg-type]
        assert [line.text for line in section_lines(made)][:2] == ["why", "so"]
    assert [line.text for line in section_lines(Section(title="x"))] == ["empty"]


async def test_a_detail_that_answers_late_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Described("api")
    async with deck([source]) as d:

        async def late(self: object, work: object, deadline: float, what: str, name: str) -> None:
            assert deadline == 30
            work.close()  # type: ignore[attr-defined]
            raise Unavailable(what, source=name, why="no answer within 30 s")

        monkeypatch.setattr(type(d.app.boot), "bounded", late)
        await d.press("d")
        assert "no answer within 30 s" in tabs(d)
