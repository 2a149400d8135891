"""Estimates with their intervals, one below the other, as SVG: who differs, and how surely."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import msgspec

from proxy.report.chart import WIDTH, style
from proxy.report.scale import Kind, ticks, writer

_ROW: Final = 26
_CHARACTER: Final = 7.2
_MOST_NAME: Final = 34
_RIGHT: Final = 150  # for the numbers in words


class Estimate(msgspec.Struct, frozen=True):
    """``value`` lies in ``low`` to ``high``; ``marked`` ones stand out.  ``said``: in words."""

    name: str
    value: float
    low: float
    high: float
    said: str = ""
    marked: bool = False


class Forest(msgspec.Struct, frozen=True):
    """``nought`` is where nothing differs, ``allowed`` the band that is put up with."""

    title: str
    label: str
    estimates: tuple[Estimate, ...]
    kind: Kind = "number"
    nought: float | None = 0.0
    allowed: tuple[float, float] | None = None


def draw_forest(forest: Forest, description: str, prefix: str) -> str:
    """One SVG; ``prefix`` starts every id and class."""
    shown = [it for it in forest.estimates if math.isfinite(it.value)]
    left = 24 + max([60.0, *(min(len(it.name), _MOST_NAME) * _CHARACTER for it in shown)])
    low, high = _range(forest, shown)
    top, bottom = 44.0, 44.0 + _ROW * max(1, len(shown))
    height = bottom + 54
    scale = _Scale(low, high, left + 8, WIDTH - _RIGHT)
    parts = [*_frame(forest, scale, top, bottom), *_rows(shown, scale, left, top, prefix)]
    if not shown:
        parts.append(f'<text class="pale" x="{left:.0f}" y="{top + 18:.0f}">no data</text>')
    name, about = f"{prefix}-title", f"{prefix}-desc"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
        f'viewBox="0 0 {WIDTH} {height:.0f}" class="{prefix}" role="img" '
        f'aria-labelledby="{name} {about}">\n'
        f'<title id="{name}">{escape(forest.title)}</title>\n'
        f'<desc id="{about}">{escape(description)}</desc>\n'
        f"<style>{style(prefix)}{_style(prefix)}</style>\n"
        f'<rect class="back" width="100%" height="100%"/>\n'
        f'<text class="head" x="16" y="28">{escape(forest.title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _style(prefix: str) -> str:
    return (
        f".{prefix} .dot{{stroke:none;fill:#0072b2}}.{prefix} .far{{stroke:none;fill:#c04f00}}"
        f".{prefix} .band{{fill:#0072b2;fill-opacity:.09}}"
        "@media (prefers-color-scheme:dark){"
        f".{prefix} .dot{{fill:#56b4e9}}.{prefix} .far{{fill:#ff9d5c}}"
        f".{prefix} .band{{fill:#56b4e9;fill-opacity:.14}}}}"
    )


def _range(forest: Forest, shown: Sequence[Estimate]) -> tuple[float, float]:
    values = [v for it in shown for v in (it.low, it.value, it.high) if math.isfinite(v)]
    values += [] if forest.nought is None else [forest.nought]
    values += forest.allowed or ()
    low, high = min(values, default=0.0), max(values, default=1.0)
    room = (high - low) * 0.06 or 0.5
    return low - room, high + room


class _Scale:
    def __init__(self, low: float, high: float, start: float, end: float) -> None:
        self.low, self.high, self.start, self.end = low, high, start, end

    def at(self, value: float) -> float:
        part = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + part * (self.end - self.start)


def _frame(forest: Forest, scale: _Scale, top: float, bottom: float) -> Iterator[str]:
    if forest.allowed is not None:
        a, b = (scale.at(it) for it in forest.allowed)
        size = f'y="{top:.1f}" width="{b - a:.1f}" height="{bottom - top:.1f}"'
        yield f'<rect class="band" x="{a:.1f}" {size}/>'
    values = ticks(scale.low, scale.high, 7, forest.kind)
    write = writer(values, forest.kind)
    for value in values:
        x = scale.at(value)
        yield f'<path class="grid" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>'
        where = f'x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle"'
        yield f'<text class="pale" {where}>{escape(write(value))}</text>'
    if forest.nought is not None:
        yield f'<path class="bound" d="M{scale.at(forest.nought):.1f} {top:.1f}V{bottom:.1f}"/>'
    where = f'x="{scale.end:.1f}" y="{bottom + 38:.1f}" text-anchor="end"'
    yield f'<text class="pale" {where}>{escape(forest.label)}</text>'


def _rows(
    shown: Sequence[Estimate], scale: _Scale, left: float, top: float, prefix: str
) -> Iterator[str]:
    for k, it in enumerate(shown):
        y = top + _ROW * k + _ROW / 2
        name = it.name if len(it.name) <= _MOST_NAME else f"{it.name[: _MOST_NAME - 1]}\u2026"
        yield (
            f'<text x="{left - 6:.1f}" y="{y + 4.5:.1f}" text-anchor="end">'
            f"<title>{escape(it.name)}</title>{escape(name)}</text>"
        )
        colour = "c1" if it.marked else "c0"
        a, b = scale.at(it.low), scale.at(it.high)
        ends = f"M{a:.1f} {y - 4:.1f}v8M{b:.1f} {y - 4:.1f}v8"
        yield f'<path class="{colour}" d="M{a:.1f} {y:.1f}H{b:.1f}{ends}"/>'
        yield _dot(scale.at(it.value), y, marked=it.marked)
        where = f'x="{scale.end + 12:.1f}" y="{y + 4.5:.1f}"'
        yield f'<text class="pale" {where}>{escape(it.said)}</text>'


def _dot(x: float, y: float, *, marked: bool) -> str:
    """A diamond where it is marked: not by colour alone."""
    if marked:
        return f'<path class="far" d="M{x:.1f} {y - 6:.1f}l6 6l-6 6l-6 -6z"/>'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'
