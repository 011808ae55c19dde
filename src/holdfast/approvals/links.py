"""The secret in a link, and the code beside it in the mail.

A token is 256 random bits and the fingerprint of what it was made for. Only its SHA-256 is ever stored; the code is
derived from the token, so that nothing in the database leads to either. The code is what a mail scanner that presses
every button does not type; it is no second secret to somebody who has the link.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

_CODE_DIGITS = 6
_FINGERPRINT = 32
_LONGEST = 200


def new_token(digest: str) -> str:
    """Make a token for what has this digest."""
    return f"{secrets.token_urlsafe(32)}.{digest[:_FINGERPRINT]}"


def hash_of(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token[:_LONGEST].encode("utf-8", "surrogatepass")).hexdigest()


def was_made_for(token: str, digest: str) -> bool:
    """Tell whether the token was sent out for what has this digest: records may have been altered since."""
    fingerprint = token.rpartition(".")[2].encode("utf-8", "surrogatepass")
    return hmac.compare_digest(fingerprint, digest[:_FINGERPRINT].encode())


def code_of(token: str) -> str:
    """Return the six digits that stand beside the link in the mail."""
    number = int.from_bytes(hmac.digest(token.encode(), b"confirmation code", "sha256")[:8], "big")
    return f"{number % 10**_CODE_DIGITS:0{_CODE_DIGITS}}"


def typed_code(typed: str) -> str | None:
    """Return the digits that somebody typed, without spaces and dashes; None if that is no code at all."""
    digits = "".join(typed.replace("-", " ").split())
    return digits if len(digits) == _CODE_DIGITS and digits.isascii() and digits.isdigit() else None


def is_code_of(token: str, typed: str) -> bool:
    """Tell, in constant time, whether these are the token's digits."""
    return hmac.compare_digest((typed_code(typed) or "").encode(), code_of(token).encode())


def link_name(token_hash: str) -> str:
    """Name a link in the audit trail: enough to tell links apart, nothing to open one with."""
    return token_hash[:12]
