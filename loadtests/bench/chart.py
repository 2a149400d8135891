"""The results in one picture: SVG, written here, so that nothing needs to be installed."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

from loadtests.bench.rounds import Results
from loadtests.bench.spread import Spread, differences, spread
from loadtests.bench.works import DIRECT, OURS, PEERS

_INK: Final = "#22313f"
_PALE: Final = "#8795a1"
_OURS: Final = "#1f9d82"
_THEIRS: Final = "#3f6fa8"
_WIDTH: Final = 900
_LEFT: Final = 110
_RIGHT: Final = 230  # room for the longest words behind a bar
_SPAN: Final = _WIDTH - _LEFT - _RIGHT
_BAR: Final = 18
_STEP: Final = 26
_HEAD: Final = 46


@dataclass(frozen=True, slots=True)
class Panel:
    """A row of the benchmark as bars; ``added``: less what it is without a proxy."""

    title: str
    row: str
    figure: str
    unit: str
    added: bool = False


PANELS: Final = (
    Panel("CPU per request, split", "split", "cpu_us", "µs"),
    Panel("CPU per request, split and 100 % mirror", "mirror", "cpu_us", "µs"),
    Panel("Added at 3,000 requests/s, p50", "steady", "p50_us", "µs", added=True),
    Panel("Added at 3,000 requests/s, p99", "steady", "p99_us", "µs", added=True),
    Panel("CPU per 1 MiB upload", "upload", "cpu_us", "µs"),
    Panel("CPU per 4 MiB answer", "answer", "cpu_us", "µs"),
    Panel("CPU per event of a stream", "events", "cpu_us", "µs"),
)


def bars(panel: Panel, results: Results) -> list[tuple[str, Spread]]:
    """Who has what, in the order of the peers; those without a figure are left out."""
    straight = results.values(panel.row, DIRECT, panel.figure)
    found = []
    for peer in PEERS:
        values = results.values(panel.row, peer, panel.figure)
        one = spread((differences(values, straight) if panel.added else values).values())
        if one is not None:
            found.append((peer, one))
    return found


def draw(results: Results, path: Path, headline: str) -> None:
    """Write the picture."""
    parts: list[str] = []
    top = 40
    for panel in PANELS:
        found = bars(panel, results)
        if found:
            parts += _panel(panel, found, top)
            top += _HEAD + _STEP * len(found)
    style = f"font-family:system-ui,sans-serif;font-size:13px;fill:{_INK}"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{top + 10}" '
        f'viewBox="0 0 {_WIDTH} {top + 10}" style="{style}">\n'
        f'<rect width="100%" height="100%" fill="white"/>\n'
        f'<text x="16" y="26" font-size="16" font-weight="bold">{escape(headline)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _panel(panel: Panel, found: list[tuple[str, Spread]], top: int) -> list[str]:
    # An interval of noise may be ten times as long as any bar: it is cut, and ends in an arrow.
    most = max(one.median for _, one in found)
    scale = _SPAN / max(min(2 * most, max(one.high for _, one in found)), most, 1e-9)
    parts = [f'<text x="16" y="{top + 24}" font-weight="bold">{escape(panel.title)}</text>']
    for index, (peer, one) in enumerate(found):
        y = top + 34 + index * _STEP
        parts += _bar(peer, one, y, scale, panel.unit)
    return parts


def _bar(peer: str, one: Spread, y: int, scale: float, unit: str) -> list[str]:
    middle = y + _BAR / 2
    width = max(1.0, one.median * scale)
    low, high = (_LEFT + min(max(0.0, edge * scale), _SPAN) for edge in (one.low, one.high))
    cut = one.high * scale > _SPAN + 0.1
    end = f"M{high - 6:.1f} {y + 4}l6 {_BAR / 2 - 4}l-6 {_BAR / 2 - 4}" if cut else (
        f"M{high:.1f} {y + 4}v{_BAR - 8}"
    )  # fmt: skip
    decimals = 1 if one.median < 100 else 0
    said = (
        f"{one.median:,.{decimals}f} {unit} ({one.low:,.{decimals}f} to {one.high:,.{decimals}f})"
    )
    return [
        f'<text x="{_LEFT - 8}" y="{middle + 4.5}" text-anchor="end">{escape(peer)}</text>',
        f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="{_BAR}" rx="2" '
        f'fill="{_OURS if peer == OURS else _THEIRS}" fill-opacity="0.85"/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {y + 4}v{_BAR - 8}'
        f'{end}" stroke="{_INK}" stroke-width="1.2" fill="none"/>',
        f'<text x="{max(high, _LEFT + width) + 8:.1f}" y="{middle + 4.5}" fill="{_PALE}">'
        f"{escape(said)}</text>",
    ]
