"""Values to text and back: JSON that a person can read, driven by type hints, refusing what would not come back equal.

How a value is written depends on its hint. A hinted value is written bare (`"2024-05-01"` for a `date`); a value
that its hint does not describe, or that has no hint, describes itself by a tag:
`{"$type": "date", "value": "2024-05-01"}`. A tag names one of a closed set of standard types, or a type that the
program registered or hinted. Nothing is imported by name, and nothing is pickled.

The modules: `codec` (the one class others use), `signature` (a function's arguments), `exceptions` (errors and back),
`digest` (fingerprints); below them `compiler` turns hints into forms, `untyped` writes tags, `registry` knows the
program's own types, and `scalars`, `containers`, `records`, `models`, `enums`, `mapped` are the forms themselves.
"""

from holdfast.core.codec.codec import Codec, PayloadCodec
from holdfast.core.codec.signature import CallSignature
from holdfast.core.codec.typehints import MISSING

__all__ = ["MISSING", "CallSignature", "Codec", "PayloadCodec"]
