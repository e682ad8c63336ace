"""The one style of all figures: fonts, colours that mean the same thing everywhere, and saving."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

from seqgra.fingerprint import replacing
from seqgra.model import CEILINGS
from seqgra.plot.fonts import WHOLE, families
from seqgra.plot.recording import Recording
from seqgra.stages import FIGURE_KINDS

#: Hues of the roles of positions; no architecture is drawn in green or red.
GRAMMAR, BACKGROUND, IGNORED = "#1a8a54", "#cb4335", "#8a8a8a"
CONFOUNDER = "#2f6fd0"
INK, FAINT = "#222222", "#8c8c8c"
#: Backends that are no networks, drawn dashed and grey.
BASELINES = frozenset({"sklearn"})

_COLOURS = ("#1f6fb4", "#e08a00", "#7b4fa3", "#56b4e9", "#8a5a2b", "#d673b0", "#23386e", "#b5a000")
_GREYS = ("#4d4d4d", "#8f8f8f", "#b0b0b0")
#: None that points somewhere: a triangle beside a bar is read as an arrow.
_MARKERS = ("o", "s", "D", "P", "X", "h", "*", "d", "p")
_LINES: tuple[Any, ...] = ("-", (0, (6, 1.2, 1, 1.2)), (0, (1, 1)))

#: Heat maps: from nothing to much.
PALE_TO_DARK = LinearSegmentedColormap.from_list("pale-to-dark", ("#f5f8fc", "#6fa8d6", "#0b2a52"))

#: Text is drawn as paths, so that a figure looks the same wherever it is opened.
_RC: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": FAINT,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titley": 1.0,  # no axis has ticks on top, so nothing to look for before each drawing
    "figure.facecolor": "white",
    "figure.titlesize": 11,
    "font.size": 9,
    "grid.color": "#e6e6e6",
    "grid.linewidth": 0.7,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "seqgra",
    "text.color": INK,
    "text.parse_math": False,  # a $ in a user's name is a dollar
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}
_FONT = FontProperties(family=WHOLE)
#: Metadata that would differ between two equal runs, by format.
_NO_DATES: dict[str, dict[str, Any]] = {
    "svg": {"Date": None},
    "pdf": {"CreationDate": None, "ModDate": None},
    "png": {"Software": None},
}
#: Dots per inch of PNG.
_DPI = 200
_KEYWORDS: Any = {"png": {"pil_kwargs": {"compress_level": 3}}}  # half the time of 6, 13 % larger


@contextmanager
def styled(grid: bool = True) -> Iterator[None]:
    """Draw and save in the house style, whatever the user's own matplotlib settings are."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_RC, "axes.grid": grid, "font.family": families()})
        yield


class Look(NamedTuple):
    """How one architecture is drawn in every figure."""

    color: str
    marker: str
    line: Any


#: The ceiling: a thin line in ink that no architecture has.
CEILING_LOOK = Look(INK, "", "-")
#: How lines of reference are drawn: a constant prediction, a value to reach, the ceiling among single runs.
CHANCE_LINE: Any = (0, (7, 2, 1, 2))
TARGET_LINE: Any = (0, (1, 2))
CEILING_LINE: Any = (0, (5, 1.5))


def looks(backends: Mapping[str, str]) -> dict[str, Look]:
    """Return the look of each architecture.

    Parameters
    ----------
    backends
        Architecture label -> backend. Colours follow the sorted labels.

    >>> looks({"fc10": "pytorch", "kmer": "sklearn"})["kmer"].color
    '#4d4d4d'
    """
    baselines = sorted(name for name, backend in backends.items() if backend in BASELINES)
    ceilings = sorted(name for name, backend in backends.items() if backend in CEILINGS)
    networks = sorted(set(backends) - {*baselines, *ceilings})
    found = dict.fromkeys(ceilings, CEILING_LOOK)
    found |= line_looks(networks)
    for i, name in enumerate(baselines):
        marker = _MARKERS[-1 - i % len(_MARKERS)]
        found[name] = Look(_GREYS[i % len(_GREYS)], marker, (0, (4, 2)))
    return found


def line_looks(names: Iterable[str]) -> dict[str, Look]:
    """Return a look for each name, in their order; colours come again with other lines."""
    return {
        name: Look(
            _COLOURS[i % len(_COLOURS)],
            _MARKERS[i % len(_MARKERS)],
            _LINES[i // len(_COLOURS) % len(_LINES)],
        )
        for i, name in enumerate(names)
    }


def settle(figure: Figure) -> Figure:
    """Space the parts of a drawn figure once, not again for each format, and return it."""
    with styled():
        figure.draw_without_rendering()
    figure.set_layout_engine("none")
    return figure


def element_colours(names: Iterable[str]) -> dict[str, str]:
    """Return the colour of each sequence element, again from the start where there are many.

    >>> element_colours(["tata"])
    {'tata': '#1f6fb4'}
    """
    return {name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(names)}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sizes in inches, that spaces its parts by itself.

    Call it, and draw, inside `styled`.
    """
    return Figure(figsize=(width, height), layout="constrained")


@lru_cache(maxsize=4096)
def text_width(text: str, size: float = 8.0) -> float:
    """Return the width of a text's longest line in the font of all figures, in inches."""
    lines = [line for line in text.split("\n") if line.strip()]
    points = (TextPath((0, 0), line, size=size, prop=_FONT).get_extents().width for line in lines)
    return float(max(points, default=0.0)) / 72


def headline(figure: Figure, title: str) -> None:
    """Write the title of a figure above it, in as many lines as its width needs."""
    room = 0.96 * figure.get_figwidth() / (1.13 * text_width(title, 11))  # letters are bold
    figure.suptitle(wrap(title, max(20, int(len(title) * room))), x=0.01, ha="left", weight="bold")


def sideways(number: int, many: int) -> float:
    """Return how far the n-th of many stands from the middle, all within -0.5 to 0.5.

    >>> [sideways(number, 3) for number in range(3)], sideways(0, 1)
    ([-0.5, 0.0, 0.5], 0.0)
    """
    return (number - (many - 1) / 2) / max(many - 1, 1)


def spaced(places: Sequence[float], least: float) -> list[float]:
    """Move ascending places apart, as little as it takes for none to be nearer than `least` to another.

    >>> spaced([1.0, 1.1, 5.0], 0.5), spaced([], 1.0)
    ([0.8, 1.3, 5.0], [])
    """
    groups: list[tuple[float, int]] = []  # middle of neighbours that touch, and how many
    for place in places:
        middle, many = place, 1
        while groups and middle - groups[-1][0] < least * (many + groups[-1][1]) / 2:
            before, others = groups.pop()
            middle, many = (before * others + middle * many) / (others + many), others + many
        groups.append((middle, many))
    return [
        round(middle + (i - (many - 1) / 2) * least, 9)
        for middle, many in groups
        for i in range(many)
    ]


def position_axis(axis: Axes, length: int) -> None:
    """Put ticks under positions of a sequence, counted from 1; the axis goes from 0 to its length."""
    inside = [tick for tick in axis.get_xticks() if 1 < tick < 0.94 * length]
    ticks = [1, *inside, length]
    axis.set_xticks([tick - 0.5 for tick in ticks], [f"{tick:g}" for tick in ticks])


def columns_for(panels: int) -> int:
    """Return in how many columns to lay out panels.

    >>> [columns_for(n) for n in (1, 2, 3, 4, 6, 7, 12)]
    [1, 2, 3, 2, 3, 4, 4]
    """
    return {1: 1, 2: 2, 4: 2}.get(panels, 3 if panels <= 6 else 4)


def label_outer(axes: Iterable[Axes], panels: int, columns: int, x: str, y: str = "") -> None:
    """Hide axes beyond the panels; write `x` under the lowest of each column, `y` beside those at the left.

    Parameters
    ----------
    axes
        Of all places, row by row.
    """
    for i, axis in enumerate(axes):
        axis.set_visible(i < panels)
        if y and i % columns == 0:
            axis.set_ylabel(y)
        if i + columns >= panels:
            axis.tick_params(labelbottom=True)
            axis.set_xlabel(x)


def compact(number: float) -> str:
    """Return a dataset size in few letters.

    >>> [compact(n) for n in (500, 1000, 1500, 16384, 2000000)]
    ['500', '1k', '1.5k', '16.4k', '2M']
    """
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.3g}{letter}"
    return f"{number:g}"


def wrap_title(name: str, inches: float) -> str:
    """Break the title of a panel that is so many inches wide into lines."""
    return wrap(name, int(10.3 * inches))


def wrap(name: str, width: int) -> str:
    """Break a long name into lines, at hyphens where it has some."""
    return "\n".join(textwrap.wrap(name, width)) or name


def save(figure: Figure, stem: Path) -> None:
    """Write a figure as SVG, PDF and PNG beside each other, each whole or not at all.

    Equal figures give equal bytes.

    Parameters
    ----------
    figure
        What to write.
    stem
        Path without a suffix.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    with styled():  # laid out once, and drawn once for all formats
        FigureCanvasAgg(
            figure
        )  # has a renderer to measure with, where the plain canvas draws for it
        if (engine := figure.get_layout_engine()) is not None:
            engine.execute(figure)
        figure.set_layout_engine(None)
        _pin_labels(figure)
        drawn = Recording(figure, _DPI)
        for kind in FIGURE_KINDS:
            with replacing(stem.with_name(f"{stem.name}.{kind}")) as stream:
                more = _KEYWORDS.get(kind, {})
                drawn.savefig(stream, format=kind, dpi=_DPI, metadata=_NO_DATES[kind], **more)


def _pin_labels(figure: Figure) -> None:
    """Keep the labels of axes where they were laid out, so that no format measures all ticks again."""
    for axes in figure.axes:
        axes.apply_aspect()
        for axis in (axes.xaxis, axes.yaxis):
            if axis.label.get_text() and axes.get_visible() and axes.axison:
                axis.get_tightbbox()  # puts the label beside the ticks
                place = axis.label.get_transform().transform(axis.label.get_position())
                axis.set_label_coords(*axes.transAxes.inverted().transform(place))
