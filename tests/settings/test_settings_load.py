"""Files: what can be read, what is refused, and what comes out of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from proxy.errors import ConfigError, OperationRefused
from proxy.settings import compile_plan, json_schema, load, needs_restart, parse, shape
from proxy.settings.load import LARGEST
from proxy.settings.schema import Settings
from proxy.settings.serving import Part

CONFIGS = Path(__file__).parents[2] / "config"
SMALLEST = CONFIGS / "smallest.yaml"
SECRET = "a-secret-of-16-or-more"

#: docs: the smallest config that serves, and it must stay this small.
CONTRACT = """
listen: 127.0.0.1:8080
admin: 127.0.0.1:9901
models:
  credit-risk:
    match: {path_prefix: /v2/models/credit-risk}
    customer: {header: X-Customer-Id}
    versions:
      "1": {endpoints: [http://127.0.0.1:8001]}
      "2": {endpoints: [http://127.0.0.1:8002]}
      "3": {endpoints: [http://127.0.0.1:8003]}
    split:
      stable: "1"
      canary: {version: "2", percent: 5}
      shadow: [{version: "3", percent: 100}]
"""


def problem(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        load(path)
    assert refused.value.source == str(path)
    (line,) = refused.value.problems
    return line.removeprefix(str(path))


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.name)
def test_every_file_in_config_loads(path: Path) -> None:
    settings = load(path)
    assert compile_plan(settings).models
    jsonschema.validate(yaml.safe_load(path.read_text()), json_schema())


def test_the_smallest_config_is_the_contract() -> None:
    assert yaml.safe_load(SMALLEST.read_text()) == yaml.safe_load(CONTRACT)


def _fields(part: type[Part], path: str = "") -> Iterator[str]:
    for name, _, held in shape.fields(part):
        yield f"{path}{name}"
        if held.part:
            yield from _fields(held.part, f"{path}{name}.")


def _written(part: type[Part], value: Any, path: str = "") -> Iterator[str]:
    for name, _, held in shape.fields(part):
        if name not in value:
            continue
        yield f"{path}{name}"
        below = value[name]
        many = {"": [below], "list": below, "mapping": getattr(below, "values", list)()}
        for one in many[held.many] if held.part else ():
            if not isinstance(one, dict):
                continue  # `off`
            yield from _written(held.part, one, f"{path}{name}.") if held.part else ()


def test_full_yaml_shows_every_field() -> None:
    text = (CONFIGS / "full.yaml").read_text()
    # What needs a secret stands behind a #, so that the file loads without a secret.
    text = re.sub(r"^    # (testers:| +header:| +secret:)", r"    \1", text, flags=re.MULTILINE)
    text = re.sub(r"^  # (postgresql:)", r"  \1", text, flags=re.MULTILINE)
    secrets = {"POINTSMAN_TESTERS": SECRET, "POINTSMAN_DATABASE": "postgresql://a:b@c/d"}
    model = parse(text, CONFIGS / "full.yaml", secrets).models["credit-risk"]
    assert model.testers is not None
    written = set(_written(Settings, yaml.safe_load(text)))
    # One source of a secret and of a customer key can stand in a file; the others are said there.
    source = {f"models.customer.{kind}" for kind in ("cookie", "query", "json")}
    # They need a file beside this one, or another protocol.
    elsewhere = {"models.quality.profile"} | {
        f"models.compare.{field}" for field in ("ignore", "scored", "positive", "profile", "column")
    }
    elsewhere |= {
        f"models.predictions.{side}{field}"
        for side in ("request", "answer")
        for field in ("", ".columns", ".rows")
    }
    files = {"models.testers.secret.file", "database.postgresql.file"}
    assert set(_fields(Settings)) - written == {*files, *source, *elsewhere}


def test_paths_start_from_the_folder_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "some" / "pointsman.yaml"
    file.parent.mkdir()
    file.write_text(CONTRACT + "access_log: {path: access.log}\n")
    settings = load(file)
    assert settings.path == file
    assert settings.state_dir == file.parent / ".pointsman"
    assert settings.access_log is not None
    assert settings.access_log.path == str(file.parent / "access.log")
    assert settings.listen == ("127.0.0.1", 8080)


def test_absolute_paths_stay(tmp_path: Path) -> None:
    text = f"{CONTRACT}state_dir: /var/lib/pointsman\naccess_log: {{path: '-'}}\n"
    settings = parse(text, tmp_path / "a.yaml")
    assert settings.state_dir == Path("/var/lib/pointsman")
    assert settings.access_log is not None
    assert settings.access_log.path == "-"


def test_a_folder_of_links_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "..data").mkdir()
    (tmp_path / "..data" / "a.yaml").write_text(CONTRACT)
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    assert load(tmp_path / "a.yaml").state_dir == tmp_path / ".pointsman"


def test_workers_auto_is_a_number(tmp_path: Path) -> None:
    assert 1 <= parse(CONTRACT + "workers: auto\n", tmp_path / "a.yaml").workers <= 256


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    marked = parse(b"\xef\xbb\xbf" + CONTRACT.encode(), tmp_path / "a.yaml")
    assert marked.models == parse(CONTRACT, tmp_path / "a.yaml").models


def test_missing_file(tmp_path: Path) -> None:
    assert problem(tmp_path / "no") == ": found no such file; allowed is the path of a YAML file"


def test_folder(tmp_path: Path) -> None:
    assert problem(tmp_path) == ": found a folder; allowed is the path of a YAML file"


def test_a_path_that_is_none() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(Path("a\0b"))


def test_a_path_through_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert problem(tmp_path / "file" / "a.yaml").startswith(": found a file that cannot be read (")


def test_too_big(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"#" * (LARGEST + 1))
    assert problem(file) == ": found more than 1048576 bytes; allowed is at most so many"
    file.write_text(CONTRACT + "#" * (LARGEST - len(CONTRACT)))
    load(file)


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n", "null"])
def test_empty(tmp_path: Path, text: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    assert problem(file) == ": found an empty file; allowed is a mapping with models"


def test_not_a_mapping(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("- a\n")
    assert problem(file) == ": found a list; allowed is a mapping with models"


def test_not_utf8(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"listen: a\nadmin: \xff\n")
    assert problem(file) == ":2:8: found the byte 0xff; allowed is UTF-8"


def test_hundreds_of_models_load(tmp_path: Path) -> None:
    one = CONTRACT.partition("models:\n")[2]
    text = "models:\n" + "".join(one.replace("credit-risk", f"m{n}") for n in range(300))
    assert len(compile_plan(parse(text, tmp_path / "a.yaml")).models) == 300


def test_at_most_fifty_lines_and_a_count(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(CONTRACT + "".join(f"x{n}: 1\n" for n in range(60)), tmp_path / "a.yaml")
    assert len(refused.value.problems) == 51
    assert refused.value.problems[-1].endswith("and 10 more")


TESTERS = "    testers: {secret: {%s}}\n"


def test_secret_from_the_environment(tmp_path: Path) -> None:
    text = CONTRACT + TESTERS % "env: TESTERS"
    settings = parse(text, tmp_path / "a.yaml", {"TESTERS": SECRET})
    assert settings.tester_secret("credit-risk") == SECRET
    assert SECRET not in repr(settings) + str(settings.model_dump())
    (model,) = compile_plan(settings).models
    assert model.testers is not None
    assert (model.testers.header, model.testers.secret) == ("X-Pointsman-Tester", SECRET)


def test_secret_from_a_file_beside_the_config(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    settings = parse(CONTRACT + TESTERS % "file: secret", tmp_path / "a.yaml")
    assert settings.tester_secret("credit-risk") == SECRET


@pytest.mark.parametrize("content", [b"short", b"hunter2 hunter2 hunter2", b"hunter2\xff" * 4])
def test_a_secret_that_does_not_fit_is_not_shown(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        parse(CONTRACT + TESTERS % "file: secret", tmp_path / "a.yaml")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    "edit",
    [
        "    testers: hunter2\n",
        "    testers: {secret: hunter2}\n",
        "    testers: {secret: {hunter2}}\n",
        "    testers: {secret: {hunter2: a, hunter2: b}}\n",
        "    testers: {hunter2: {}}\n",
        "    testers: {secret: {env: hunter2}}\n",
        "    testers: {secret: {env: 'hunter2!'}}\n",
        "    testers: {secret: {file: hunter2}}\n",
        "    testers: {secret: *hunter2}\n",
        "    testers: {secret: !hunter2 x}\n",
        "    testers: {secret: [hunter2]}\n",
        "    testers: {secret: 'hunter2}\n",
        "      shadow: [{version: '3', headers: hunter2}]\n",
        "      shadow: [{version: '3', headers: {add: hunter2}}]\n",
        '      shadow: [{version: "3", headers: {add: {A: "hunter2\\n"}}}]\n',
        "      shadow: [{version: '3', headers: {add: {'A: hunter2': b}}}]\n",
    ],
)
def test_no_error_shows_a_secret(tmp_path: Path, edit: str) -> None:
    text = CONTRACT.replace('      shadow: [{version: "3", percent: 100}]\n', "") + edit
    with pytest.raises(ConfigError) as refused:
        parse(text, tmp_path / "a.yaml", {})
    assert "hunter" not in str(refused.value)
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_passwords_in_endpoints_are_not_shown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(CONTRACT.replace("http://", "http://bob:hunter2@"), tmp_path / "a.yaml")
    assert "hunter2" not in str(refused.value)
    assert '"http://***@127.0.0.1:8001"' in str(refused.value)


def test_a_worker_never_imports_this_room() -> None:
    code = (
        "import sys, proxy.traffic, proxy.routing.plan;"
        "sys.exit(any(m.startswith('proxy.settings') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], env=dict(os.environ)).returncode == 0


def test_the_database_is_a_file_in_the_state_folder_or_a_url_kept_elsewhere(tmp_path: Path) -> None:
    file = tmp_path / "pointsman.yaml"
    file.write_text(CONTRACT)
    assert load(file).database_url() == f"sqlite:///{tmp_path}/.pointsman/ledger.sqlite3"
    url = "postgresql://u:p%40ss@db.example.com:5433/pointsman?sslmode=require"
    (tmp_path / "url").write_text(url + "\n")
    file.write_text(CONTRACT + "database: {postgresql: {file: url}}\n")
    assert load(file).database_url() == url
    with pytest.raises(OperationRefused, match="without the database's URL"):
        load(file, secrets=False).database_url()


@pytest.mark.parametrize(
    "url", ["mysql://a/b", "postgresql://host", "postgresql://:x/d", "postgresql:///d", "a\nb", ""]
)
def test_a_url_that_is_none_of_a_database_is_not_shown(url: str) -> None:
    text = CONTRACT + "database: {postgresql: {env: URL}}\n"
    with pytest.raises(ConfigError, match="a content that does not fit") as refused:
        parse(text, Path("a.yaml"), {"URL": url})
    assert "mysql" not in str(refused.value)


def test_only_a_restart_moves_the_database() -> None:
    before = parse(CONTRACT, Path("a.yaml"))
    text = CONTRACT + "database: {postgresql: {env: URL}, feedback_retention: 1d}\n"
    after = parse(text, Path("a.yaml"), {"URL": "postgresql://u@h/d"})
    assert needs_restart(before, after) == ("database.postgresql",)
