"""Draws bars as SVG, for light and dark ground, with nothing but the standard library."""

import collections
import html

# KIND is ours, floor or other; LOW and HIGH are the ends of the whisker.
Bar = collections.namedtuple("Bar", "title kind value low high")

WIDTH = 920
LETTER = 7  # of a label: wide enough on average in whichever font there is
MARGIN = 10
ROOM = 80  # for the numbers behind them
ROW = 30
THICK = 16
TOP = 68
KEY = (("floor", "bounds"), ("ours", "upgrade-receiver"), ("other", "alternatives"))

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #24292f }
.head { font-size: 15px; font-weight: 600 }
.floor { fill: #afb8c1 } .other { fill: #54aeff } .ours { fill: #2da44e }
line { stroke: #24292f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.floor { fill: #6e7681 } .other { fill: #1f6feb } .ours { fill: #3fb950 }
line { stroke: #e6edf3 }
}
"""


def draw(head, bars):
    """The picture of BARS, from top to bottom, as text."""
    most = max((bar.high for bar in bars), default=0) or 1
    labels = 2 * MARGIN + LETTER * max((len(bar.title) for bar in bars), default=0)  # the bars begin there
    scale = (WIDTH - labels - ROOM) / most
    height = TOP + ROW * len(bars) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{html.escape(head)}</title>",
        f"<style>{STYLE}</style>",
        f'<text class="head" x="{MARGIN}" y="24">{html.escape(head)}</text>',
    ]
    for number, (kind, words) in enumerate(KEY):
        left = labels + 140 * number
        parts += [
            f'<rect class="{kind}" x="{left}" y="36" width="12" height="12"/>',
            f'<text x="{left + 18}" y="46.5">{words}</text>',
        ]
    for number, bar in enumerate(bars):
        top = TOP + ROW * number
        middle = top + THICK / 2
        low, high = (labels + value * scale for value in (bar.low, bar.high))
        parts += [
            f'<text x="{labels - 8}" y="{middle + 4.5:.1f}" text-anchor="end">{html.escape(bar.title)}</text>',
            f'<rect class="{bar.kind}" x="{labels}" y="{top}" width="{bar.value * scale:.1f}" height="{THICK}"/>',
            f'<line x1="{low:.1f}" y1="{middle:.1f}" x2="{high:.1f}" y2="{middle:.1f}"/>',
            f'<text x="{high + 8:.1f}" y="{middle + 4.5:.1f}">{bar.value:,.0f}</text>',
        ]
    return "\n".join([*parts, "</svg>", ""])
