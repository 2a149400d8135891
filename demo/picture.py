"""The story in one picture.  Runs in the second environment, on the files of one run.

python -m demo.picture FOLDER      reads summary.json and the CSVs, writes picture.png
"""
# mypy: disable-error-code="import-not-found, import-untyped"

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any, Final

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, PercentFormatter

from demo.report import before_or_after

_INK: Final = "#22313f"
_PALE: Final = "#8795a1"
_COLOUR: Final = {
    "1": "#3f6fa8", "2": "#1f9d82", "3": "#e07a2f", "4": "#8a5bb5", "5": "#b0872f",
}  # fmt: skip
_BAD: Final = "#c8283c"
_SLOT: Final = 1.0  # seconds over which a share is taken; a slot lies within one act
_ZOOM: Final = (-2.5, 2.5)  # seconds around the revert

Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


class Run:
    """What one run left behind, on a clock that starts with the first act."""

    def __init__(self, folder: Path) -> None:
        self.summary: dict[str, Any] = json.loads((folder / "summary.json").read_text())
        self.start = float(self.summary["began_at"])
        self.requests = read(folder / "requests.csv")
        self.pairs = read(folder / "added-latency.csv")
        with (folder / "v3-witness.jsonl").open() as lines:
            self.witness = [json.loads(line) for line in lines]
        self.acts: list[dict[str, Any]] = self.summary["acts"]
        self.revert: dict[str, Any] | None = self.summary["revert"]

    def when(self, row: dict[str, str]) -> float:
        return float(row["at"]) - self.start

    @property
    def reverted(self) -> float | None:
        return None if self.revert is None else float(self.revert["at"]) - self.start

    @property
    def reverts(self) -> list[float]:
        """When each canary was reverted."""
        return [row["at"] - self.start for row in self.summary["reverts"] if row["at"] is not None]

    @property
    def end(self) -> float:
        return float(self.acts[-1]["ended"])


def draw(run: Run, out: Path) -> None:
    _style()
    figure = plt.figure(figsize=(14, 10.2), layout="constrained")
    grid = figure.add_gridspec(3, 2, height_ratios=[1.5, 1.0, 1.0], width_ratios=[1.6, 1])
    latency = figure.add_subplot(grid[0, :])
    share = figure.add_subplot(grid[1, :], sharex=latency)
    _latency(latency, run)
    _share(share, run)
    for panel in (latency, share):
        _acts(panel, run, titled=panel is latency)
    _zoom(figure.add_subplot(grid[2, 0]), run)
    _added(figure.add_subplot(grid[2, 1]), run)
    figure.suptitle(_headline(run), x=0.012, ha="left", fontsize=15, weight="bold", color=_INK)
    figure.savefig(out, dpi=130)


def _style() -> None:
    plt.rcParams.update(
        {
            "font.size": 10,
            "axes.edgecolor": _PALE,
            "axes.labelcolor": _INK,
            "axes.titlecolor": _INK,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "axes.titleweight": "bold",
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.axisbelow": True,
            "axes.grid": True,
            "grid.color": "#e6ebef",
            "xtick.color": _INK,
            "ytick.color": _INK,
            "legend.frameon": False,
        }
    )


def _headline(run: Run) -> str:
    requests, people = run.summary["requests"]["total"], run.summary["customers"]
    said = f"{requests:,} requests of {people['seen']:,} customers, "
    said += f"{people['hurt'] or 'none'} with a bad answer"
    if run.revert is None:
        return f"{said}; v3 was not reverted"
    after = f"{run.revert['first_bad_to_trip'] * 1000:.0f} ms"
    return f"{said}; v3 reverted {after} after it began to fail"


def _acts(panel: Any, run: Run, titled: bool) -> None:
    for index, act in enumerate(run.acts):
        began, ended = act["began"] - act["change_seconds"], act["ended"]
        if index % 2 == 0:
            panel.axvspan(began, ended, color="#f4f7f9", zorder=0, linewidth=0)
        if titled:
            panel.annotate(
                f"act {act['key']}\n{act['short']}",
                (began, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(4, -6),
                textcoords="offset points",
                va="top",
                fontsize=9.5,
                weight="bold",
                color=_INK,
            )
    for at in run.reverts:
        panel.axvline(at, color=_BAD, linewidth=1.6, zorder=4)
    panel.set_xlim(0, run.end)


def _latency(panel: Any, run: Run) -> None:
    for version in _COLOUR:
        arm, size = ("stable", 3) if version == "1" else ("canary", 9)
        mine = [
            row
            for row in run.requests
            if row["version"] == version and row["arm"] == arm and not row["fallback"]
        ]
        _dots(panel, run, mine, f"v{version} ({arm})", s=size, color=_COLOUR[version],
              alpha=0.35 if version == "1" else 0.85, linewidths=0)  # fmt: skip
    saved = [row for row in run.requests if row["fallback"] and row["status"] == "200"]
    _dots(panel, run, saved, "canary failed, answered by v1", s=34, marker="o",
          facecolors="none", edgecolors=_BAD, linewidths=1.3)  # fmt: skip
    hurt = [row for row in run.requests if row["status"] != "200"]
    _dots(panel, run, hurt, "bad answer", s=40, marker="x", color=_BAD)
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    panel.set_ylim(low, high * 6)  # room for the acts' names
    panel.yaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:g} ms"))
    panel.set_title("Latency of every request, as its caller saw it")
    panel.tick_params(labelbottom=False)
    panel.legend(loc="upper left", bbox_to_anchor=(0.0, 0.885), ncols=7, markerscale=1.6,
                 handletextpad=0.2, columnspacing=1.2)  # fmt: skip


def _dots(panel: Any, run: Run, rows: Rows, label: str, **style: Any) -> None:
    if rows:
        seconds = [float(row["seconds"]) * 1000 for row in rows]
        panel.scatter([run.when(row) for row in rows], seconds, label=label, zorder=3, **style)


def _share(panel: Any, run: Run) -> None:
    for act in run.acts:
        if act["canary"] is not None:
            _share_of(panel, run, act)
        elif act["shadow"] is not None:
            found = run.summary["shadow"].get(act["shadow"], {"sent": 0, "dropped": {}})
            dropped = sum(found["dropped"].values())
            said = f"v{act['shadow']} got {found['sent']:,} copies\n{dropped:,} dropped"
            _say(panel, act, said)
    for row in run.summary["reverts"]:
        if row["at"] is not None:
            panel.annotate(f"reverted:\n{row['reason']}", (row["at"] - run.start, 0.17),
                           xytext=(5, 0), textcoords="offset points", color=_BAD, weight="bold",
                           fontsize=9, va="center")  # fmt: skip
    panel.set_ylim(0, 0.34)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.set_title(
        "Share of the canary: asked (dashed), realised each second; in words: by customers"
    )
    panel.set_xlabel("seconds since the first act", labelpad=2)


def _share_of(panel: Any, run: Run, act: dict[str, Any]) -> None:
    colour, asked = _COLOUR[act["canary"]], act["asked"]
    edges, values = _realised(run, act)
    panel.stairs(values, edges, fill=True, color=colour, alpha=0.35)
    panel.stairs(values, edges, color=colour, linewidth=1.3, baseline=None)
    panel.plot([act["began"], act["ended"]], [asked, asked], color=_INK, linestyle=(0, (4, 2)),
               linewidth=1.3, zorder=5)  # fmt: skip
    found = next(row for row in run.summary["shares"] if row["act"] == act["key"])
    _say(panel, act, f"asked {asked:.0%}\ngot {found['by_customers']:.1%}")


def _say(panel: Any, act: dict[str, Any], said: str) -> None:
    panel.annotate(
        said,
        (act["began"], 0.335),
        xytext=(4, 0),
        textcoords="offset points",
        va="top",
        fontsize=9.5,
        color=_INK,
    )


def _realised(run: Run, act: dict[str, Any]) -> tuple[list[float], list[float]]:
    """The canary's share of the act's requests in slots of about a second: edges and shares."""
    count = max(1, round((act["ended"] - act["began"]) / _SLOT))
    width = (act["ended"] - act["began"]) / count
    slots: list[list[bool]] = [[] for _ in range(count)]
    for row in run.requests:
        if row["act"] == act["key"]:
            slot = int((run.when(row) - act["began"]) / width)
            slots[min(max(slot, 0), count - 1)].append(_is_canary(row))
    shares = [sum(slot) / len(slot) if slot else 0.0 for slot in slots]
    return [act["began"] + width * edge for edge in range(count + 1)], shares


def _is_canary(row: dict[str, str]) -> bool:
    return row["arm"] == "canary" or bool(row["fallback"])


def _zoom(panel: Any, run: Run) -> None:
    panel.set_title("The revert, by v3's own account of its requests")
    if run.revert is None or run.reverted is None:
        return
    trip = float(run.revert["at"])
    lanes = {"good": (3, _COLOUR["3"]), "error": (2, _BAD), "slow": (1, "#7b2d8b")}
    for fate, (lane, colour) in lanes.items():
        times = [line["at"] - trip for line in run.witness if line["fate"] == fate]
        _lane(panel, times, lane, colour)
    _lane(panel, _later(run, trip), 0, _COLOUR["1"])
    panel.axvline(0, color=_BAD, linewidth=1.6)
    panel.annotate(_why(run.revert), (0, 2), xytext=(8, 0), textcoords="offset points",
                   va="center", color=_BAD, fontsize=9.5)  # fmt: skip
    names = ["v3 answered", "v3: error 500", "v3: too late", "v1, to customers\nwho had v3"]
    panel.set_yticks([3, 2, 1, 0], names)
    panel.set_ylim(-0.6, 3.6)
    panel.set_xlim(*_ZOOM)
    panel.set_xlabel("seconds before and after the revert")
    panel.grid(axis="y", visible=False)


def _lane(panel: Any, times: list[float], lane: int, colour: str) -> None:
    inside = [time for time in times if _ZOOM[0] <= time <= _ZOOM[1]]
    panel.scatter(inside, [lane] * len(inside), color=colour, s=28, alpha=0.8, linewidths=0)


def _later(run: Run, trip: float) -> list[float]:
    """When customers whom v3 had decided for were answered by v1, seconds after the revert."""
    acts = {act["key"] for act in run.acts if act["canary"] == "3"}
    before = {row["customer"] for row in run.requests if row["act"] in acts and _is_canary(row)}
    return [
        float(row["at"]) - trip
        for row in run.requests
        if row["customer"] in before and row["arm"] == "stable" and not row["fallback"]
    ]


def _why(revert: dict[str, Any]) -> str:
    last = f"{before_or_after(revert['trip_to_last'])} it"
    return (
        f"reverted for {revert['reason'].replace('_', ' ')}\n"
        f"{revert['first_bad_to_trip'] * 1000:.0f} ms after the first bad answer;\n"
        f"last request to v3 came {last}"
    )


def _added(panel: Any, run: Run) -> None:
    found = run.summary["added_latency"]
    for name, label, colour, height in (
        ("direct", "straight to v1", _PALE, 0.62),
        ("through", "through pointsman", _COLOUR["1"], 0.36),
    ):
        seconds = sorted(float(row[name]) * 1000 for row in run.pairs)
        rank = [(index + 1) / len(seconds) for index in range(len(seconds))]
        panel.plot(seconds, rank, color=colour, linewidth=2)
        p50, p99 = found[name]["p50"] * 1000, found[name]["p99"] * 1000
        panel.text(0.98, height, f"{label}\np50 {p50:.2f} ms, p99 {p99:.2f} ms", color=colour,
                   ha="right", va="center", weight="bold", transform=panel.transAxes)  # fmt: skip
    middle = found["added_in_the_middle"] * 1000
    panel.set_title(f"What pointsman adds: {middle:.2f} ms in the middle")
    panel.set_xlim(0, max(found[name]["p99"] for name in ("direct", "through")) * 1900)
    panel.set_ylim(0, 1.02)
    panel.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    panel.set_xlabel("ms, one request at a time")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    draw(Run(folder), folder / "picture.png")
