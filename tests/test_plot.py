"""Figures: known colours, stable looks, and the same bytes for the same figure."""

import io
import os
import re
import subprocess
import sys
from functools import partial
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import rgb_to_hsv
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Circle
from matplotlib.textpath import TextPath
from PIL import Image
from sklearn import metrics

from seqgra.plot.agreement import (
    CONFOUNDER_ROLE,
    PADDING_ROLE,
    ModelAttributions,
    agreement_grid,
    colours,
    importance,
    outcomes,
)
from seqgra.plot.attribution import (
    LINE,
    ElementSpan,
    Example,
    example_logos,
    method_matrix,
    stretch,
)
from seqgra.plot.fonts import families
from seqgra.plot.motifs import Logo, logo_grid
from seqgra.plot.recording import Recording
from seqgra.plot.saving import figure_digest, saver
from seqgra.plot.sizes import Knowledge, YAxis, against_size
from seqgra.plot.style import _NO_DATES, looks, new_figure, save, spaced, styled
from seqgra.report.figures.calibration import reliabilities
from seqgra.report.figures.roc import RocCurves, mean_curves, roc_pr
from seqgra.report.page import Picture, fill_macro

MEASURE = YAxis("PR AUC", "PR AUC against dataset size", None, 0.95, "0.95")
LUMINANCE = np.array([0.2126, 0.7152, 0.0722])


def runs(grammars=2, architectures=3, sizes=(1000, 2000, 4000), seeds=3):
    rng = np.random.default_rng(0)
    rows = [
        (f"grammar-{g}", f"architecture-{a}", n, rng.uniform(0.5, 1), "done")
        for g in range(grammars)
        for a in range(architectures)
        for n in sizes
        for _ in range(seeds)
    ]
    return pd.DataFrame(rows, columns=["grammar", "label", "size", "value", "status"])


def looks_of(table):
    return looks(dict.fromkeys(table["label"].unique(), "pytorch"))


def test_importance_is_positive_attribution_over_its_maximum():
    values = np.array([[[1.0, -5, 0], [3, 2, -1]], [[-1, -1, -1], [0, 0, 0]]])
    assert importance(values).tolist() == [[1, 0.5, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("role", "hue"),
    [(0, 0.0), (1, 0.4), (CONFOUNDER_ROLE, 0.61)],
    ids=["background", "grammar", "confounder"],
)
def test_hue_is_the_role_and_darkness_the_importance(role, hue):
    steps = np.linspace(0, 1, 21)[None]
    rgb = colours(steps, np.full(steps.shape, role, np.uint8))[0]
    found = rgb_to_hsv(rgb)[:, 0]
    assert np.abs((found - hue + 0.5) % 1 - 0.5).max() < 0.08, "hue wanders"
    assert (np.diff(rgb @ LUMINANCE) < 0).all(), "darker with importance"


def test_ignored_positions_are_grey():
    rgb = colours(np.array([[0, 0.3, 1.0]]), np.full((1, 3), 2, np.uint8))
    assert np.ptp(rgb, axis=-1).max() < 0.01


def test_padding_is_blank():
    steps = np.linspace(0, 1, 5)[None]
    assert (colours(steps, np.full(steps.shape, PADDING_ROLE, np.uint8)) == 1).all()


@pytest.mark.parametrize("confounders", [False, True])
def test_the_key_names_confounders_where_there_are_any(confounders):
    some = panel()
    some.roles[2, 3:9], some.roles[:, 30:] = CONFOUNDER_ROLE if confounders else 0, PADDING_ROLE
    drawn = agreement_grid([some], "title")
    drawn.draw_without_rendering()
    texts = drawn.axes[-1].texts
    assert ("confounder position" in [text.get_text() for text in texts]) == confounders
    boxes = sorted((text.get_window_extent() for text in texts), key=lambda box: box.x0)
    assert all(a.x1 < b.x0 for a, b in pairwise(boxes)) and boxes[-1].x1 < drawn.bbox.x1


def test_looks_are_stable_distinct_and_never_green_or_red():
    names = {f"a{i:02d}": "pytorch" for i in range(12)} | {"kmer": "sklearn", "pwm": "sklearn"}
    found = looks(names)
    assert found == looks(dict(reversed(names.items())))
    assert len(set(found.values())) == len(names)
    assert all(found[name].line != "-" for name in ("kmer", "pwm")), "baselines are dashed"
    for name in ("kmer", "pwm"):
        assert rgb_to_hsv(mpl.colors.to_rgb(found[name].color))[1] < 0.05, "baselines are grey"


@pytest.mark.parametrize(("grammars", "architectures"), [(1, 1), (2, 3), (5, 12)])
def test_against_size_has_a_panel_a_grammar_and_a_line_an_architecture(grammars, architectures):
    table = runs(grammars, architectures)
    drawn = against_size(table, looks_of(table), MEASURE)
    panels = [axis for axis in drawn.axes if axis.get_visible()]
    assert [axis.get_title(loc="left") for axis in panels] == [
        f"grammar-{g}" for g in range(grammars)
    ]
    means = table.groupby(["grammar", "label", "size"])["value"].mean()
    for axis in panels:
        lines = [line for line in axis.lines if len(line.get_xdata()) == 3]
        assert len(lines) == architectures
        grammar = axis.get_title(loc="left")
        assert lines[0].get_ydata() == pytest.approx(means[grammar, "architecture-0"].to_numpy())
        assert axis.get_xscale() == "log"
        assert list(axis.get_xticks()) == [1000, 2000, 4000]
        for line in lines:
            apart = np.log(line.get_xdata()) - np.log([1000, 2000, 4000])
            assert np.abs(apart).max() <= np.log(1.03) + 1e-9, "points stand at their sizes"


def test_letters_of_what_is_known_do_not_meet_and_stand_in_the_legend():
    values = [0.5, 0.501, 0.55, 0.552, 0.9]
    less = [Knowledge("grammar-0", v, (f"kind {i}",)) for i, v in enumerate(values)]
    less.append(Knowledge("grammar-1", 0.7, ("kind 4", "kind 0")))
    table = runs(2, 2)
    drawn = against_size(table, looks_of(table), MEASURE._replace(less=tuple(less)))
    drawn.draw_without_rendering()
    first, second = (axis.texts for axis in drawn.axes)
    assert [text.get_text() for text in first] == list("ABCDE")
    assert [text.get_text() for text in second] == ["AE"]
    boxes = [text.get_window_extent() for text in first]
    assert all(a.y1 <= b.y0 for a, b in pairwise(boxes))
    assert all(box.x0 >= drawn.axes[0].bbox.x1 for box in boxes), "beside the curves"
    named = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert all(f"{letter}: by kind {i} alone" in named for i, letter in enumerate("ABCDE"))


@given(
    st.lists(st.floats(0, 10), max_size=20).map(sorted),
    st.floats(0.01, 2),
)
def test_spaced_places_keep_their_order_their_mean_and_their_distance(places, least):
    found = spaced(places, least)
    assert all(b - a >= least - 1e-6 for a, b in pairwise(found))
    assert np.sum(found) == pytest.approx(np.sum(places), abs=1e-6)
    if all(b - a >= least for a, b in pairwise(places)):
        assert found == pytest.approx(places, abs=1e-8)


def test_positions_count_from_one():
    drawn = agreement_grid([panel()], "title")
    axis = drawn.axes[0]
    labels = [int(text.get_text()) for text in axis.get_xticklabels()]
    assert labels[0] == 1 and labels[-1] == 40
    assert list(axis.get_xticks()) == [label - 0.5 for label in labels], "columns are 1 wide"


def test_no_marker_points_somewhere():
    assert not {
        look.marker for look in looks(dict.fromkeys(map(str, range(60)), "x")).values()
    } & set("^v<>")


def test_a_collapsed_run_gets_an_open_symbol():
    table = runs(1, 1)
    table.loc[0, ["value", "status"]] = [0.5, "collapsed"]
    drawn = against_size(table, looks_of(table), MEASURE)
    filled = [c for c in drawn.axes[0].collections if len(c.get_facecolor())]
    points = {tuple(c.get_facecolor()[0]): c.get_offsets() for c in filled}
    assert np.asarray(points[1.0, 1.0, 1.0, 1.0])[:, 1].tolist() == [0.5]
    texts = [text.get_text() for text in drawn.legends[0].get_texts()]
    assert "open: collapsed run" in texts


def test_the_cut_font_is_the_whole_one_and_falls_back_to_it(tmp_path, recwarn):
    cut, whole = families()
    for weight in (400, 700):
        for text in ("AVA To fi 0.5 − ≤ β", "σ ± é"):
            paths = [
                TextPath((0, 0), text, prop=FontProperties(family=[name], weight=weight))
                for name in (cut, whole)
            ]
            assert np.array_equal(*(path.vertices for path in paths))
    with styled():
        figure = new_figure(3, 2)
        figure.subplots().set(xlabel="size", ylabel="Ж, ☃", title="one")
    save(figure, tmp_path / "one")
    assert [str(warning.message) for warning in recwarn] == [], "every letter was found"
    assert (tmp_path / "one.pdf").read_bytes().count(b"/FontFile2") >= 3


def test_labels_of_axes_are_pinned_where_matplotlib_would_put_them(tmp_path):
    def labels(pinned):
        with styled():
            figure = new_figure(5, 2.5)
            left, right = figure.subplots(1, 2)
            left.set(xlabel="below", ylabel="beside", ylim=(0, 1e5))
            right.set(
                xlabel="below", xticks=[0, 1], xticklabels=["two\nlines", "a"], aspect="equal"
            )
            if pinned:
                save(figure, tmp_path / "pinned")
            figure.draw_without_rendering()
        every = [axis.label for part in figure.axes for axis in (part.xaxis, part.yaxis)]
        return [label.get_window_extent().extents for label in every if label.get_text()]

    assert np.abs(np.array(labels(True)) - labels(False)).max() < 1.5, "pixels"


def test_no_text_leaves_the_figure_or_meets_another():
    table = runs(3, 5)
    drawn = against_size(table, looks_of(table), MEASURE)
    drawn.draw_without_rendering()
    boxes = [axis.title.get_window_extent() for axis in drawn.axes]
    boxes += [axis.get_tightbbox() for axis in drawn.axes]
    legend = drawn.legends[0].get_window_extent()
    for box in (*boxes, legend):
        assert box.x0 >= 0 and box.y0 >= 0, "cut off at the left or below"
        assert box.x1 <= drawn.bbox.x1 and box.y1 <= drawn.bbox.y1, "cut off at the right or above"
    assert all(not legend.overlaps(axis.get_tightbbox()) for axis in drawn.axes)
    ticks = [t.get_window_extent() for t in drawn.axes[0].get_xticklabels() if t.get_text()]
    assert all(a.x1 < b.x0 for a, b in pairwise(ticks))


def test_roc_pr_draws_both_curves_of_each_architecture():
    x = np.linspace(0, 1, 5000)
    table = pd.concat(
        pd.DataFrame({"curve": kind, "x": x, "y": y})
        for kind, y in (("roc", x**0.2), ("pr", 1 - x))
    )
    drawn = roc_pr({"fc10": RocCurves(table, 0.9, 0.8)}, looks({"fc10": "pytorch"}), "ROC and PR")
    left, right = (axis.lines[0].get_xydata() for axis in drawn.axes)
    assert left[0].tolist() == [0, 0]
    assert left[-1].tolist() == [1, 1]
    assert right[-1].tolist() == [1, 0]
    assert 400 < len(left) < 1200, "thinned"
    assert "(0.900, 0.800)" in drawn.legends[0].get_texts()[0].get_text()


def test_the_area_below_the_drawn_pr_curve_is_average_precision():
    draw = np.random.default_rng(1)
    y = draw.integers(0, 2, 200)
    for score in (draw.integers(0, 3, 200) + y, np.zeros(200)):  # many ties; a constant
        precision, recall, _ = metrics.precision_recall_curve(y, score)
        table = pd.DataFrame({"curve": "pr", "x": recall[::-1], "y": precision[::-1]})
        drawn = roc_pr({"a": RocCurves(table, 0.5, 0.5)}, looks({"a": "pytorch"}), "title").axes[1]
        line = drawn.lines[0]
        assert line.get_drawstyle() == "steps-pre"
        x, height = line.get_data()
        area = (np.diff(x) * height[1:]).sum()
        assert area == pytest.approx(metrics.average_precision_score(y, score))


def test_a_constant_prediction_is_marked_in_each_panel():
    table = runs(2, 1).assign(chance=lambda t: np.where(t["grammar"] == "grammar-0", 0.3, 0.45))
    drawn = against_size(table, looks_of(table), MEASURE)
    for axis, chance in zip(drawn.axes, (0.3, 0.45), strict=True):
        levels = [line.get_ydata()[0] for line in axis.lines if len(line.get_ydata()) == 2]
        assert levels == [0.95, chance]
        assert axis.get_ylim()[0] < 0.3
    assert "constant prediction" in [text.get_text() for text in drawn.legends[0].get_texts()]


def test_areas_below_mean_curves_are_mean_areas():
    rng = np.random.default_rng(0)
    y = rng.random((1500, 3)) < [0.6, 0.3, 0.1]
    scores = (rng.normal(size=y.shape) + y * [0.5, 1, 3]).round(1)
    parts, areas = [], {"roc": [], "pr": []}
    for c in range(3):
        false, true, _ = metrics.roc_curve(y[:, c], scores[:, c], drop_intermediate=False)
        precision, recall, _ = metrics.precision_recall_curve(y[:, c], scores[:, c])
        for kind, x, height in (("roc", false, true), ("pr", recall[::-1], precision[::-1])):
            parts.append(pd.DataFrame({"curve": kind, "scope": f"c{c}", "x": x, "y": height}))
        areas["roc"].append(metrics.roc_auc_score(y[:, c], scores[:, c]))
        areas["pr"].append(metrics.average_precision_score(y[:, c], scores[:, c]))
    table = mean_curves(pd.concat(parts))
    for kind, expected in areas.items():
        xy = table.loc[table["curve"] == kind, ["x", "y"]].to_numpy()
        assert xy[[0, -1], 0].tolist() == [0, 1] and (np.diff(xy[:, 0]) >= 0).all()
        assert np.trapezoid(xy[:, 1], xy[:, 0]) == pytest.approx(np.mean(expected), abs=2e-3), kind
    assert table.iloc[0].tolist() in (["pr", 0, 1], ["roc", 0, 0])


def panel(title="fc10", length=40):
    values = np.random.default_rng(0).normal(size=(6, 4, length))
    return ModelAttributions(title, values, np.zeros((6, length), np.uint8), ["near", "far"] * 3)


def test_agreement_groups_rows_by_condition():
    some = panel()
    picture = agreement_grid([some], "title").axes[0].images[0]
    expected = colours(importance(some.values), some.roles)[[0, 2, 4, 1, 3, 5]]
    assert np.allclose(picture.get_array(), expected)


def test_a_thresholded_plot_shows_the_outcome_of_each_position():
    some = panel()
    roles = np.random.default_rng(1).integers(0, 2, some.roles.shape).astype(np.uint8)
    roles[:, -3:] = PADDING_ROLE
    shift = np.where(np.random.default_rng(2).random(some.roles.shape) < 0.4, 9, 0)[:, None]
    some = some._replace(roles=roles, values=some.values - shift)
    drawn = agreement_grid([some, some], "title", thresholded=True)
    order = [0, 2, 4, 1, 3, 5]
    hues = drawn.axes[0].images[0].get_array()
    kinds = outcomes(some.values, some.roles)[order]
    important = some.values.max(axis=1)[order] >= 0.01
    for number, (role, above) in enumerate([(1, True), (1, False), (0, True), (0, False)]):
        expected = (roles[order] == role) & (important == above)
        assert expected.any()
        np.testing.assert_array_equal(kinds == number, expected)
    by_kind = {tuple(hues[kinds == kind][0]) for kind in np.unique(kinds)}
    assert len(by_kind) == len(np.unique(kinds)), "a colour each"
    words = {text.get_text() for axis in drawn.axes for text in axis.texts}
    assert {"true positive", "false negative", "false positive", "true negative"} <= words
    real = agreement_grid([panel()], "title", names={1: "hit at p <= 0.0001", 0: "no hit"})
    words = {text.get_text() for axis in real.axes for text in axis.texts}
    assert {"hit at p <= 0.0001", "no hit"} <= words
    assert not words & {"grammar position", "background position"}
    name = some.conditions[0]
    beside = agreement_grid([some._replace(figures={name: (0.5, 0.25, 1 / 3)})], "title")
    words = " ".join(text.get_text() for axis in beside.axes for text in axis.texts)
    assert "P 0.50" in words and "R 0.25" in words and "F1 0.33" in words


def test_average_motifs_hang_below_their_elements():
    element = Logo(np.eye(4)[[0, 1, 2]] * 2, 1, "box, bits")
    seen = Logo(
        np.vstack([np.zeros((5, 4)), np.eye(4)[[0, 1, 2]] * -0.3, np.zeros((5, 4))]), -4, ""
    )
    drawn = logo_grid(["element", "pool", "flat"], [[element, seen, None]], "ACGT", "title")
    above, below, nothing = drawn.axes
    assert above.get_xlim() == below.get_xlim() == nothing.get_xlim() == (-4.5, 8.5)
    letters = [axis.collections[0].get_paths() for axis in (above, below)]
    assert [len(paths) for paths in letters] == [3, 3]
    for high, low in zip(*letters, strict=True):
        assert high.get_extents().y0 == pytest.approx(0) and high.get_extents().y1 > 0
        assert low.get_extents().y0 < 0 and low.get_extents().y1 == pytest.approx(0, abs=1e-9)
        assert high.get_extents().x0 == pytest.approx(low.get_extents().x0)
    assert "none" in [text.get_text() for text in nothing.texts]


def test_a_dollar_in_a_name_is_a_dollar(tmp_path):
    save(agreement_grid([panel("a$b$_{"), panel()], "cost $1, $2 <&>"), tmp_path / "x")
    assert (tmp_path / "x.svg").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_figure_that_cannot_be_saved_is_an_error_in_any_process(tmp_path, workers):
    (tmp_path / "file").write_text("no folder")
    drawn = partial(new_figure, 2, 2)
    with pytest.raises(OSError, match="file"), saver(workers) as write:
        write(tmp_path / "whole", drawn)
        write(tmp_path / "file" / "figure", drawn)
    assert sorted(path.suffix for path in tmp_path.glob("whole.*")) == [".pdf", ".png", ".svg"]


def arguments():
    table = runs(2, 2).assign(
        name=pd.Series(["a", None], dtype="str"), many=pd.Series([1], dtype="Int64")
    )
    return partial(against_size, table, looks_of(table), measure=MEASURE)


def test_equal_arguments_have_one_digest_in_any_process():
    code = "from test_plot import arguments, figure_digest; print(figure_digest(arguments()))"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=Path(__file__).parent,
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {figure_digest(arguments())}


@pytest.mark.parametrize(
    "change",
    [
        lambda table, looks: (table.assign(value=table["value"] + 1e-15), looks),
        lambda table, looks: (table.rename(columns={"name": "names"}), looks),
        lambda table, looks: (table.astype({"size": "float64"}), looks),
        lambda table, looks: (table.set_index(table.index + 1), looks),
        lambda table, looks: (table.iloc[::-1], looks),
        lambda table, looks: (table, dict(reversed(looks.items()))),
        lambda table, looks: (table, {**looks, "architecture-0": looks["architecture-1"]}),
        lambda table, looks: (table.assign(name=None), looks),
    ],
)
def test_other_arguments_have_another_digest(change):
    whole = arguments()
    changed = partial(whole.func, *change(*whole.args), **whole.keywords)
    assert figure_digest(changed) != figure_digest(whole)


def test_another_function_or_setting_has_another_digest():
    whole = arguments()
    others = [
        partial(reliabilities, *whole.args, **whole.keywords),
        partial(whole.func, *whole.args, measure=MEASURE._replace(line=0.9)),
        partial(whole.func, *whole.args, MEASURE),
    ]
    assert len({figure_digest(each) for each in [whole, *others]}) == 4


def test_save_writes_the_same_bytes_whatever_the_users_settings(tmp_path):
    def bytes_of(name):
        table = runs(1, 2)
        save(against_size(table, looks_of(table), MEASURE), tmp_path / name)
        return [(tmp_path / f"{name}.{kind}").read_bytes() for kind in ("svg", "pdf", "png")]

    first = bytes_of("a.1")
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.grid": True}):
        second = bytes_of("a.2")
    assert first == second
    assert b"<dc:date>" not in first[0]
    assert b"<text" not in first[0], "text is paths, the same with any fonts"


def everything():
    """A figure of every kind of artist: images both ways up, meshes, markers, clips, turned text."""
    rng = np.random.default_rng(0)
    with styled():
        figure = new_figure(5, 4)
        axes = figure.subplots(2, 2).ravel()
        picture = rng.uniform(size=(3, 5, 3))
        axes[0].imshow(picture, interpolation="none", extent=(0, 5, 3, 0), aspect="auto")
        axes[1].imshow(picture[..., 0], interpolation="none", origin="lower", aspect="auto")
        axes[1].text(2, 1, "turned", rotation=30, va="center")
        axes[2].pcolormesh(picture[..., 1])
        circle = axes[2].imshow(picture[..., 2], extent=(1, 4, 0, 3), aspect="auto")
        circle.set_clip_path(Circle((2.5, 1.5), 1.2, transform=axes[2].transData))
        axes[3].plot(rng.uniform(size=9), "o--", label="a line")
        axes[3].scatter(range(9), rng.uniform(size=9), s=range(9), c=range(9))
        axes[3].vlines(range(9), 0.2, 0.4)
        axes[3].fill_between(range(9), 0.8, rng.uniform(0.8, 1, 9), alpha=0.5)
        figure.legend(loc="outside lower center")
    return figure


def panels_of_one():
    return agreement_grid([panel("a"), panel("b")], "title")


def lines():
    table = runs(2, 3)
    return against_size(table, looks_of(table), MEASURE)


def colour_bar():
    """Its colours are pixels in every format."""
    values = pd.DataFrame([[0.1, 0.9], [0.5, np.nan]], ["saliency", "occlusion"], ["pool", "flat"])
    return method_matrix(values, "recovery", "title")


def uncompressed(figure, kind):
    stream = io.BytesIO()
    with styled(), mpl.rc_context({"pdf.compression": 0}):
        figure.savefig(stream, format=kind, dpi=200, metadata=_NO_DATES[kind])
    return stream.getvalue()


def tokens(pdf):
    """Return operators and numbers of the pages of a PDF, without its embedded files."""
    streams = re.findall(rb"stream\n(.*?)\nendstream", pdf, re.DOTALL)
    words = b" ".join(part for part in streams if b" Tf" in part).split()
    numbers = [bool(re.fullmatch(rb"-?[0-9.]+", word)) for word in words]
    operators = [word for word, is_number in zip(words, numbers, strict=True) if not is_number]
    return operators, [float(w) for w, is_number in zip(words, numbers, strict=True) if is_number]


@pytest.mark.parametrize("make", [everything, panels_of_one, lines, colour_bar])
def test_formats_drawn_once_are_what_matplotlib_draws_of_each(make):
    figure = make()
    with styled():
        FigureCanvasAgg(figure)
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine(None)
        recorded = Recording(figure, 200)
    assert uncompressed(recorded, "svg") == uncompressed(figure, "svg")
    (operators, numbers), (own, found) = (
        tokens(uncompressed(each, "pdf")) for each in (figure, recorded)
    )
    assert len(operators) > 100 and own == operators
    np.testing.assert_allclose(
        found, numbers, atol=0.6
    )  # points: texts are measured by other flags
    whole, mine = (
        np.asarray(Image.open(io.BytesIO(uncompressed(each, "png"))).convert("RGB"), float)
        for each in (figure, recorded)
    )
    assert mine.shape == whole.shape
    assert (abs(mine - whole).max(axis=2) > 60).mean() < 0.015, "letters and edges within a pixel"


def test_a_figure_over_its_share_is_embedded_smaller(tmp_path):
    table = runs(4, 6)
    save(against_size(table, looks_of(table), MEASURE), tmp_path / "x")
    picture = Picture(tmp_path / "x", 'say "hi" <b>', "a < b")
    whole, small = (fill_macro("parts.j2", "figure", picture, share) for share in (10**7, 90_000))
    assert "image/svg+xml" in whole
    assert "image/webp" in small
    assert len(small) < 90_000 * 4 / 3 + 500
    assert "<b>" not in whole
    assert "&#34;hi&#34;" in whole


def test_the_stretch_of_an_example_holds_its_elements():
    far = [ElementSpan("a", 10, 20, 1, "grammar"), ElementSpan("b", 900, 910, 1, "grammar")]
    assert stretch(80, far) == (0, 80) and stretch(1000, []) == (0, LINE)
    for placed in (far[:1], far[1:], far):
        first, end = stretch(1000, placed)
        assert end - first == LINE and 0 <= first <= placed[0].start < placed[0].end <= end <= 1000


def test_letters_of_an_example_are_as_high_as_their_scores():
    scores = np.array([0.0, 2.0, -1.0, 0.5])
    example = Example("one", "ACGN", scores, [ElementSpan("box", 1, 3, 1, "grammar")])
    axis = example_logos([example], 4, "title").axes[0]
    (letters,) = (c for c in axis.collections if type(c).__name__ == "PathCollection")
    boxes = [path.get_extents() for path in letters.get_paths()]
    assert [round(box.height, 6) for box in boxes] == [1.0, 0.5, 0.25]
    assert [round(box.y0, 6) for box in boxes] == [0.0, -0.5, 0.0]
    assert [int(box.x0) for box in boxes] == [1, 2, 3]
    assert "box" in [text.get_text() for text in axis.texts]


def test_the_matrix_of_methods_shows_every_value():
    values = pd.DataFrame([[0.25, np.nan], [0.5, 1.0]], index=["a", "b"], columns=["x", "y"])
    texts = [text.get_text() for text in method_matrix(values, "AP", "title").axes[0].texts]
    assert texts == ["0.25", "none", "0.50", "1.00"]
