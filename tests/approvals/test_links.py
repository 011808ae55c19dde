"""Tokens and codes."""

from __future__ import annotations

from holdfast.approvals.links import code_of, hash_of, is_code_of, link_name, new_token, was_made_for

DIGEST = "0123456789abcdef" * 4


def test_every_token_is_another() -> None:
    tokens = {new_token(DIGEST) for _ in range(1000)}
    assert len(tokens) == len({hash_of(token) for token in tokens}) == 1000
    assert all(len(token) >= 43 for token in tokens)


def test_a_token_belongs_to_what_it_was_made_for() -> None:
    token = new_token(DIGEST)
    assert was_made_for(token, DIGEST)
    assert not was_made_for(token, "f" + DIGEST[1:])
    assert not was_made_for("no token", DIGEST)
    assert not was_made_for("\ud800.x", DIGEST)


def test_the_code_is_six_digits_however_they_are_typed() -> None:
    token = new_token(DIGEST)
    code = code_of(token)
    assert len(code) == 6
    assert code.isdigit()
    assert all(is_code_of(token, typed) for typed in (code, f"{code[:3]} {code[3:]}", f" {code[:3]}-{code[3:]}\t"))
    assert not any(is_code_of(token, typed) for typed in ("", code[:5], f"{code}0", "\ud800", "abcdef"))
    assert sum(is_code_of(new_token(DIGEST), code) for _ in range(100)) < 3


def test_nothing_that_is_stored_leads_to_token_or_code() -> None:
    token = new_token(DIGEST)
    assert hash_of(token) != hash_of(token[:-1])
    assert link_name(hash_of(token)) not in token
    assert code_of(hash_of(token)) != code_of(token)
