"""The log screen by its keys, on logs that a test writes."""

from __future__ import annotations

import pytest

from logcase import NOW, api, log_of, shown, title, view
from quarterdeck.screens.logs import LogScreen
from quarterdeck.screens.logstream import LEVELS, json_columns
from quarterdeck.widgets.logview import compile_pattern
from quarterdeck_lifecycle.errors import Unavailable
from quarterdeck_lifecycle.instant import parse_time
from quarterdeck_lifecycle.ports import LogBatch
from quarterdeck_lifecycle.text import LogLine
from scripted import Logs, container, timed


async def test_it_follows_until_scrolled_up_and_again_from_the_end_on() -> None:
    source = api(*(f"line {n}" for n in range(60)))
    async with log_of(source) as d:
        assert "live" in title(d)
        assert "following" in title(d)
        await d.press("k")
        assert "following" not in title(d)
        source.speak(LogBatch(lines=timed(NOW, "while away")))
        await d.until(lambda: view(d).state.kept == 61)
        assert "while away" not in d.text
        assert "while away" in await d.press("G")
        assert "following" in title(d)
        assert "line 0" in await d.press("g")
        assert "following" in (await d.press("f"), title(d))[1]
        assert "while away" in d.text
        assert "following" not in (await d.press("f"), title(d))[1]


async def test_a_pause_keeps_and_counts_what_comes() -> None:
    source = api("one")
    async with log_of(source) as d:
        await d.press(" ")
        source.speak(LogBatch(lines=timed(NOW, *(f"more {n}" for n in range(1500)))))
        await d.shows("paused, 1,500 waiting")
        assert "more" not in d.text
        await d.press(" ")
        await d.shows("more 1499")
        assert "paused" not in title(d)
        assert "0 dropped" in title(d)


async def test_a_search_goes_from_hit_to_hit_and_says_when_there_is_none() -> None:
    texts = [f"line {n}" for n in range(100)]
    for place in (10, 50, 90):
        texts[place] = f"needle {place}"
    async with log_of(api(*texts)) as d:
        await d.press("g", "/")
        assert "needle 10" in await d.burst("needle", "enter")
        assert "needle 50" in await d.press("n")
        assert "needle 90" in await d.press("n")
        assert "needle 10" in await d.press("n")
        assert "needle 90" in await d.press("N")
        await d.press("/")
        await d.burst("nowhere", "enter")
        assert d.toasts[-1] == "no hit for nowhere"
        await d.press("n")
        assert d.toasts[-1] == "no hit"
        await d.press("/")
        await d.burst("(", "enter")
        assert d.toasts[-1].startswith("not a regular expression at character 1")
        assert isinstance(d.app.screen, LogScreen)


async def test_a_filter_keeps_or_drops_lines_and_a_bad_one_changes_nothing() -> None:
    async with log_of(api("GET /a 200", "GET /b 500", "POST /c 200")) as d:
        await d.press("&")
        await d.burst("500$", "enter")
        await d.until(lambda: view(d).state.shown == 1)
        assert "&500$" in title(d)
        assert shown(d)[0] == "GET /b 500"
        await d.press("&", "backspace", "backspace")
        await d.burst("!GET", "enter")
        await d.until(lambda: shown(d)[0] == "POST /c 200")
        assert "&!GET" in title(d)
        await d.press("&", "backspace", "backspace")
        await d.burst("[", "enter")
        assert "not a regular expression" in d.toasts[-1]
        assert "&!GET" in title(d)
        assert view(d).state.shown == 1
        await d.press("&", "escape")
        await d.until(lambda: view(d).state.shown == 3)
        assert "&" not in title(d)


async def test_levels_step_from_all_to_warnings_to_errors() -> None:
    texts = (
        "INFO fine", "WARN slow", '{"level":"error","msg":"json broke"}', "level=warning t=1", "ValueError: no",
        "no warn word", "the level: fine",
    )  # fmt: skip
    async with log_of(api(*texts)) as d:
        await d.press("v")
        await d.until(lambda: view(d).state.shown == 4)
        assert "level:warnings" in title(d)
        await d.press("v")
        await d.until(lambda: view(d).state.shown == 2)
        assert shown(d)[:2] == ['{"level":"error","msg":"json broke"}', "ValueError: no"]
        await d.press("v")
        await d.until(lambda: view(d).state.shown == len(texts))


def test_a_level_is_a_word_in_capitals_or_the_value_of_its_field() -> None:
    warnings, errors = (compile_pattern(expression) for _, expression in LEVELS[1:])
    for line in ("E ERROR x", 'lvl="error"', "severity: Fatal", "java.lang.NullPointerException: x", "Traceback (most"):
        assert errors.search(line), line
        assert warnings.search(line), line
    for line in ("no errors here", "level=info error=none", "TERROR"):
        assert not errors.search(line), line


async def test_lines_wrap_show_times_and_open_json_into_columns() -> None:
    long = "x" * 150 + "END"
    record = '{"ts":"02:14","level":"error","logger":"pool","msg":"timed out","req":88,"who":{"id":7}}'
    async with log_of(api(long, record, "plain")) as d:
        assert "END" not in d.text
        assert "END" in await d.press("w")
        await d.press("w")
        assert "END" not in d.text
        assert "02:04:31.000 xxx" in await d.press("t")
        await d.press("t")
        await d.press("c")
        assert shown(d)[1] == '02:14  ERROR    pool          timed out  req=88  who={"id":7}'
        assert shown(d)[2] == "plain"
        assert record in await d.press("c")


def test_what_is_no_json_object_stays_as_it_came() -> None:
    for line in ("", "plain", "{", "{}x", "[1]", "null", "{broken}", "{" * 5000 + "}"):
        assert json_columns(line) == [], line
    assert json_columns('2024 api {"msg":"hi"}') == [("2024 api", "dim"), ("hi", "")]
    hostile = "".join(text for text, _ in json_columns('{"msg":"a\\u001b[2Jb\\u202e","k\\u001b":"v"}'))
    assert "\x1b" not in hostile
    assert "\u202e" not in hostile


async def test_a_marker_line_stands_in_the_log_with_its_time() -> None:
    async with log_of(api("one")) as d:
        await d.press("a")
        await d.shows("── marked at 2024-05-01 02:14:31Z ──")
        assert "── ──" not in d.text


async def test_go_to_a_time_by_clock_by_age_and_by_date() -> None:
    source = api(*(f"line {n}" for n in range(600)))
    async with log_of(source) as d:
        for words, first in (("02:04:41", "line 10"), ("-9m", "line 60"), ("2024-05-01T02:06:11Z", "line 100")):
            await d.press(":")
            await d.burst(words, "enter")
            assert shown(d)[0] == first, words
        await d.press(":")
        await d.burst("02:00", "enter")
        assert shown(d)[0] == "line 0"
        assert d.toasts[-1] == "the kept lines begin at 2024-05-01 02:04:31Z; o reads older ones"
        for words, said in (
            ("2024-05-01T03:00", "no kept line from then on"),
            ("soon", "not a time: soon; write 02:14:31, -10m or 2024-05-01T02:14"),
        ):
            await d.press(":")
            await d.burst(words, "enter")
            assert d.toasts[-1] == said


def test_a_time_that_is_none_is_said_in_words() -> None:
    assert parse_time("02:14:31", NOW + 86400 - 1) == NOW
    for words in ("25:00", "-", "-" + "9" * 400 + "d", "99999-01-01", "x" * 500):
        with pytest.raises(ValueError, match="not a time"):
            parse_time(words, NOW)


async def test_a_range_reads_the_log_anew_and_an_empty_one_ends_it() -> None:
    source = api(*(f"line {n}" for n in range(600)))
    async with log_of(source, size=(120, 24)) as d:
        await d.press("r")
        await d.burst("-8m..-6m", "enter")
        await d.shows("line 240")
        asked = source.asked[-1]
        assert (asked.since, asked.until, asked.follow) == (NOW - 480, NOW - 360, False)
        await d.shows("ended")
        assert "-8m..-6m" in title(d)
        assert view(d).state.kept == 121
        await d.press("r", "backspace", "backspace")
        await d.burst("-1m..", "enter")
        await d.until(lambda: view(d).state.kept == 60)
        assert (source.asked[-1].until, source.asked[-1].follow) == (None, True)
        source.speak(LogBatch(lines=timed(NOW, "still live")))
        await d.shows("still live")
        asks = len(source.asked)
        for wrong, said in (("-1m..-2m", "the range ends before it begins"), ("-1m", "a range is written FROM..TO")):
            await d.press("r", "backspace", "backspace")
            await d.burst(wrong, "enter")
            assert said in d.toasts[-1]
        assert len(source.asked) == asks
        await d.press("r", "backspace", "backspace", "enter")
        await d.until(lambda: view(d).state.kept == 600)
        assert "-1m" not in title(d)
        assert (source.asked[-1].since, source.asked[-1].tail) == (None, 1000)


async def test_older_lines_come_by_key_and_by_scrolling_without_gap_or_double() -> None:
    source = api(*(f"line {n}" for n in range(2500)), first=NOW - 2500)
    async with log_of(source) as d:
        assert view(d).state.kept == 1000
        assert shown(d)[0].startswith("line 24")
        await d.press("o")
        await d.until(lambda: view(d).state.kept > 1900)
        await d.press("g", "k")
        await d.until(lambda: view(d).state.kept == 2500)
        assert [line.text for line in view(d).kept_lines()] == [f"line {n}" for n in range(2500)]
        await d.press("o")
        assert d.toasts[-1] == "there are no older lines"
        source.refused = Unavailable("reading the log", source="local", why="connection refused")
        await d.press("o")
        assert "connection refused" in d.toasts[-1]
        assert view(d).state.kept == 2500


async def test_older_lines_of_several_things_each_end_where_theirs_begins() -> None:
    one = [line._replace(source="a") for line in timed(NOW - 3000, *(f"a{n}" for n in range(3000)))]
    two = [line._replace(source="b") for line in timed(NOW - 20, *(f"b{n}" for n in range(20)))]
    first = Logs("one", [container("a", source="one")], kept=one)
    second = Logs("two", [container("b", source="two")], kept=two)
    async with log_of(first, second, marks=2) as d:
        await d.until(lambda: view(d).state.kept == 1020)
        await d.press("o")
        texts = [line.text for line in view(d).kept_lines()]
        assert len(set(texts)) == len(texts)
        assert {f"a{n}" for n in range(1001, 3000)} <= set(texts)


async def test_lines_without_a_time_cannot_have_older_ones() -> None:
    source = Logs(rows=[container("api")], kept=[LogLine("no time", ())])
    async with log_of(source) as d:
        await d.press("o")
        assert "carry no time" in d.toasts[-1]
        assert len(source.asked) == 1
