"""The part of the schema about reading a request: whose it is, whom it is about, its segments."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from proxy.routing import plan
from proxy.settings import grammar
from proxy.settings.kinds import choice, exactly_one
from proxy.settings.serving import Part


class Match(Part):
    about = (
        "Which requests are for this model. The longest prefix wins; with the same prefix, a "
        "model with a `host` wins over one without."
    )

    path_prefix: Annotated[str, grammar.PATH_PREFIX] = Field(
        description="The beginning of the path, in whole segments: `/v2/models/a` takes "
        "`/v2/models/a/infer`, never `/v2/models/ab`."
    )
    host: Annotated[str, grammar.HOST] | None = Field(
        default=None, description="The Host of the request, without its port; left out, any."
    )


class Source(Part):
    """Where a value is read from; exactly one of the four."""

    header: Annotated[str, grammar.HEADER] | None = Field(
        default=None, description="Read it from this header, whatever its case."
    )
    cookie: Annotated[str, grammar.COOKIE] | None = Field(
        default=None, description="Read it from this cookie."
    )
    query: Annotated[str, grammar.PARAMETER] | None = Field(
        default=None, description="Read it from this parameter of the query."
    )
    json_field: Annotated[str, grammar.POINTER] | None = Field(
        default=None,
        alias="json",
        description="Read it from this field of the JSON body, which is held for it up to "
        "`limits.hold`; in a larger one it is missing.",
    )

    @model_validator(mode="after")
    def _exactly_one(self) -> Source:
        exactly_one(dict(self.named()))
        return self

    def named(self) -> tuple[tuple[Literal["header", "cookie", "query", "json"], str | None], ...]:
        """The four sources with the name that was given, or None."""
        return (
            ("header", self.header),
            ("cookie", self.cookie),
            ("query", self.query),
            ("json", self.json_field),
        )

    def key_source(self) -> plan.KeySource:
        """The one that was given."""
        return next(plan.KeySource(kind, name) for kind, name in self.named() if name is not None)


class Customer(Source):
    about = (
        "The key that decides who gets the canary: the same customer always gets the same arm. "
        "Exactly one of `header`, `cookie`, `query` and `json`."
    )

    missing: Annotated[Literal["random", "stable"], choice("random", "stable")] = Field(
        default="stable",
        description="Who has no key: always stable, or a draw for each request.",
    )


class Segment(Source):
    about = (
        "A dimension to count by. Exactly one of `header`, `cookie`, `query` and `json`. "
        "A value outside `values` counts as `other`, none as `missing`."
    )

    values: tuple[Annotated[str, grammar.SEGMENT_VALUE], ...] = Field(
        min_length=1, max_length=32, description="The values that are counted apart."
    )
