"""SIGCONT means that a suspension ends only where there was one."""

from __future__ import annotations

from quarterdeck.driver import DeckDriver


def test_the_terminal_is_taken_again_only_after_a_suspension() -> None:
    taken: list[str] = []

    class Counted(DeckDriver):
        def __init__(self) -> None:
            self._auto_restart, self._must_signal_resume = True, False

        def resume_application_mode(self) -> None:
            taken.append("again")

    driver = Counted()
    driver._sigcont_application()
    assert taken == []
    driver._must_signal_resume = True
    driver._sigcont_application()
    assert taken == ["again"]
