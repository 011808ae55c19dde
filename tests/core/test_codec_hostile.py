"""A row that somebody forged constructs nothing, imports nothing and runs nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.core.codec import Codec
from holdfast.errors import HoldfastError, PayloadError, RecordedError
from tests.helpers import run_script

FORGED = """
import json, sys
import dataclasses, datetime, decimal, uuid
from typing import Any
from holdfast.core.codec import Codec
from holdfast.errors import PayloadError, RecordedError

@dataclasses.dataclass
class Order:
    id: int
    at: datetime.date | None = None
    rest: Any = None

class Bystander:
    def __init__(self, *args):
        raise SystemExit("constructed")

codec = Codec()
codec.learn(Order)
names = [
    "antigravity", "this:x", "antigravity:fly", "os:system", "builtins:eval", "builtins:print", "subprocess:Popen",
    "__main__:Bystander", "posix:system", "collections:OrderedDict", "pathlib:Path", "ctypes", "code:interact",
    "holdfast.core.codec.codec:Codec", "__main__:Order.__class__", "../os", "os.system", "eval", "object",
]
bodies = [None, 1, "x", "antigravity", [], ["echo"], {}, {"id": 1}, {"__class__": "x"}, {"args": ["echo"]}, [["a", 1]]]
texts = []
for name in names:
    for body in bodies:
        for key in ("$type", "\\\\u0024type", "__type__", "py/object", "lc", "$ref", "__reduce__"):
            tag = '{"%s": %s, "value": %s}' % (key, json.dumps(name), json.dumps(body))
            texts += [tag, "[%s]" % tag, '{"id": 1, "at": %s, "rest": %s}' % (tag, tag)]
        texts.append(json.dumps({"id": 1, "$attributes": {"__class__": name, "rest": {"$type": name, "value": body}}}))
errors = [
    json.dumps({"type": name, "message": "m", "args": body, "attributes": body, "cause": {"type": name}})
    for name in names for body in bodies
]
berlin = '{"$type": "datetime", "value": "2024-01-01T00:00:00[Europe/Berlin]"}'
for text in ("1", '{"id": 1, "at": "2024-01-01"}', berlin):
    codec.decode(text, Order)
codec.decode_error('{"type": "builtins:ValueError", "message": "m", "traceback": "t", "args": ["m"]}')
seen = []
watching = True
def audit(event, args):
    if watching and event in {"import", "exec", "compile", "open", "os.system", "subprocess.Popen", "marshal.loads",
                              "pickle.find_class", "code.__new__", "socket.connect"}:
        seen.append((event, str(args)[:200]))
sys.addaudithook(audit)
for text in texts:
    for hint in (Any, Order, list[Order]):
        try:
            codec.decode(text, hint)
        except PayloadError:
            pass
for text in errors:
    error = codec.decode_error(text)
    assert type(error) is RecordedError, error
watching = False
print(len(texts) * 3 + len(errors), "decoded")
print("SEEN", seen)
"""


def test_forged_tags_import_and_run_nothing() -> None:
    said = run_script(FORGED)
    assert "decoded" in said
    assert "SEEN []" in said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["$type", "value", "type", "args", "attributes", "cause", "members", "x"]), inner
        )
        | st.builds(
            lambda name, value: {"$type": name, "value": value},
            st.sampled_from(
                ["any", "dict", "tuple", "set", "int", "float", "datetime", "bytes", "Decimal", "os:system"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)
PLAIN = (type(None), bool, int, float, str, list, dict, tuple, set)


@given(tree=JSON)
@settings(max_examples=500)
def test_any_json_is_read_or_refused(tree: Any) -> None:
    codec = Codec()
    try:
        value = codec.decode(json.dumps(tree))
    except PayloadError:
        return
    back = codec.decode(codec.encode(value))
    assert type(back) is type(value)


@given(tree=JSON)
@settings(max_examples=300)
def test_any_json_is_read_as_some_error(tree: Any) -> None:
    error = Codec().decode_error(json.dumps({"type": "builtins:OSError", **tree} if isinstance(tree, dict) else tree))
    assert isinstance(error, Exception)


@pytest.mark.parametrize("name", ["builtins:KeyboardInterrupt", "builtins:SystemExit", "builtins:GeneratorExit"])
def test_what_would_end_the_process_is_never_built(name: str) -> None:
    error = Codec().decode_error(json.dumps({"type": name, "message": "stop", "args": ["stop"], "attributes": {}}))
    assert isinstance(error, RecordedError)
    assert isinstance(error, HoldfastError)
    assert error.type_name == name
