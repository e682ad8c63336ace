"""The grammar agreement plot: whether a model looks where the grammar is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from seqgra.plot.style import (
    BACKGROUND,
    CONFOUNDER,
    FAINT,
    GRAMMAR,
    IGNORED,
    columns_for,
    headline,
    new_figure,
    position_axis,
    styled,
    wrap_title,
)
from seqgra.results import THRESHOLD

#: Codes of the roles of positions.
BACKGROUND_ROLE, GRAMMAR_ROLE, IGNORED_ROLE, CONFOUNDER_ROLE, PADDING_ROLE = range(5)
#: Roles in the key, which names confounders only where there are any; padding is blank.
_NAMES = {
    GRAMMAR_ROLE: "grammar position",
    BACKGROUND_ROLE: "background position",
    CONFOUNDER_ROLE: "confounder position",
    IGNORED_ROLE: "not counted",
}
#: Colour at importance 0, 0.5 and 1 of each role: about equally light, so that hue tells the role.
_RAMPS = np.array(
    [
        [to_rgb(end) for end in ("#fdf3f1", BACKGROUND, "#4a0d06")],
        [to_rgb(end) for end in ("#d9f0e2", GRAMMAR, "#02331c")],
        [to_rgb(end) for end in ("#efefef", IGNORED, "#2e2e2e")],
        [to_rgb(end) for end in ("#e2eaf8", CONFOUNDER, "#0b1f47")],
        [to_rgb("white")] * 3,
    ]
)
#: Outcomes of a position at a threshold, their colours and names; hues that any colour vision tells apart.
_OUTCOMES = {
    "true positive": "#0072b2",
    "false negative": "#ecc400",
    "false positive": "#d55e00",
    "true negative": "#e9edf1",
    "not counted": "#b4b4b4",
    "padding": "#ffffff",
}
_OUTCOME_NUMBER = {name: number for number, name in enumerate(_OUTCOMES)}
_PANEL_WIDTH = 3.3
#: Inches that figures of a condition need beside its rows: in three lines, in one.
_THREE_LINES, _ONE_LINE = 0.36, 0.13


class ModelAttributions(NamedTuple):
    """One model's attributions of some examples of the test set."""

    #: Name of the model.
    title: str
    #: float (K, A, L): attributions.
    values: np.ndarray
    #: uint8 (K, L): 0 background, 1 grammar, 2 ignored, 3 confounder, 4 padding.
    roles: np.ndarray
    #: Name of the condition that each of the K attributions explains.
    conditions: Sequence[str]
    #: Precision, recall and F1 by condition, to stand beside its rows.
    figures: Mapping[str, Sequence[float]] = MappingProxyType({})


def importance(values: np.ndarray) -> np.ndarray:
    """Return the importance of each position, float (K, L) in [0, 1].

    phi_l = sum_a max(0, z_la) over its maximum in the example; 0 where nothing is positive.

    Parameters
    ----------
    values
        float (K, A, L): attributions z.

    >>> importance(np.array([[[1.0, -5.0], [3.0, 2.0]]])).tolist()
    [[1.0, 0.5]]
    """
    phi = np.nan_to_num(np.maximum(values, 0)).sum(axis=1)
    highest = phi.max(axis=1, keepdims=True, initial=0)
    result: np.ndarray = np.divide(phi, highest, out=np.zeros_like(phi), where=highest > 0)
    return result


def colours(phi: np.ndarray, roles: np.ndarray) -> np.ndarray:
    """Return the colour of each position, float (K, L, 3): hue for role, darkness for importance.

    Parameters
    ----------
    phi
        float (K, L) in [0, 1].
    roles
        uint8 (K, L).
    """
    low, middle, high = (_RAMPS[roles, i] for i in range(3))
    twice = 2 * phi[..., None]
    pale, dark = low + twice * (middle - low), middle + (twice - 1) * (high - middle)
    mixed = np.where(twice < 1, pale, dark)
    result: np.ndarray = np.clip(mixed, 0, 1)
    return result


def outcomes(values: np.ndarray, roles: np.ndarray) -> np.ndarray:
    """Return what each position is where all with max_a z_la >= `THRESHOLD` are called important.

    Parameters
    ----------
    values
        float (K, A, L): attributions z.
    roles
        uint8 (K, L).

    Returns
    -------
    ndarray
        int (K, L): 0 true positive, 1 false negative, 2 false positive, 3 true negative, 4 not
        counted, 5 padding. Confounders count as background.

    >>> values = np.array([[[0.02, 0.0, 0.5, 0.009, 1.0]]])
    >>> outcomes(values, np.array([[1, 1, 0, 3, 2]])).tolist()
    [[0, 1, 2, 3, 4]]
    """
    important = np.nan_to_num(values.astype(np.float64)).max(axis=1) >= THRESHOLD
    grammar = np.where(important, 0, 1)
    background = np.where(important, 2, 3)
    background[roles == IGNORED_ROLE] = _OUTCOME_NUMBER["not counted"]
    background[roles == PADDING_ROLE] = _OUTCOME_NUMBER["padding"]
    return np.where(roles == GRAMMAR_ROLE, grammar, background)


def agreement_grid(
    panels: Sequence[ModelAttributions],
    title: str,
    *,
    thresholded: bool = False,
    names: Mapping[int, str] = MappingProxyType({}),
) -> Figure:
    """Draw the grammar agreement plots of several models beside each other.

    Parameters
    ----------
    panels
        At least one.
    title
        Title of the figure.
    thresholded
        Show `outcomes` in place of importance by role.
    names
        Other names of roles in the key, such as those of hits in real data.

    Returns
    -------
    Figure
        Heat maps, one row an example, grouped by condition; one column a position.
    """
    with styled(grid=False):
        columns = len(panels) if len(panels) <= 4 else columns_for(len(panels))
        rows = math.ceil(len(panels) / columns)
        most = max(len(panel.values) for panel in panels)
        height = min(max(1.5, 0.045 * most), 4.5) + 0.55
        keys = _key_roles(panels)
        wide = 7.2 if thresholded else 2.45 + 1.65 * len(keys)
        width = max(wide, min(_PANEL_WIDTH * columns, 11))
        figure = new_figure(width, height * rows + 0.95)
        grid = figure.add_gridspec(rows + 1, columns, height_ratios=[height] * rows + [0.16])
        for i, panel in enumerate(panels):
            row, column = divmod(i, columns)
            axis = figure.add_subplot(grid[row, column])
            _draw(axis, panel, height, thresholded)
            axis.set_title(wrap_title(panel.title, width / columns))
            axis.tick_params(labelleft=column == 0)
            if i + columns >= len(panels):
                axis.set_xlabel("position")
        key = figure.add_subplot(grid[rows, :])
        if thresholded:
            _draw_outcome_key(key, width - 1.1)
        else:
            _draw_key(key, width - 1.1, {role: names.get(role, _NAMES[role]) for role in keys})
        headline(figure, title)
    return figure


def _draw(axis: Axes, panel: ModelAttributions, height: float, thresholded: bool) -> None:
    names = np.array([str(name) for name in panel.conditions])
    groups = list(dict.fromkeys(names))
    order = np.concatenate([np.flatnonzero(names == name) for name in groups])
    if thresholded:
        hues = np.array([to_rgb(hue) for hue in _OUTCOMES.values()])
        picture = hues[outcomes(panel.values, panel.roles)[order]]
    else:
        picture = colours(importance(panel.values)[order], panel.roles[order])
    length = picture.shape[1]
    # Short windows keep their own pixels; long ones are averaged down to what can be seen.
    interpolation = "none" if length <= 400 else "antialiased"
    extent = (0, length, len(order), 0)
    axis.imshow(picture, aspect="auto", interpolation=interpolation, extent=extent)
    ends = np.cumsum([np.count_nonzero(names == name) for name in groups])
    starts = np.concatenate([[0], ends[:-1]])
    for end in ends[:-1]:
        axis.axhline(float(end), color="white", linewidth=2.2)
        axis.axhline(float(end), color=FAINT, linewidth=0.6)
    texts = [_short(name) for name in groups]
    axis.set_yticks(
        (starts + ends) / 2, texts, rotation=_rotation(texts, height, ends - starts), va="center"
    )
    axis.tick_params(axis="y", length=0)
    axis.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    position_axis(axis, length)
    axis.spines[:].set_visible(False)
    room = (height - 0.6) * (ends - starts) / len(order)
    for name, middle, inches in zip(groups, (starts + ends) / 2, room, strict=True):
        _write_figures(axis, panel.figures.get(name), middle, inches)


def _write_figures(
    axis: Axes, figures: Sequence[float] | None, place: float, inches: float
) -> None:
    """Write precision, recall and F1 beside the rows of a condition, where there is room."""
    if figures is None or inches < _ONE_LINE:
        return
    shown = ("–" if np.isnan(value) else f"{value:.2f}" for value in figures)
    words = [f"{name} {value}" for name, value in zip(("P", "R", "F1"), shown, strict=True)]
    text = "\n".join(words) if inches >= _THREE_LINES else " ".join(words)
    beside = axis.get_yaxis_transform()
    axis.text(1.02, place, text, transform=beside, size=6.5, va="center", linespacing=1.15)


def _rotation(texts: list[str], height: float, rows: np.ndarray) -> int:
    """Return 90 (degrees) where each text fits beside its rows of a panel `height` inches high."""
    room = (height - 0.6) * rows / rows.sum()
    return (
        90
        if all(0.075 * len(text) < inches for text, inches in zip(texts, room, strict=True))
        else 0
    )


def _short(name: str, most: int = 14) -> str:
    return name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}"


def _key_roles(panels: Sequence[ModelAttributions]) -> list[int]:
    """Return the roles in the key."""
    confounders = any((panel.roles == CONFOUNDER_ROLE).any() for panel in panels)
    return [role for role in _NAMES if role != CONFOUNDER_ROLE or confounders]


def _draw_key(axis: Axes, width: float, names: Mapping[int, str]) -> None:
    """Draw a ramp from unimportant to important for each named role, on an axis `width` inches wide."""
    steps = np.linspace(0, 1, 60)[None]
    for i, (role, name) in enumerate(names.items()):
        ramp = colours(steps, np.full(steps.shape, role, np.uint8))
        left = 1.55 + 1.65 * i
        axis.imshow(ramp, extent=(left, left + 0.4, 0, 1), aspect="auto", interpolation="none")
        axis.text(left + 0.46, 0.45, name, va="center", fontsize=8)
    axis.text(0, 0.45, "unimportant to important:", va="center", fontsize=8)
    axis.set(xlim=(0, width), ylim=(0, 1))
    axis.axis("off")


def _draw_outcome_key(axis: Axes, width: float) -> None:
    """Draw the colour of each outcome, on an axis `width` inches wide."""
    shown = list(_OUTCOMES.items())[:-1]
    for i, (name, colour) in enumerate(shown):
        left = i * 1.28
        axis.add_patch(Rectangle((left, 0), 0.22, 1, color=colour, lw=0))
        axis.text(left + 0.28, 0.45, name, va="center", fontsize=8)
    axis.set(xlim=(0, width), ylim=(0, 1))
    axis.axis("off")
