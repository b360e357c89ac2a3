"""The allow-list for bytes that reach the terminal lets the program's own sequences pass, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parts.bytestream import check_bytes, offences, tokens

OWN = (
    b"\x1b[?1049h\x1b[?1000h\x1b[?1003h\x1b[?1015h\x1b[?1006h\x1b[?25l\x1b[?1004h\x1b[>1u\x1b[?2026$p\x1b[?2048$p"
    b"\x1b[?2004h\x1b]2;quarterdeck\x07\x1b]22;default\x07\x1b[?2026h\x1b[1;1H\x1b[38;2;1;2;3;48:5:7m\xe2\x96\x81 text"
    b"\x1b[0m\r\n\x1b[K"
    b"\x1b[?2026l\x1b[<u\x1b[?1049l\x1b[?25h"
)


def test_the_programs_own_sequences_pass() -> None:
    assert offences(OWN, titles={"quarterdeck"}) == []
    check_bytes(OWN, titles={"quarterdeck"})


@pytest.mark.parametrize(
    "hostile",
    [
        b"\x1b]0;stolen\x07",
        b"\x1b]2;stolen\x1b\\",
        b"\x1b]8;;https://evil.example\x1b\\x\x1b]8;;\x1b\\",
        b"\x1b]52;c;ZXZpbA==\x07",
        b"\x1b]1337;File=:AAAA\x07",
        b"\x1bP+q544e\x1b\\",
        b"\x1b_Gf=32;AAAA\x1b\\",
        b"\x1b^note\x1b\\",
        b"\x1bXnote\x1b\\",
        b"\x1bc",
        b"\x1b#8",
        b"\x1b[6n",
        b"\x1b[c",
        b"\x1b[5i",
        b"\x1b[21t",
        b"\x1b[1;5r",
        b"\x1b[?1048h",
        b"\x1b[?25;47h",
        b"\x1b[4h",
        b"\x1b[!p",
        b"\x1b]0;never ended",
        b"\x1b[31",
        b"\x1b",
        b"\x07",
        b"\x00",
        b"\x0e",
        b"\x7f",
        b"\xc2\x9b31m",
        b"\xc2\x9d0;x\xc2\x9c",
        b"\x9b31m",
        b"\xe2\x80\xae txt",
        b"\xe2\x81\xa6",
        b"\xe2\x82",
    ],
)
def test_anything_else_is_found_alone_and_in_the_middle(hostile: bytes) -> None:
    assert offences(hostile)
    assert offences(OWN + b"a" + hostile + b"z" + OWN, titles={"quarterdeck"})
    with pytest.raises(AssertionError, match="outside the allow-list"):
        check_bytes(b"a" + hostile)


def test_clipboard_and_bell_pass_only_when_allowed() -> None:
    assert offences(b"\x1b]52;c;aGk=\x07", clipboard=True) == []
    assert offences(b"\x1b]52;p;aGk=\x07", clipboard=True)
    assert offences(b"\x07", bell=True) == []


def test_a_sequence_of_the_programs_own_is_found_when_forbidden() -> None:
    with pytest.raises(AssertionError, match="forbidden"):
        check_bytes(b"log \x1b[?1049l", forbidden=[b"\x1b[?1049l"])


@given(st.binary(max_size=200))
def test_no_byte_goes_uncounted(data: bytes) -> None:
    seen = list(tokens(data))
    assert [token.offset for token in seen] == sorted(token.offset for token in seen)
    if data.isascii() and not offences(data, bell=True):
        kept = [token for token in seen if token.kind in ("text", "control")]
        assert b"\x1b" in data or "".join(token.body for token in kept).encode() == data
