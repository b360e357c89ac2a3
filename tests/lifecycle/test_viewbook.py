"""The book of views: bounds, hostile names, files that are not believed, two decks at once."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quarterdeck_config.inert import is_plain
from quarterdeck_config.load import load
from quarterdeck_config.trust import trust
from quarterdeck_lifecycle.errors import QuarterdeckError, Refused
from quarterdeck_lifecycle.viewbook import (
    MOST_PROJECTS,
    MOST_VIEWS,
    PLAIN,
    Book,
    DeckView,
    Left,
    ViewBook,
    bounded,
    problem,
)

NIGHT = DeckView(environments=("prod",), pane="metrics", zoomed=True, tabs={"metrics": "alert"}, window=300.0,
                 filters={"alert": "p95|err"}, orders={"alert": "-newest"}, hidden={"alert": ("value",)})  # fmt: skip


def test_a_book_comes_back_as_it_was_written(tmp_path: Path) -> None:
    book = ViewBook(tmp_path / "state")
    assert book.read() == Book()
    left = Left(view=NIGHT, at=7.0, name="night")
    written = book.change(lambda b: b.saved("night", NIGHT).left_at("/srv/fraud", left))
    assert ViewBook(tmp_path / "state").read() == written
    assert written.views == {"night": NIGHT}
    assert written.left == {"/srv/fraud": left}
    assert book.path.stat().st_mode & 0o777 == 0o600
    assert book.change(lambda b: b.deleted("night").left_at("/srv/fraud", Left(view=PLAIN, at=8.0))) == Book()


@pytest.mark.parametrize(
    "name", ["", "save", "delete", "reset", "-rf", " x", "x\x1b[31m", "a\nb", "x" * 41, "\u202egnp.exe", "\ud800"]
)
def test_a_hostile_name_names_no_view(name: str) -> None:
    assert problem(name)


@pytest.mark.parametrize("name", ["night", "release watch", "../../etc/passwd", "ночь", "x" * 40, "[red]a[/]"])
def test_any_printable_name_is_only_a_key(name: str, tmp_path: Path) -> None:
    assert not problem(name)
    ViewBook(tmp_path).change(lambda book: book.saved(name, NIGHT))
    assert {path.name.partition("-")[0] for path in tmp_path.iterdir()} == {"views"}
    assert ViewBook(tmp_path).read().views == {name: NIGHT}


def test_a_book_is_bounded() -> None:
    book = Book()
    for number in range(MOST_VIEWS):
        book = book.saved(f"v{number}", PLAIN)
    with pytest.raises(Refused, match="100 are kept"):
        book.saved("one more", PLAIN)
    assert book.saved("v7", NIGHT).views["v7"] == NIGHT
    for number in range(MOST_PROJECTS + 5):
        book = book.left_at(f"/p/{number}", Left(view=NIGHT, at=float(number)))
    assert len(book.left) == MOST_PROJECTS
    assert "/p/4" not in book.left
    assert "/p/5" in book.left
    huge = DeckView(filters={f"k{n}": "x" * 9000 for n in range(900)}, window=float("inf"))
    assert len(bounded(huge).filters) == 64
    assert {len(text) for text in bounded(huge).filters.values()} == {500}
    assert bounded(huge).window == PLAIN.window


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"{", "damaged"), (b"[]", "damaged"), (b'{"version": 2}', "newer"),
     (b'{"views": {"a": {"zoomed": 3}}}', "damaged"), (b" " * (1 << 20) + b"{} ", "more than")],
)  # fmt: skip
def test_a_book_that_cannot_be_read_is_not_written_over(data: bytes, why: str, tmp_path: Path) -> None:
    book = ViewBook(tmp_path)
    book.path.write_bytes(data)
    book.path.chmod(0o600)
    with pytest.raises(QuarterdeckError, match=why):
        book.change(lambda b: b.saved("night", NIGHT))
    assert book.path.read_bytes() == data


def test_a_book_that_others_could_have_written_is_not_believed(tmp_path: Path) -> None:
    book = ViewBook(tmp_path)
    book.change(lambda b: b.saved("night", NIGHT))
    book.path.chmod(0o666)
    with pytest.raises(QuarterdeckError, match="writable by others"):
        book.read()
    book.path.rename(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").chmod(0o600)
    book.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(QuarterdeckError, match="symbolic link"):
        book.read()


def test_names_in_a_book_that_no_deck_would_save_are_left_out(tmp_path: Path) -> None:
    book = ViewBook(tmp_path)
    book.path.write_text(json.dumps({"version": 1, "views": {"a\x1b[2J": {}, "fine": {}}, "later": 1}))
    book.path.chmod(0o600)
    assert book.read().views == {"fine": PLAIN}


def test_two_decks_that_save_at_once_keep_both(tmp_path: Path) -> None:
    def save(number: int) -> None:
        ViewBook(tmp_path).change(lambda book: book.saved(f"v{number}", NIGHT))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(save, range(24)))
    assert len(ViewBook(tmp_path).read().views) == 24


def test_a_view_of_an_untrusted_project_is_data_and_no_slow_pattern(tmp_path: Path) -> None:
    project = tmp_path / "quarterdeck.yaml"
    project.write_text(
        "views:\n  night: {pane: metrics, zoom: true, window: 3h, tabs: {metrics: alert}, sort: {metrics: -newest},"
        " hide: {metrics: [value]}, filter: {containers: '(a+)+$', models: 'fraud|etl'}}\n"
    )
    loaded = load(tmp_path)
    assert not loaded.problems
    night = loaded.config.views["night"]
    assert night.filter == {"models": "fraud|etl"}
    assert (night.pane, night.zoom, night.window, night.hide) == ("metrics", True, 10800.0, {"metrics": ("value",)})
    assert loaded.held_back == ("view night: its filter of containers is not used",)
    trust(project)
    assert load(tmp_path).config.views["night"].filter["containers"] == "(a+)+$"


@given(st.text(alphabet="ab.*+?()|^$\\[]{}!- ", max_size=30))
def test_plain_filters_hold_at_most_one_repeat_in_an_alternative(text: str) -> None:
    if is_plain(text):
        assert not set(text.replace("\\", "  ")) & set("[{") or "\\" in text
        assert all(piece.count(".*") <= 1 for piece in text.split("|"))


@pytest.mark.parametrize(
    ("pattern", "plain"),
    [("fraud|etl", True), ("!^fraud-api.*v4$", True), (r"10\.0\.0", True), ("(a+)+$", False), ("a.*b.*c", False),
     ("(a|a)(a|a)", False), ("a{1,9999}", False), ("x" * 201, False)],
)  # fmt: skip
def test_only_what_no_text_can_make_slow_is_plain(pattern: str, plain: bool) -> None:
    assert is_plain(pattern) is plain
