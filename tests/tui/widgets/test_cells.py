from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from quarterdeck.widgets.cells import (
    ASCII,
    MAX_COMBINING,
    UNICODE,
    Column,
    ascii_twin,
    fit_columns,
    fit_text,
    literal,
    literal_parts,
)

columns = st.lists(
    st.builds(
        Column,
        key=st.text("abc", min_size=1, max_size=2),
        title=st.just("T"),
        width=st.integers(1, 30),
        flex=st.integers(0, 3),
        min_width=st.integers(1, 12),
        priority=st.integers(0, 4),
        gap=st.integers(0, 2),
    ),
    max_size=9,
)


@given(columns, st.integers(-2, 200))
def test_shown_columns_and_their_gaps_fit(cols: list[Column], width: int) -> None:
    widths = fit_columns(cols, width)
    assert len(widths) == len(cols)
    shown = [index for index, size in enumerate(widths) if size]
    assert sum(widths) + sum(cols[index].gap for index in shown[:-1]) <= max(width, 0)
    assert all(size >= 0 for size in widths)


@given(columns, st.integers(0, 200))
def test_no_column_is_dropped_before_one_of_higher_number(cols: list[Column], width: int) -> None:
    widths = fit_columns(cols, width)
    dropped = [column.priority for column, size in zip(cols, widths, strict=True) if not size]
    shown = [column.priority for column, size in zip(cols, widths, strict=True) if size]
    if dropped and shown:
        assert min(dropped) >= max(shown)


def test_flex_columns_share_what_is_left_and_give_way_first() -> None:
    cols = [Column("a", "A", 5), Column("b", "B", 10, flex=1, min_width=4), Column("c", "C", 10, flex=2)]
    assert fit_columns(cols, 27) == (5, 10, 10)
    assert fit_columns(cols, 36) == (5, 13, 16)
    assert fit_columns(cols, 14) == (5, 4, 3)
    assert fit_columns(cols, 13) == (5, 7, 0)
    assert fit_columns(cols, 3) == (3, 0, 0)
    assert fit_columns([], 10) == ()


@given(st.text(max_size=60), st.integers(0, 40), st.sampled_from(["left", "right"]))
def test_every_text_is_fitted_to_its_width_and_printable(text: str, width: int, align: str) -> None:
    fitted = fit_text(text, width, align)
    assert cell_len(fitted) == width
    assert fitted.isprintable()


def test_hostile_texts_are_fitted_too(hostile: list[str]) -> None:
    for text in hostile:
        for width in (1, 2, 3, 7, 20):
            fitted = fit_text(text, width)
            assert cell_len(fitted) == width, text
            assert fitted.isprintable(), text


def test_a_cut_text_says_so() -> None:
    assert fit_text("unit-tests failed", 10) == "unit-test…"
    assert fit_text("42", 5, "right") == "   42"
    assert fit_text("界界界", 4) == "界 …"
    assert fit_text("✓✗", 1) == "✓"


def test_what_a_terminal_obeys_becomes_a_picture() -> None:
    assert literal("a\x1b[2Jb\n\x07\x7f") == "a␛[2Jb␊␇␡"
    assert literal("x\u202ey\u2066\u200b\x9b\ue000") == "x�y����"
    assert literal("a\u00a0b\u3000c\td") == "a b c d"
    assert literal("⚠\ufe0f!") == "⚠!"
    assert literal("[@click=app.quit]x[/]") == "[@click=app.quit]x[/]"


def test_marks_without_end_are_cut_and_a_leading_one_gets_a_base() -> None:
    assert literal("z" + "\u0336" * 60 + "y") == "z" + "\u0336" * MAX_COMBINING + "y"
    assert literal("\u0301a") == " \u0301a"
    assert literal("e\u0301" * 3) == "e\u0301" * 3


@given(st.text(max_size=80), st.integers(1, 8))
def test_parts_stand_for_characters_one_by_one(text: str, tab: int) -> None:
    parts = literal_parts(text, tab)
    assert len(parts) == len(text)
    if "\t" not in text:
        assert "".join(parts) == literal(text)


def test_tabs_reach_the_next_stop() -> None:
    assert "".join(literal_parts("a\tbc\td", 4)) == "a   bc  d"
    assert "".join(literal_parts("界\tx", 4)) == "界  x"


@given(st.text(max_size=60), st.integers(0, 40))
def test_the_ascii_twin_is_ascii_and_as_wide(text: str, width: int) -> None:
    twin = ascii_twin(fit_text(text, width))
    assert twin.isascii()
    assert len(twin) == width


def test_every_sign_is_one_cell_and_has_a_twin_of_its_own_among_the_states() -> None:
    assert all(cell_len(sign) == 1 for sign in UNICODE)
    assert all(len(sign) == 1 and sign.isascii() for sign in ASCII)
    states = UNICODE._fields[: UNICODE._fields.index("op") + 1]
    assert len({getattr(ASCII, name) for name in states}) == len(states)
    assert [ascii_twin(sign) for sign in UNICODE] == list(ASCII)
