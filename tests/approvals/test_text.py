"""Text that others wrote hides nothing."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.approvals.text import SHOWN_CHARACTERS, SHOWN_LINES, breaks_lines, excerpt, pieces, spelled_out


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nof two lines", "plain\ttext\nof two lines"),
        ("Grüße, 世界, שלום, 👍", "Grüße, 世界, שלום, 👍"),
        ("pay\u202e001", "pay⟨U+202E⟩001"),
        ("zero\u200bwidth\ufeff", "zero⟨U+200B⟩width⟨U+FEFF⟩"),
        ("nul\x00", "nul⟨U+0000⟩"),
        ("lone\ud800", "lone⟨U+D800⟩"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("a\r\nb\rc", "a\nb⟨U+000D⟩c"),
        ("", ""),
    ],
)
def test_what_does_not_show_is_named(text: str, shown: str) -> None:
    assert spelled_out(text) == shown


@given(st.text(alphabet=st.characters()))
def test_nothing_that_formats_or_controls_gets_through(text: str) -> None:
    shown = "".join(piece for piece, odd in pieces(text) if not odd)
    left = {character for character in shown if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp", "Co"}}
    assert left <= {"\n", "\t"}
    assert not {"\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068", "\u200b"} & set(shown)


def test_a_long_text_is_cut_and_says_how_much_is_left_out() -> None:
    assert excerpt("short").left_out == 0
    long = excerpt("x" * 1_000_000)
    assert (len(long.beginning), long.left_out) == (SHOWN_CHARACTERS, 1_000_000 - SHOWN_CHARACTERS)
    tall = excerpt("line\n" * 50)
    assert tall.beginning == "line\n" * SHOWN_LINES
    assert tall.left_out == 5 * (50 - SHOWN_LINES)


@pytest.mark.parametrize("text", ["a\nb", "a\rb", "a\u2028b", "a\u2029b", "a\x85b", "a\x00b", "\ud800"])
def test_a_line_is_one_line(text: str) -> None:
    assert breaks_lines(text)
    assert not breaks_lines("Ünïcödé line")
