"""docs/config.md is what the schema says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import jsonschema

from proxy.settings import json_schema, shape
from proxy.settings.reference import reference
from proxy.settings.schema import Settings
from proxy.settings.serving import Part

PAGE = Path(__file__).parents[2] / "docs" / "config.md"
COMMAND = "python -m proxy.settings.reference > docs/config.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text() == reference(), f"run: {COMMAND}"


def test_the_command_on_the_page_prints_it() -> None:
    assert COMMAND in reference()
    command = [sys.executable, "-m", "proxy.settings.reference"]
    assert subprocess.run(command, capture_output=True, check=True).stdout == reference().encode()


def test_links_lead_somewhere_and_anchors_are_unique() -> None:
    page = reference()
    anchors = re.findall(r'<a id="([^"]+)">', page)
    assert len(anchors) == len(set(anchors))
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(anchors)


def parts(part: type[Part]) -> set[type[Part]]:
    below = {held.part for _, _, held in shape.fields(part) if held.part}
    return {part}.union(*(parts(it) for it in below)) if below else {part}


def test_every_field_and_mapping_says_what_it_means() -> None:
    for part in parts(Settings):
        assert part.about, part
        for name, info, _ in shape.fields(part):
            assert info.description, (part, name)
            assert info.description.endswith("."), (part, name)


def test_every_default_is_itself_allowed() -> None:
    for part in parts(Settings):
        for name, info, held in shape.fields(part):
            if held.kind is None or held.many or info.is_required():
                continue
            if info.default is None and held.optional:
                continue
            shown = held.kind.show(info.default)
            assert held.kind.read(shown) == info.default, (part, name)


def test_the_json_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
