"""The options that several commands share, and what the shell completes for them."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Annotated, Any

import typer

from proxy.cli.client import AdminClient, admin_url, called
from proxy.errors import ConfigError

DEFAULT_CONFIG = Path("pointsman.yaml")
CONFIG_VARIABLE = "POINTSMAN_CONFIG"
ADMIN_VARIABLE = "POINTSMAN_ADMIN"
DEFAULT_ADMIN = "127.0.0.1:9901"  # as in the config's schema; a test holds them together


def raw(path: Path) -> dict[str, Any]:
    """The config file as written, unjudged: completion and ``status`` work while it is broken.

    Raises ConfigError when it cannot be read, or is no mapping.
    """
    import yaml

    def refused(problem: str) -> ConfigError:
        return ConfigError(str(path), [f"{path}: {problem}"])

    try:
        found: Any = yaml.safe_load(path.read_bytes())
    except (OSError, ValueError) as error:
        raise refused(getattr(error, "strerror", None) or str(error)) from error
    except yaml.YAMLError as error:
        raise refused(f"found no YAML: {error}") from error
    if not isinstance(found, dict):
        raise refused(f"found {type(found).__name__}; allowed is a mapping with models")
    return found


def models_in(path: Path) -> dict[str, list[str]]:
    """The models of a config file and their versions; nothing when it cannot be understood."""
    try:
        models = raw(path)["models"].items()
        return {str(name): [str(version) for version in it["versions"]] for name, it in models}
    except (ConfigError, AttributeError, KeyError, TypeError):
        return {}


def _config_of(context: typer.Context) -> Path:
    """The config file of a half-typed command line."""
    return Path(context.params.get("config") or os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)


def complete_model(context: typer.Context, incomplete: str) -> list[str]:
    return [name for name in models_in(_config_of(context)) if name.startswith(incomplete)]


def complete_version(context: typer.Context, incomplete: str) -> list[str]:
    versions = models_in(_config_of(context)).get(context.params.get("model") or "", [])
    return [name for name in versions if name.startswith(incomplete)]


def _address(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return admin_url(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Config = Annotated[
    Path,
    typer.Option(
        "--config",
        "-c",
        envvar=CONFIG_VARIABLE,
        help="The config file.",
        metavar="FILE",
        dir_okay=False,
    ),
]
Admin = Annotated[
    str | None,
    typer.Option(
        "--admin",
        envvar=ADMIN_VARIABLE,
        help="The admin address of the running pointsman; the config's when left out.",
        metavar="HOST:PORT",
        callback=_address,
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Reason = Annotated[
    str, typer.Option("--reason", "-r", help="Why; kept in the history.", metavar="TEXT")
]
Actor = Annotated[
    str,
    typer.Option(
        "--actor",
        help="Who does it; kept in the history. The user of this terminal when left out.",
        metavar="NAME",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Argument(
        help="The model's name in the config.",
        metavar="MODEL",
        autocompletion=complete_model,
        show_default=False,
    ),
]


def print_json(value: Any) -> None:
    """Plain JSON on standard output, the same wherever it goes."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def actor_or_user(actor: str) -> str:
    """Who to write into the history: as told, else the user who runs this process."""
    if actor:
        return actor
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user id that has no name
        return f"uid {os.getuid()}"


def client(admin: str | None, config: Path) -> AdminClient:
    """A client for ``admin``, or for the address that the config file names.

    Raises ConfigError when neither says where to call.
    """
    if admin is not None:
        return AdminClient(admin)
    try:
        found = raw(config).get("admin", DEFAULT_ADMIN)
    except ConfigError as error:
        hint = "The admin address is read from this file; --admin HOST:PORT does without it."
        raise ConfigError(error.source, [*error.problems, hint]) from error
    try:
        return AdminClient(called(str(found)))
    except ValueError as error:
        raise ConfigError(str(config), [f"{config}: admin: {error}"]) from error
