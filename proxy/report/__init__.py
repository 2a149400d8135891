"""Text and pictures from facts.

The law of this room: it is given facts and gives back text; it measures nothing, decides nothing
and knows nothing of where the facts come from.  What comes from elsewhere (names, messages) is
escaped here.

    scale  where the ticks of an axis stand, and what is written at them
    chart  line charts as SVG, for a file of their own or inside a page
    forest      estimates with their intervals, one below the other, as SVG
    document    a report before it has a format
    html, markdown              the formats
    comparison, labelled        the report of a shadow comparison
    pictures, numbers           its pictures; numbers in words
"""

from __future__ import annotations

from proxy.report.chart import Axis, Bound, Chart, Line, draw

__all__ = ["Axis", "Bound", "Chart", "Line", "draw"]
