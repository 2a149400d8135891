"""Whatever is done to a good config, it loads and compiles, or is refused with lines."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.errors import ConfigError
from proxy.routing.plan import Plan
from proxy.settings import Settings, compile_plan, examinations, fingerprint, parse, thresholds

FULL = (Path(__file__).parents[2] / "config" / "full.yaml").read_text()
SMALLEST = (Path(__file__).parents[2] / "config" / "smallest.yaml").read_text()
TREES = [yaml.safe_load(FULL), yaml.safe_load(SMALLEST)]
HERE = Path("pointsman.yaml")

#: What is put into a config: values that mean something somewhere, and others.
SCALARS = (
    st.sampled_from(
        ["off", "none", "auto", "1", "2", "/", "", "3s", "1MiB", "-", "http://a:1", "unix:/a", "\0"]
    )
    | st.text(max_size=12)
    | st.integers()
    | st.floats()
    | st.booleans()
    | st.none()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(SCALARS, inner, max_size=3),
    max_leaves=6,
)
#: Signs that mean something to YAML.
PIECES = st.sampled_from(
    [*"{}[],:#&*!|>%@`'\"-?~\n\t \\", ": ", "- ", "<<: ", "&a ", "*a", "!!str ", "---\n", "\x00"]
) | st.text(max_size=3)


def _loaded(content: bytes | str) -> Settings | ConfigError:
    try:
        return parse(content, HERE, {})
    except ConfigError as error:
        return error


def load_or_refuse(content: bytes | str) -> None:
    loaded = _loaded(content)
    if isinstance(loaded, ConfigError):
        assert loaded.problems
        assert all(line.startswith("pointsman.yaml:") for line in loaded.problems)
        assert all("\n" not in line for line in loaded.problems)
        return
    plan = compile_plan(loaded, 1)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan) == plan
    assert examinations(loaded).keys() <= loaded.models.keys()
    assert thresholds(loaded).keys() == loaded.models.keys()
    assert all(fingerprint(loaded, name) for name in loaded.models)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Each container with each of its keys."""
    if isinstance(value, dict):
        here = [(value, key) for key in value]
    elif isinstance(value, list):
        here = [(value, at) for at in range(len(value))]
    else:
        return []
    return here + [place for holder, key in list(here) for place in _places(holder[key])]


@settings(max_examples=150)
@given(data=st.data())
def test_any_change_of_the_tree(data: st.DataObject) -> None:
    tree = copy.deepcopy(TREES[data.draw(st.integers(0, 1))])
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(tree)
        if not places:
            break
        holder, key = places[data.draw(st.integers(0, len(places) - 1))]
        match data.draw(st.sampled_from(["replace", "remove", "rename", "add"])):
            case "replace":
                holder[key] = data.draw(VALUES)
            case "remove":
                del holder[key]
            case "rename" if isinstance(holder, dict):
                holder[data.draw(SCALARS)] = holder.pop(key)
            case _ if isinstance(holder, list):
                holder.append(data.draw(VALUES))
            case _:
                holder[data.draw(SCALARS)] = data.draw(VALUES)
    load_or_refuse(yaml.safe_dump(tree))


@settings(max_examples=150)
@given(data=st.data())
def test_any_change_of_the_text(data: st.DataObject) -> None:
    text = SMALLEST
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 10)))
        text = text[:start] + data.draw(PIECES) + text[end:]
    load_or_refuse(text)


@settings(max_examples=150)
@given(st.binary(max_size=60) | st.text(max_size=60) | st.lists(PIECES).map("".join))
def test_any_content_at_all(content: bytes | str) -> None:
    load_or_refuse(content)


@settings(max_examples=50)
@given(st.integers(0, len(FULL)))
def test_any_half_written_file(length: int) -> None:
    load_or_refuse(FULL[:length])
