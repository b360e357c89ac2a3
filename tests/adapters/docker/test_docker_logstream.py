"""A container's log as bytes: frames cut anywhere, times, and going on after a cut. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_adapters.docker.chunked import Chunked, payload
from quarterdeck_adapters.docker.logs import merged
from quarterdeck_adapters.docker.logstream import Clock, Entry, Multiplexed, Position, Reader
from quarterdeck_lifecycle.text import LogLine

BASE = 1_795_413_251


def stamp(nanos: int) -> bytes:
    second, rest = divmod(nanos, 1_000_000_000)
    minutes, seconds = divmod(second - BASE + 11, 60)
    return f"2026-11-23T05:{54 + minutes:02d}:{seconds:02d}.{rest:09d}Z ".encode()


def frame(nanos: int, body: bytes, stream: int = 1) -> bytes:
    text = stamp(nanos) + body
    return bytes([stream, 0, 0, 0]) + len(text).to_bytes(4, "big") + text


def pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = next(sizes)
        yield data[at : at + size]
        at += size


def texts(entries: Iterator[list[Entry]]) -> list[str]:
    return [entry.line.text for batch in entries for entry in batch]


@given(st.integers(0, 2**32), st.integers(1, 90))
def test_lines_are_the_same_however_the_stream_is_cut(seed: int, most: int) -> None:
    chance = random.Random(seed)
    data = b"".join(
        frame(BASE * 10**9 + i, f"line {i} of {stream}\n".encode(), stream) for i, stream in enumerate([1, 2, 1, 1, 2])
    )
    sizes = iter(lambda: chance.randint(1, most), 0)
    found = texts(Reader("x").read(pieces(data, sizes), tty=False))
    assert found == [f"line {i} of {stream}" for i, stream in enumerate([1, 2, 1, 1, 2])]


def test_the_parts_of_a_long_line_are_one_line_and_the_other_stream_does_not_cut_in() -> None:
    at = BASE * 10**9
    data = frame(at, b"a" * 10) + frame(at + 5, b"error\n", 2) + frame(at, b"b" * 10 + b"\n")
    assert texts(Reader("x").read(iter([data]), tty=False)) == ["error", "a" * 10 + "b" * 10]


def test_a_tty_has_no_frames_and_its_long_lines_lose_the_stamps_inside() -> None:
    mark = stamp(BASE * 10**9)
    data = mark + b"short\r\n" + mark + b"x" * 16384 + mark + b"y" * 100 + b"\r\n" + mark + b"\x1b[31mred\x1b[0m\r\n"
    reader = Reader("x")
    found = [entry.line for batch in reader.read(pieces(data, iter(lambda: 700, 0)), tty=True) for entry in batch]
    assert found[0].text == "short"
    assert found[1].text.startswith("x" * 16384)
    assert mark.decode().strip() not in found[1].text
    assert (found[2].text, found[2].spans) == ("red", ((0, 3, "red"),))


def test_a_frame_that_was_cut_off_is_not_given() -> None:
    data = frame(BASE * 10**9, b"whole\n") + frame(BASE * 10**9 + 1, b"half\n")[:-3]
    assert texts(Reader("x").read(iter([data]), tty=False)) == ["whole"]


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"\1\0\0\0\x7f\xff\xff\xff", b"\1\0\1\0\0\0\0\1a"])
def test_what_is_no_log_stream_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="log"):
        Multiplexed().feed(data)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        (b"2026-11-23T05:54:11.000000001Z", BASE * 10**9 + 1),
        (b"2026-11-23T06:54:11.5+01:00", BASE * 10**9 + 500_000_000),
        (b"2026-11-23T05:54:11Z", BASE * 10**9),
        (b"2026-11-22T21:54:11.123456789-08:00", BASE * 10**9 + 123_456_789),
    ],
)
def test_times_keep_their_nanoseconds(text: bytes, nanos: int) -> None:
    assert Clock().read(text) == nanos


def test_a_line_without_a_time_is_kept_whole() -> None:
    body = b"no time here\n"
    data = b"\1\0\0\0" + len(body).to_bytes(4, "big") + body
    assert texts(Reader("x").read(iter([data]), tty=False)) == ["no time here"]


@given(st.integers(0, 2**32), st.booleans())
def test_reading_on_after_cuts_loses_and_doubles_nothing(seed: int, whole: bool) -> None:
    chance = random.Random(seed)
    written: list[tuple[int, int, bytes]] = []
    at = BASE * 10**9
    for number in range(60):
        at += chance.choice([0, 1, 50, 1_000_000, 90_000_000])
        # The two output streams are copied by two threads: an entry may be a little older than the one before it.
        late = chance.choice([0, 0, 0, 40_000_000]) if whole else 0
        written.append((at - late, chance.choice([1, 2]), f"{number}\n".encode()))
    start = 0 if whole else 30 + next(i for i in range(30) if written[30 + i][0] != written[29 + i][0])
    reader = Reader("x")

    def read(entries: list[tuple[int, int, bytes]], upto: float) -> list[str]:
        data = b"".join(frame(a, b, s) for a, s, b in entries)
        cut = data[: round(len(data) * upto)]
        return texts(reader.read(pieces(cut, iter(lambda: chance.randint(1, 200), 0)), tty=False))

    found = read(written[start:50], 1.0)
    for upto in (chance.random(), chance.random(), 1.0):
        reader.position.resume()
        since = reader.position.since
        found += read([entry for entry in written if entry[0] >= since], upto)
    assert len(found) == len(set(found))
    assert {int(text) for text in found} == set(range(start, 60))


@given(st.integers(0, 2**32), st.lists(st.binary(min_size=1, max_size=300), max_size=8))
def test_a_chunked_body_is_the_same_however_it_is_cut(seed: int, bodies: list[bytes]) -> None:
    chance = random.Random(seed)
    data = b"".join(b"%x;q=1\r\n%b\r\n" % (len(body), body) for body in bodies) + b"0\r\n\r\n"
    cuts = pieces(data, iter(lambda: chance.randint(1, 400), 0))
    assert b"".join(payload(lambda _: next(cuts, b""))) == b"".join(bodies)


def test_a_chunked_body_that_is_cut_off_or_none_at_all_is_an_error() -> None:
    cut = iter([b"5\r\nhel", b""])
    with pytest.raises(ConnectionResetError):
        list(payload(lambda _: next(cut)))
    with pytest.raises(ValueError, match="invalid literal"):
        Chunked().feed(b"<html>\r\n")
    with pytest.raises(ValueError, match="no chunk size"):
        Chunked().feed(b"x" * 300)


def test_a_flood_in_one_moment_is_remembered_without_looking_again_at_each_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    position, looked = Position(), []
    forget = Position._forget
    monkeypatch.setattr(Position, "_forget", lambda self: (looked.append(1), forget(self)))
    for number in range(50_000):
        position.is_new(BASE * 10**9 + number, 1)
    assert 0 < len(looked) < 10


def test_lines_that_rotation_took_away_are_missed() -> None:
    position = Position()
    for number in range(5):
        assert position.is_new(BASE * 10**9 + number, 1)
    position.resume()
    assert not position.is_new(BASE * 10**9 + 4, 1)
    assert position.is_new(BASE * 10**9 + 10, 1)
    assert position.missing() == 4
    assert position.missing() == 0


async def test_several_logs_are_merged_by_time() -> None:
    async def log(times: list[list[int]]):  # type: ignore[no-untyped-def]
        for batch in times:
            yield [Entry(at, LogLine(str(at), ())) for at in batch]

    streams = [log([[1, 5], [9]]), log([[2], [3, 4, 8]]), log([]), log([[7, 6]])]
    found = [entry.at for batch in [batch async for batch in merged(streams)] for entry in batch]
    assert sorted(found) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    assert found == [1, 2, 3, 4, 5, 6, 7, 8, 9]
