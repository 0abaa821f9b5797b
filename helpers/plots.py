"""One look for every figure: small, readable in grey, safe for colour-blind readers, with Chinese.

The colours are those of M. Okabe and K. Ito, *Color Universal Design* (2008).
"""

import matplotlib as mpl
from cycler import cycler
from matplotlib import font_manager

from helpers.data import font_path

# Okabe and Ito's colours in an order that alternates dark and light, so that neighbours differ in
# grey too. Their yellow is left out: a thin yellow line vanishes on white paper.
COLOURS = {
    "blue": "#0072B2",
    "orange": "#E69F00",
    "black": "#000000",
    "sky": "#56B4E9",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "green": "#009E73",
}

# One for each colour: a reader who sees no colour tells the lines apart by their dashes.
LINE_STYLES = ["-", "--", ":", "-.", (0, (6, 1)), (0, (3, 1, 1, 1, 1, 1)), (0, (10, 3, 1, 3))]


def use_style() -> None:
    """Set matplotlib's defaults for this course. Call it once, after the imports.

    Figures are 6 by 3.5 inches at 100 dots an inch, laid out so that no label is cut, and small
    in the stored notebook. Glyphs that matplotlib's own font lacks come from the course's font.

    Raises:
        FileNotFoundError: the course's font is missing; see `helpers.data.font_path`.
    """
    path = font_path()
    font_manager.fontManager.addfont(path)
    chinese = font_manager.FontProperties(fname=path).get_name()
    mpl.rcParams.update(
        {
            "font.family": ["DejaVu Sans", chinese],
            "font.size": 9,
            "figure.figsize": (6.0, 3.5),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": cycler(color=list(COLOURS.values())) + cycler(linestyle=LINE_STYLES),
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlesize": 10,
            "axes.titlelocation": "left",
            "grid.color": "#E0E0E0",
            "grid.linewidth": 0.6,
            "image.cmap": "cividis",
            "legend.frameon": False,
            "lines.linewidth": 1.6,
        }
    )
