from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.widgets.cells import Cell, Row
from quarterdeck.widgets.rowmodel import RowModel, held_order


def rows(keys: str, text: str = "") -> list[Row]:
    return [Row(key, (Cell(text or key),)) for key in keys]


def shown(model: RowModel) -> str:
    return "".join(str(row.key) for row in model.rows)


def test_the_cursor_follows_its_key() -> None:
    model = RowModel()
    model.apply(rows("abcd"))
    assert model.cursor == 0
    model.move_to(2)
    model.apply(rows("xycab"))
    assert (model.cursor, model.rows[model.cursor].key) == (2, "c")
    model.apply(rows("cxy"))
    assert model.cursor == 0


def test_a_row_that_goes_stays_as_a_ghost_behind_its_neighbour() -> None:
    model = RowModel()
    model.apply(rows("abcd"))
    model.move_to(2)
    model.apply(rows("xabd"))
    assert shown(model) == "xabcd"
    assert model.ghost
    assert model.cursor == 3
    assert model.count == 4
    assert model.living() == rows("xabd")
    assert model.place_of("c") is None
    assert model.place_of("d") == 4
    assert not model.toggle_mark()
    model.apply(rows("d"))
    assert shown(model) == "dc"


def test_leaving_a_ghost_ends_it_and_reaches_its_neighbours() -> None:
    for step, expected in ((1, "d"), (-1, "b")):
        model = RowModel()
        model.apply(rows("abcd"))
        model.move_to(2)
        model.apply(rows("abd"))
        assert model.move_to(model.cursor + step)
        assert shown(model) == "abd"
        assert not model.ghost
        assert model.rows[model.cursor].key == expected


def test_a_ghost_that_comes_back_is_a_row_again() -> None:
    model = RowModel()
    model.apply(rows("ab"))
    model.apply(rows("b"))
    assert model.ghost
    model.apply(rows("ba", "new"))
    assert not model.ghost
    assert shown(model) == "ba"
    assert model.cursor == 1
    assert model.rows[1].cells[0].text == "new"


def test_a_ghost_outlives_all_rows() -> None:
    model = RowModel()
    model.apply(rows("a"))
    model.apply([])
    assert shown(model) == "a"
    assert model.count == 0
    assert not model.move_to(1)
    model.apply(rows("b"))
    assert shown(model) == "ab"
    assert model.move_to(1)
    assert shown(model) == "b"


def test_marks_of_rows_that_went_do_not_come_back() -> None:
    model = RowModel()
    model.apply(rows("abc"))
    model.move_to(1)
    assert model.toggle_mark()
    assert model.mark_between(2, 1)
    assert model.marked == {"b", "c"}
    model.apply(rows("ac"))
    assert model.marked == {"c"}
    model.apply(rows("abc"))
    assert model.marked == {"c"}
    assert not model.mark_between(2, 2)


def test_a_range_leaves_the_ghost_out() -> None:
    model = RowModel()
    model.apply(rows("abc"))
    model.move_to(1)
    model.apply(rows("ac"))
    assert model.mark_between(0, 2)
    assert model.marked == {"a", "c"}


def test_a_key_given_twice_counts_once() -> None:
    model = RowModel()
    model.apply([*rows("ab"), *rows("a", "again")])
    assert shown(model) == "ab"
    assert model.rows[0].cells[0].text == "again"


def test_held_rows_keep_their_places_and_new_ones_come_last() -> None:
    assert held_order(rows("abc"), rows("xcbya", "new")) == rows("abcxy", "new")
    assert held_order(rows("abc"), rows("ca")) == rows("ac")


keys = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8).map("".join)


@given(st.lists(st.tuples(keys, st.integers(-1, 9), st.booleans()), max_size=12))
def test_the_cursor_never_lands_on_a_row_that_nobody_moved_it_to(steps: list[tuple[str, int, bool]]) -> None:
    model = RowModel()
    for order, place, mark in steps:
        before = model.cursor_row
        model.apply(rows(order))
        after = model.cursor_row
        if before is not None:
            assert after is not None
            assert after.key == before.key
            assert model.ghost == (before.key not in order)
        assert model.living() == rows(order)
        assert model.marked <= set(order)
        for key in order:
            place_of = model.place_of(key)
            assert place_of is not None
            assert model.rows[place_of].key == key
        if place >= 0:
            model.move_to(place)
            assert len(model.rows) == len(order) + model.ghost
        if mark:
            model.toggle_mark()
