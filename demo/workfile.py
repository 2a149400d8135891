"""The working copy of config/demo.yaml: read, changed as an operator would, written whole.

All pure but ``load`` and ``save``; a config here is the plain mapping that YAML gives.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

Config = dict[str, Any]


def load(path: Path) -> Config:
    content = yaml.safe_load(path.read_text())
    assert isinstance(content, dict)
    return content


def save(config: Config, path: Path) -> None:
    """Write whole and rename, as careful editors do: nobody ever reads half a file."""
    draft = path.with_suffix(".draft")
    draft.write_text(yaml.safe_dump(config, sort_keys=False))
    draft.replace(path)


def ports(config: Config, model: str) -> dict[str, int]:
    """The ports that the file asks for, by ``listen``, ``admin`` and version."""
    versions = config["models"][model]["versions"]
    addresses = {"listen": config["listen"], "admin": config["admin"]}
    addresses |= {name: version["endpoints"][0] for name, version in versions.items()}
    return {name: int(address.rsplit(":", 1)[1]) for name, address in addresses.items()}


def with_ports(config: Config, model: str, chosen: dict[str, int]) -> Config:
    """The same config on other ports; ``chosen`` has the keys that ``ports`` gives."""
    changed = copy.deepcopy(config)
    for name in ("listen", "admin"):
        changed[name] = _moved(changed[name], chosen[name])
    for name, version in changed["models"][model]["versions"].items():
        version["endpoints"] = [_moved(version["endpoints"][0], chosen[name])]
    return changed


def _moved(address: str, port: int) -> str:
    return f"{address.rsplit(':', 1)[0]}:{port}"


def with_split(
    config: Config, model: str, canary: tuple[str, float] | None, shadow: str | None
) -> Config:
    """The same config with another split: a canary (version, percent), a full shadow, or none."""
    changed = copy.deepcopy(config)
    split = {"stable": changed["models"][model]["split"]["stable"]}
    if canary is not None:
        split["canary"] = {"version": canary[0], "percent": canary[1]}
    if shadow is not None:
        split["shadow"] = [{"version": shadow, "percent": 100}]
    changed["models"][model]["split"] = split
    return changed
