"""What the operator may write: every field with its kind, default and meaning.

The law of this file: a field stands here once.  The error lines, docs/config.md and the JSON
schema are all read from it.  Times are seconds, sizes bytes, percentages 0 to 100.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, JsonValue, PrivateAttr, model_validator

from proxy.errors import OperationRefused
from proxy.quality import Profile
from proxy.routing import plan
from proxy.settings import grammar
from proxy.settings.breakers import Thresholds, all_off
from proxy.settings.comparison import Compare
from proxy.settings.database import SECRET, Database
from proxy.settings.feedback import Effect, EventName, LabelPart
from proxy.settings.grammar import Address
from proxy.settings.guardrails import Guardrails, GuardrailsOrOff
from proxy.settings.kinds import Kind, OrOff, choice, duration, exactly_one
from proxy.settings.matching import Customer, Match, Segment
from proxy.settings.predictions import Predictions
from proxy.settings.processors import available
from proxy.settings.quality import Quality
from proxy.settings.serving import (
    Deadlines,
    Fallback,
    Flag,
    Limits,
    ListenerLimits,
    Part,
    Version,
)
from proxy.settings.shadows import Percent, Shadow
from proxy.settings.units import Unfit
from proxy.settings.validation import Validation, ValidationOrOff

_LOG: Final = plan.AccessLog()
_MOST_WORKERS = 256
#: Marks a field that a reload cannot change (change.py).
RESTART: Final[dict[str, JsonValue]] = {"needs_restart": True}

Name = Annotated[str, grammar.NAME]
Listen = Annotated[Address, grammar.ADDRESS]


def _workers(value: object) -> int:
    if value == "auto":
        return min(available(), _MOST_WORKERS)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_WORKERS:
        raise Unfit
    return value


_WORKERS = Kind(
    "whole number or auto",
    f"a whole number from 1 to {_MOST_WORKERS}, or auto",
    _workers,
    {"anyOf": [{"type": "integer", "minimum": 1, "maximum": _MOST_WORKERS}, {"const": "auto"}]},
)


_FOLDER = Kind(
    "path",
    "the path of a folder, at most 4096 characters",
    lambda value: Path(grammar.FILE.read(value)),
    grammar.FILE.schema,
    str,
    textual=True,
)


class Canary(Part):
    about = "The version that some customers get in the place of stable."

    version: Name = Field(description="The version on trial.")
    percent: Percent = Field(
        description="Share of the customers who get it. Raising it moves nobody back to stable."
    )


class Split(Part):
    about = "Which version gets which traffic."

    stable: Name = Field(description="The version that everybody else gets.")
    canary: Canary | None = Field(default=None, description="The version on trial; left out, none.")
    shadow: tuple[Shadow, ...] = Field(
        default=(), max_length=8, description="The versions that get copies of requests."
    )
    salt: Annotated[str, grammar.SALT] | None = Field(
        default=None,
        description="Decides, with the key, who is drawn. Left out it is made of the names of "
        "model and canary, so that each canary draws other customers.",
    )


class Secret(Part):
    about = "Where the testers' secret is kept; exactly one of the two. It never stands in here."

    env: Annotated[str, grammar.VARIABLE] | None = Field(
        default=None, description="In this environment variable."
    )
    file: Annotated[str, grammar.FILE] | None = Field(
        default=None, description="In this file, taken from the folder of the config file."
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Secret:
        exactly_one({"env": self.env, "file": self.file})
        return self


class Testers(Part):
    about = (
        "Lets testers choose their arm with a header: its value is the secret, a space, and "
        "`stable` or `canary`. Left out, nobody can."
    )

    header: Annotated[str, grammar.HEADER] = Field(
        default="X-Pointsman-Tester", description="The header that testers send."
    )
    secret: Secret = Field(description="Where the secret is kept.")


class Model(Part):
    about = "One model: its requests, its versions, and which version gets what."

    match: Match = Field(description="Which requests are for this model.")
    customer: Customer | None = Field(
        default=None, description="Who a request is about; needed for a canary."
    )
    segments: dict[Annotated[str, grammar.DIMENSION], Segment] = Field(
        default={}, max_length=8, description="Dimensions to count by, name to source."
    )
    versions: dict[Name, Version] = Field(
        min_length=1,
        max_length=64,
        description="The versions, name (a text: quote it) to addresses.",
    )
    split: Split = Field(description="Which version gets which traffic.")
    deadlines: Deadlines = Field(default=Deadlines(), description="How long a version may take.")
    limits: Limits = Field(default=Limits(), description="The room for this model in one worker.")
    safe_to_repeat: Flag = Field(
        default=False,
        description="Says that asking twice does no harm. A canary that fails before its first "
        "byte is then answered by stable.",
    )
    fallback: Fallback | None = Field(
        default=None,
        description="When stable answers for a failing canary, if `safe_to_repeat` is true.",
    )
    testers: Testers | None = Field(default=None, description="Lets testers choose their arm.")
    thresholds: Annotated[
        Thresholds,
        OrOff("a mapping with error_rate, latency, consecutive_failures, or off", all_off),
    ] = Field(default=Thresholds(), description="What reverts the canary by itself.")
    labels: dict[EventName, LabelPart] = Field(
        default={},
        max_length=64,
        description="How labels are held against predictions, by the label's name. A label "
        "without a rule here is kept, and is no evidence.",
    )
    signals: dict[EventName, Effect] = Field(
        default={},
        max_length=64,
        description="What a downstream signal brings about, by its source: the canary is reverted, "
        "its share may not grow, or it is noted. `other` stands for those that are not named; "
        "left out, they are noted.",
    )
    guardrails: GuardrailsOrOff = Field(
        default=Guardrails(),
        description="What the canary must not do more often than stable. Left out: fail.",
    )
    validation: ValidationOrOff = Field(
        default=Validation(), description="Whether stable is well again, looked at after a revert."
    )
    last_resort: Name | None = Field(
        default=None,
        description="The version that everybody gets when the canary is reverted and stable does "
        "not answer; left out, there is none.",
    )
    predictions: Predictions | None = Field(
        default=None, description="How bodies are read, and whose predictions are logged."
    )
    quality: Quality | None = Field(
        default=None, description="Whether inputs and outputs are what they should be."
    )
    compare: Compare | None = Field(
        default=None, description="How the shadows' answers are compared with stable's."
    )


class AccessLog(Part):
    about = (
        "One JSON line for each request that a version was chosen for; what is refused before that "
        "is only counted. Left out, there is no access log."
    )

    path: Annotated[str, grammar.FILE] = Field(
        default="-",
        description="Where it is written: `-` for standard output, or a file, taken from the "
        "folder of the config file.",
        json_schema_extra=RESTART,
    )
    percent: Percent = Field(
        default=_LOG.percent,
        description="Share of the customers who are logged; failures of a version or of the "
        "proxy always are, those that stable answered for as well.",
    )
    customers: Annotated[Literal["hashed", "plain", "none"], choice("hashed", "plain", "none")] = (
        Field(
            _LOG.customers,
            description="How the customer's key is written. The query of a target, which may hold "
            "it, is written with `plain` only.",
        )
    )


class Settings(Part):
    """The whole config, checked.  ``load`` makes it; nothing changes it afterwards."""

    about = "The fields at the top of the file."

    listen: Listen = Field(
        default=Address("127.0.0.1", 8080),
        description="Where callers connect.",
        json_schema_extra=RESTART,
    )
    admin: Listen = Field(
        default=Address("127.0.0.1", 9901),
        description="Where operators connect: health, metrics and the API. It asks for no "
        "password, so keep it on an address that only they reach.",
        json_schema_extra=RESTART,
    )
    workers: Annotated[int, _WORKERS] = Field(
        default=1,
        description="Processes that carry traffic; `auto` is one for each processor.",
        json_schema_extra=RESTART,
    )
    state_dir: Annotated[Path, _FOLDER] = Field(
        default=Path(".pointsman"),
        description="The folder of what must survive, taken from the folder of the config file.",
        json_schema_extra=RESTART,
    )
    desk_silence: Annotated[float, duration("1s", "1h")] = Field(
        default=plan.Plan(0, ()).desk_silence,
        description="When the release desk has been silent so long, everybody gets stable.",
    )
    drain: Annotated[float, duration("0s", "1h")] = Field(
        default=30.0,
        description="How long requests may go on after the order to stop.",
        json_schema_extra=RESTART,
    )
    shadow_marker_from_outside: Annotated[
        Literal["remove", "refuse"], choice("remove", "refuse")
    ] = Field(
        default="remove",
        description="What is done with the header `x-shadow` of a caller: taken off, or the "
        "request refused.",
    )
    busy_poll: Annotated[float, duration("0s", "10ms", "400us")] = Field(
        default=0.0,
        description="For so long after the last traffic a worker stays awake and looks for more: "
        "less latency for the price of a core for each worker. 0 is off. A change holds for new "
        "connections.",
    )
    access_log: AccessLog | None = Field(
        default=None, description="One JSON line for each request."
    )
    database: Database = Field(
        default=Database(), description="Where predictions and what is said of them are kept."
    )
    limits: ListenerLimits = Field(
        default=ListenerLimits(), description="What callers may take of one worker."
    )
    models: dict[Name, Model] = Field(
        min_length=1, max_length=10_000, description="The models, name to what is said of them."
    )

    _path: Path = PrivateAttr(Path("pointsman.yaml"))
    _digest: str = PrivateAttr("")
    _secrets: dict[str, str] = PrivateAttr(default_factory=dict)
    _profiles: dict[str, Profile] = PrivateAttr(default_factory=dict)

    @property
    def path(self) -> Path:
        """The config file, as it was named."""
        return self._path

    @property
    def digest(self) -> str:
        """SHA-256 of the file's bytes, in hex; empty when it came from no file."""
        return self._digest

    def tester_secret(self, model: str) -> str | None:
        """The testers' secret of a model, as read at loading; None when it has no testers."""
        return self._secrets.get(model)

    def profile(self, model: str) -> Profile | None:
        """The reference profile of a model's inputs, as read at loading; None when it has none."""
        return self._profiles.get(model)

    def reference(self, model: str) -> Profile | None:
        """The profile that a model's predictions are compared with; None when it has none."""
        return self._profiles.get(reference_key(model))

    def database_url(self) -> str:
        """Where the ledger is: the URL of PostgreSQL as read at loading, else of the SQLite file.

        Raises OperationRefused when these settings were loaded without their secrets.
        """
        if self.database.postgresql is None:
            return f"sqlite:///{self.state_dir / 'ledger.sqlite3'}"
        if SECRET not in self._secrets:
            raise OperationRefused(f"{self._path}: was loaded without the database's URL")
        return self._secrets[SECRET]

    def came_from(
        self, path: Path, digest: str, secrets: dict[str, str], profiles: dict[str, Profile]
    ) -> Settings:
        """The same settings of this file: paths made absolute, secrets and profiles known."""
        folder = path.absolute().parent
        update: dict[str, object] = {"state_dir": folder / self.state_dir}
        if self.access_log is not None and self.access_log.path != "-":
            log = str(folder / self.access_log.path)
            update["access_log"] = self.access_log.model_copy(update={"path": log})
        known = self.model_copy(update=update)
        known._path, known._digest = path, digest
        known._secrets, known._profiles = dict(secrets), dict(profiles)
        return known


def reference_key(model: str) -> str:
    """Under which a model's ``compare.profile`` is kept; no model has such a name."""
    return f"{model}/compare"


def json_schema() -> dict[str, Any]:
    """The JSON schema of a config file (draft 2020-12), for editors."""
    return Settings.model_json_schema(by_alias=True)
