"""Line charts as SVG: axes, legend and bounds, readable on light and on dark.

An SVG of its own follows the reader's colour scheme.  Lines differ in dashes as well as in
colour, and the picture says in words (title, desc) what it shows.  No text stands inside the
plotting area, so none can cover a line.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from typing import Final

import msgspec

from proxy.report.scale import Kind, ticks, writer

WIDTH: Final = 880
_LEFT: Final = 76  # of the plotting area, or more where the numbers beside it are longer
_RIGHT: Final = 32  # half of the last text below
_PLOT: Final = 240  # height
_CHARACTER: Final = 7.2  # px at 13 px, on the wide side: a font is the reader's
_KEY: Final = 30  # the legend's piece of line
_ROW: Final = 20
_INFINITE: Final = 1e300  # so that differences stay finite
_MOST_POINTS: Final = 600  # more than a screen has columns to show

#: Okabe and Ito's colours for all eyes, darker on white and lighter on black: 3 to 1 at least.
_LIGHT: Final = ("#0072b2", "#c04f00", "#007a5a", "#a8427f", "#8a6d00", "#3b4a5a")
_DARK: Final = ("#56b4e9", "#ff9d5c", "#2fc79b", "#e79ac5", "#e6c84a", "#b9c4d0")
_DASHES: Final = ("", "7 3", "2 3", "9 3 2 3")


class Axis(msgspec.Struct, frozen=True):
    """What it counts, and from where to where; None: as the data say."""

    label: str
    kind: Kind = "number"
    low: float | None = None
    high: float | None = None


class Line(msgspec.Struct, frozen=True):
    """Points (x, y) in the order of x; with ``steps`` a value holds until the next."""

    name: str
    points: tuple[tuple[float, float], ...]
    steps: bool = False


class Bound(msgspec.Struct, frozen=True):
    """A horizontal line over the whole width, named in the legend."""

    name: str
    value: float


class Chart(msgspec.Struct, frozen=True):
    title: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    bounds: tuple[Bound, ...] = ()


def draw(charts: Sequence[Chart], title: str, description: str, prefix: str = "chart") -> str:
    """One SVG with the charts one below the other.

    ``prefix`` starts every id and class, so that several may stand in one page.
    """
    parts: list[str] = []
    top = 44.0
    for chart in charts:
        made, height = _chart(chart, top, prefix)
        parts += made
        top += height
    name, about = f"{prefix}-title", f"{prefix}-desc"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top:.0f}" '
        f'viewBox="0 0 {WIDTH} {top:.0f}" class="{prefix}" role="img" '
        f'aria-labelledby="{name} {about}">\n'
        f'<title id="{name}">{escape(title)}</title>\n'
        f'<desc id="{about}">{escape(description)}</desc>\n'
        f"<style>{style(prefix)}</style>\n"
        f'<rect class="back" width="100%" height="100%"/>\n'
        f'<text class="head" x="16" y="28">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def style(prefix: str) -> str:
    """The rules that every picture of the house shares, for light and for dark."""

    def scheme(back: str, ink: str, pale: str, grid: str, colours: tuple[str, ...]) -> str:
        rules = {".back": f"fill:{back}", "text": f"fill:{ink}", ".pale": f"fill:{pale}"}
        rules |= {".grid": f"stroke:{grid}", ".axis": f"stroke:{pale}", ".bound": f"stroke:{ink}"}
        rules |= {f".c{k}": f"stroke:{colour}" for k, colour in enumerate(colours)}
        return "".join(f".{prefix} {name}{{{rule}}}" for name, rule in rules.items())

    return (
        f".{prefix}{{font:13px system-ui,sans-serif}}"
        f".{prefix} .head{{font-size:16px;font-weight:600}}.{prefix} .name{{font-weight:600}}"
        f".{prefix} path{{fill:none;stroke-width:2;stroke-linejoin:round}}"
        f".{prefix} .grid,.{prefix} .axis{{stroke-width:1}}"
        f".{prefix} .bound{{stroke-width:1.5;stroke-dasharray:4 4}}"
        + scheme("#ffffff", "#22313f", "#5c6b78", "#e3e8ec", _LIGHT)
        + "@media (prefers-color-scheme:dark){"
        + scheme("#14191f", "#e8edf2", "#9fb0bf", "#2b343d", _DARK)
        + "}"
    )


def _chart(chart: Chart, top: float, prefix: str) -> tuple[list[str], float]:
    """The chart's elements, and how high it is."""
    legend, rows = _legend(chart, top + 24)
    plot = top + 24 + rows * _ROW + 30
    y = _Scale(chart.y, chart, 1, plot + _PLOT, plot)
    beside = y.ticks(36)
    left = max([_LEFT, *(16 + 8 + len(text) * _CHARACTER for _, text in beside)])
    x = _Scale(chart.x, chart, 0, left, WIDTH - _RIGHT)
    span = f"M{left:.1f} %.1fH{WIDTH - _RIGHT}"
    parts = [f'<text class="name" x="16" y="{top + 14:.0f}">{escape(chart.title)}</text>', *legend]
    parts.append(f'<text class="pale" x="16" y="{plot - 15:.0f}">{escape(chart.y.label)}</text>')
    for at, text in beside:
        where = f'x="{left - 8:.1f}" y="{at + 4.5:.1f}" text-anchor="end"'
        parts.append(f'<path class="grid" d="{span % at}"/>')
        parts.append(f'<text class="pale" {where}>{escape(text)}</text>')
    parts.append(f'<path class="axis" d="{span % (plot + _PLOT)}"/>')
    parts += _below(x, plot + _PLOT)
    for k, bound in enumerate(chart.bounds):
        parts.append(f'<path class="bound" data-bound="{k}" d="{span % y.at(bound.value)}"/>')
    parts += _lines(chart, x, y)
    if not any(_finite(line.points) for line in chart.lines):
        middle = f'x="{WIDTH / 2:.0f}" y="{plot + _PLOT / 2:.0f}" text-anchor="middle"'
        parts.append(f'<text class="pale" {middle}>no data</text>')
    end = plot + _PLOT + 38
    label = f'x="{WIDTH - _RIGHT}" y="{end:.0f}" text-anchor="end"'
    parts.append(f'<text class="pale" {label}>{escape(chart.x.label)}</text>')
    return parts, end + 30 - top


def _lines(chart: Chart, x: _Scale, y: _Scale) -> Iterator[str]:
    for k, line in enumerate(chart.lines):
        if points := _finite(line.points):
            yield f'<path {_look(k)} d="{_path(points, line.steps, x, y)}"/>'


class _Scale:
    """From a value to a place in px along one axis."""

    def __init__(self, axis: Axis, chart: Chart, which: int, start: float, end: float) -> None:
        values = [point[which] for line in chart.lines for point in _finite(line.points)]
        if which == 1:
            values += [bound.value for bound in chart.bounds if abs(bound.value) < _INFINITE]
        self._log = axis.kind == "log"
        if self._log:
            values = [value for value in values if value > 0]
        low = min(values, default=1.0) if axis.low is None else axis.low
        high = max(values, default=2.0) if axis.high is None else axis.high
        self._known = bool(values) or None not in (axis.low, axis.high)
        if not high > low:
            low, high = (low / 2, low * 2) if self._log else (low - 0.5, low + 0.5)
        if which == 1 and axis.high is None:  # the highest line shall not lie on the frame
            high = high * 1.3 if self._log else high + 0.06 * (high - low)
        self.kind, self.low, self.high = axis.kind, low, high
        self._start, self._end = start, end

    def at(self, value: float) -> float:
        """The place; what lies outside is put on the edge."""
        value = min(max(value, self.low), self.high)
        if self._log:
            part = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            part = (value - self.low) / (self.high - self.low)
        return self._start + part * (self._end - self._start)

    def ticks(self, room: float, text: float | None = None) -> list[tuple[float, str]]:
        """Places and texts, with ``room`` px for each, or for its text and ``text`` px beside."""
        if not self._known:
            return []
        for most in range(max(2, int(abs(self._end - self._start) // room) + 1), 1, -1):
            values = ticks(self.low, self.high, most, self.kind)
            write = writer(values, self.kind)
            found = [(self.at(value), write(value)) for value in values]
            if text is None or _apart(found, text):
                return found
        return []


def _apart(found: list[tuple[float, str]], gap: float) -> bool:
    """Whether centred texts leave ``gap`` px between any two neighbours."""
    return all(
        b - a >= (len(first) + len(second)) / 2 * _CHARACTER + gap
        for (a, first), (b, second) in pairwise(found)
    )


def _below(x: _Scale, y: float) -> Iterator[str]:
    """The ticks under the horizontal axis."""
    for at, text in x.ticks(60, 14):
        yield f'<path class="axis" d="M{at:.1f} {y:.1f}v5"/>'
        if at + len(text) / 2 * _CHARACTER > WIDTH:
            continue  # the last one, where numbers are long
        where = f'x="{at:.1f}" y="{y + 19:.0f}" text-anchor="middle"'
        yield f'<text class="pale" {where}>{escape(text)}</text>'


def _legend(chart: Chart, top: float) -> tuple[list[str], int]:
    """One key for each line and bound, in rows that do not outgrow the picture."""
    keys = [(_look(k), line.name) for k, line in enumerate(chart.lines)]
    keys += [('class="bound"', bound.name) for bound in chart.bounds]
    parts, left, row = [], 16.0, 0
    for look, name in keys:
        shown = _cut(name)
        width = _KEY + 8 + len(shown) * _CHARACTER + 22
        if left > 16 and left + width > WIDTH - _RIGHT:
            left, row = 16.0, row + 1
        y = top + row * _ROW + 10
        parts.append(f'<path {look} d="M{left:.1f} {y:.0f}h{_KEY}"/>')
        parts.append(f'<text x="{left + _KEY + 8:.1f}" y="{y + 4.5:.1f}">{escape(shown)}</text>')
        left += width
    return parts, row + 1 if keys else 0


def _cut(name: str) -> str:
    most = int((WIDTH - _RIGHT - 16 - _KEY - 30) / _CHARACTER)
    return name if len(name) <= most else f"{name[: most - 1]}\u2026"


def _look(k: int) -> str:
    """Colours first, then dashes: every line of the first twenty-four has a look of its own."""
    dashes = _DASHES[(k // len(_LIGHT) + k % len(_LIGHT)) % len(_DASHES)] if k else ""
    return f'class="c{k % len(_LIGHT)}"' + (f' stroke-dasharray="{dashes}"' if dashes else "")


def _finite(points: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    return [point for point in points if all(abs(value) < _INFINITE for value in point)]


def _path(points: list[tuple[float, float]], steps: bool, x: _Scale, y: _Scale) -> str:
    made: list[str] = []
    last = ""
    for a, b in _thinned(points):
        to, up = f"{x.at(a):.1f}", f"{y.at(b):.1f}"
        if not made:
            made.append(f"M{to} {up}")
        elif steps:
            made.append(f"H{to}" + (f"V{up}" if up != last else ""))
        else:
            made.append(f"L{to} {up}")
        last = up
    return "".join(made)


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most so many: of each stretch its lowest and its highest, so that no peak is lost."""
    if len(points) <= _MOST_POINTS:
        return points
    size = math.ceil(2 * len(points) / (_MOST_POINTS - 2))
    kept = [points[0]]
    for k in range(1, len(points) - 1, size):
        stretch = points[k : min(k + size, len(points) - 1)]
        kept += sorted({min(stretch, key=lambda it: it[1]), max(stretch, key=lambda it: it[1])})
    return [*kept, points[-1]]
