"""The gate for text from outside: nothing that a terminal obeys passes it, and log colours stay readable."""

import random
import tracemalloc
import unicodedata
from collections.abc import Callable
from itertools import pairwise

import pytest

from quarterdeck_lifecycle.text import LineGate, LogLine, clean, clean_line, strip_ansi

FORBIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}

PIECES = [
    "plain text", "café ☕ 世界", "👩\u200d💻", "\xa0", "é", "\ud83d", "\udc80", "", "0", ";", "[", "]", "\\",
    "m", "\x1b", "\x1b[", "\x1b[31m", "\x1b[1;38;5;208m", "\x1b[38;2;1;2;3m", "\x1b[m", "\x1b[2J",
    "\x1b[?1049h", "\x1b[>4;1m", "\x1b[8m", "\x1b[K", "\x1b[1 q", "\x1b[" + "9" * 5000 + "m",
    "\x1b]0;title\x07", "\x1b]52;c;aGk=\x1b\\", "\x1b]8;;http://evil.example/\x1b\\", "\x1b]8;;",
    "\x1bP+q544e\x1b\\", "\x1bP", "\x1b_apc\x1b\\", "\x1b^pm\x1b\\", "\x1bXsos\x1b\\", "\x1bc", "\x1b(0",
    "\x1b#8", "\x1b ", "\x9b31m", "\x9d0;t\x9c", "\x90q\x9c", "\x9c", "\x85", "\x00", "\x07", "\x08",
    "\x0b", "\x0c", "\x0e", "\x18", "\x1a", "\x7f", "\r", "\n", "\r\n", "\t", "\u202e", "\u202a", "\u2066",
    "\u2069", "\u200e", "\u200f", "\u061c", "\u200b", "\u2060", "\ufeff", "\xad", "\u2028", "\u2029",
    "\U000e0041", "\u0600", "\ufff9", "[@click=app.quit]x[/]", "[/x",
]  # fmt: skip


def unsafe_in(text: str, allowed: str = "") -> list[str]:
    return [ch for ch in text if ch not in allowed and unicodedata.category(ch) in FORBIDDEN]


def corpus(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return ["".join(rng.choices(PIECES, k=rng.randint(1, 12))) for _ in range(count)]


def gate(data: bytes, *cuts: int, limit: int = 16 * 1024) -> list[LogLine]:
    line_gate = LineGate("app", limit)
    edges = [0, *cuts, len(data)]
    chunks = [data[start:end] for start, end in pairwise(edges)]
    return [line for chunk in chunks for line in line_gate.feed(chunk)] + line_gate.flush()


def test_every_character_of_the_forbidden_categories_is_changed() -> None:
    for code in range(0x110000):
        ch = chr(code)
        if unicodedata.category(ch) not in FORBIDDEN:
            continue
        assert unsafe_in(clean(ch), "\n\t") == [], hex(code)
        assert unsafe_in(clean_line(ch)) == [], hex(code)


def test_every_other_assigned_character_passes() -> None:
    others = [chr(code) for code in range(0x110000) if unicodedata.category(chr(code)) not in {*FORBIDDEN, "Cn"}]
    text = "".join(others)
    assert clean(text, limit=len(text)) == text
    assert clean_line(text, limit=len(text)) == text


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("dos\r\nends", "dos\nends"),
        ("over\rwritten", "over␍written"),
        ("\x1b[31mred\x1b[0m", "␛red␛"),
        ("\x1b]8;;http://evil/\x1b\\link\x1b]8;;\x1b\\", "␛link␛"),
        ("\x1b]52;c;aGk=\x07", "␛"),
        ("\x1b]0;never ends", "␛]0;never ends"),
        ("\x1b]0;title\nnext", "␛]0;title\nnext"),
        ("\x1bc", "␛"),
        ("\x1bPq\x1b\\after", "␛after"),
        ("\x9b31m", "\\x9b31m"),
        ("\udc80", "\\udc80"),
        ("a\u202eb", "a<U+202E>b"),
        ("a\u200bb\ufeff", "a<U+200B>b<U+FEFF>"),
        ("\x00\x7f", "␀␡"),
        ("\U000e0041", "<U+E0041>"),
        ("a\xa0b", "a\xa0b"),
    ],
)
def test_what_each_control_looks_like(sent: str, shown: str) -> None:
    assert clean(sent) == shown


def test_a_line_shows_its_breaks_and_tabs() -> None:
    assert clean_line("a\nb\tc\r\nd") == "a␊b␉c␍␊d"


@pytest.mark.parametrize("cleaner", [clean, clean_line])
def test_a_long_text_is_cut_and_says_so(cleaner: Callable[[str, int], str]) -> None:
    assert cleaner("x" * 20, 20) == "x" * 20
    assert cleaner("x" * 21, 20) == "x" * 19 + "…"
    assert cleaner("\u202e" * 20, 20) == "<U+202E><U+202E><U+…"
    assert cleaner("x" * 8 + "\x1b[38;5;208m", 12) == "xxxxxxxx␛…"
    assert len(cleaner("\x1b]" * 2_000_000, 50)) == 50


def test_sequences_are_stripped_for_searching() -> None:
    assert strip_ansi("\x1b[1mERROR\x1b[0m: \x1b]8;;http://x\x07x") == "ERROR: x"


def test_fuzzed_text_holds_nothing_a_terminal_obeys_and_stays_when_cleaned_again() -> None:
    for text in corpus(20_000, seed=1):
        for limit in (30, 10_000):
            shown, line = clean(text, limit), clean_line(text, limit)
            assert not unsafe_in(shown, "\n\t"), text
            assert not unsafe_in(line), text
            assert len(shown) <= limit
            assert len(line) <= limit
            assert clean(shown, limit) == shown, text
            assert clean_line(line, limit) == line, text


def test_fuzzed_logs_are_safe_and_the_same_however_they_are_cut() -> None:
    rng = random.Random(2)
    for text in corpus(20_000, seed=3):
        data = text.encode("utf-8", "surrogatepass")
        limit = rng.choice((7, 64, 16 * 1024))
        lines = gate(data, limit=limit)
        for line in lines:
            assert not unsafe_in(line.text, "\t"), text
            ends = [0]
            for start, end, style in line.spans:
                assert ends[-1] <= start < end <= len(line.text), text
                assert style
                ends.append(end)
        cuts = sorted(rng.choices(range(len(data) + 1), k=3))
        assert gate(data, *cuts, limit=limit) == lines, (text, cuts)


@pytest.mark.parametrize("limit", [5, 12, 16 * 1024])
def test_a_log_split_at_every_byte_is_the_same_log(limit: int) -> None:
    data = (
        "plain\r\n\x1b[1;31mred é世\x1b[0m end\n 10%\r 55%\r100%\x1b[K\r\n\x1b]0;t\x07\x1b[38;5;208mx\n\n\r\r\nlast\r"
    ).encode() + b"\xe2\x82\n\xff\xf0\x9f\x98\x80 tail \xe4\xb8"
    whole = gate(data, limit=limit)
    for at in range(len(data) + 1):
        assert gate(data, at, limit=limit) == whole, at
    assert gate(data, *range(1, len(data)), limit=limit) == whole


def test_a_ci_log_keeps_its_colours() -> None:
    log = (
        b"2025-11-03T09:12:44.1234567Z ##[group]Run make test\r\n"
        b"2025-11-03T09:12:44.1234567Z \x1b[36;1mmake test\x1b[0m\n"
        b"\x1b[01m\x1b[Kmain.c:3:5:\x1b[m\x1b[K \x1b[01;31m\x1b[Kerror: \x1b[m\x1b[K"
        b"expected \xe2\x80\x98;\xe2\x80\x99\n"
        b"\x1b[32m.\x1b[0m\x1b[32m.\x1b[0m\x1b[31mF\x1b[0m [100%]\n"
        b"\x1b[38;5;208mWARN\x1b[39m \x1b[48;2;170;187;204;7mx\x1b[0m \x1b[38:2::1:2:3my\x1b[4:3mz\n"
        b"next \x1b[91;100mline\x1b[22;24;27;39;49m starts plain\n"
        b"\x1b[8mhidden\x1b[5m text \x1b[2K\x1b[1Gshows\n"
    )
    assert [(line.text, line.spans) for line in gate(log)] == [
        ("2025-11-03T09:12:44.1234567Z ##[group]Run make test", ()),
        ("2025-11-03T09:12:44.1234567Z make test", ((29, 38, "bold cyan"),)),
        ("main.c:3:5: error: expected ‘;’", ((0, 11, "bold"), (12, 19, "bold red"))),
        ("..F [100%]", ((0, 2, "green"), (2, 3, "red"))),
        (
            "WARN x yz",
            (
                (0, 4, "color(208)"),
                (5, 6, "reverse on #aabbcc"),
                (7, 8, "#010203"),
                (8, 9, "underline #010203"),
            ),
        ),
        ("next line starts plain", ((5, 9, "bright_red on bright_black"),)),
        ("hidden text ␛␛shows", ()),
    ]


@pytest.mark.parametrize(
    "parameters",
    ["38", "38;5", "38;5;256", "38;2;1;2", "38;9;1", "48;2;300;1;1", "9" * 6000, "38:5", ":", "38:2:1"],
)
def test_malformed_colours_change_nothing_and_raise_nothing(parameters: str) -> None:
    (line,) = gate(f"\x1b[{parameters}mtext\n".encode())
    assert line == LogLine("text", (), "app")


def test_a_progress_bar_leaves_its_last_state() -> None:
    assert [line.text for line in gate(b"10%\r50%\r100%\ndone\r\n")] == ["100%", "done"]


def test_the_rest_of_a_long_line_is_counted() -> None:
    short, long, after = gate(b"abcdefgh\n" + b"x" * 20 + b"\nafter\n", limit=8)
    assert short.text == "abcdefgh"
    assert long.text == "xxxxxxxx… +12 bytes"
    assert after.text == "after"
    assert gate("aé世".encode() + b"b" * 9, limit=5)[0].text == "aé… +12 bytes"


def test_a_line_of_100_megabytes_stays_small_in_memory() -> None:
    line_gate = LineGate()
    block = b"y" * 1_000_000
    tracemalloc.start()
    try:
        for _ in range(100):
            assert line_gate.feed(block) == []
        (line,) = line_gate.feed(b"\n")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert line.text.endswith("… +99983616 bytes")
    assert peak < 2_000_000
