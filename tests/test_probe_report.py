"""What a comparison makes of probes: scores over seeds, the report card, its sentence, examples needed."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_probe import ORDER, Function, grammar_of

from seqgra.compare.cells import KEYS, CellResults
from seqgra.compare.probes import (
    graded,
    known,
    needed_for_rules,
    over_seeds,
    property_scores,
    rule_card,
    rule_scores,
    rules_of_named,
)
from seqgra.compare.tables import RECOVERY, REGRET, STATUS, Tables, _frame, build_tables
from seqgra.errors import InputError
from seqgra.fingerprint import claim, identity_of
from seqgra.plot.style import looks
from seqgra.probe import construct, probe, probes_identity
from seqgra.report.drawing import Drawing
from seqgra.report.figures.rules import curve_panel, draw_sizes
from seqgra.report.page import plain_text
from seqgra.report.sections.rules import SECTION
from seqgra.results import MACRO, PROBE_COLUMNS, read_probes

#: Architecture -> share of the sequences whose logits are the posterior's, by dataset size; others are noise.
GRID = {"good": {1000: 0.6, 4000: 1.0}, "poor": {1000: 0.0, 4000: 0.3}}
SEEDS = range(1, 7)


@pytest.fixture(scope="module")
def constructed(tmp_path_factory):
    return construct(grammar_of(ORDER, tmp_path_factory.mktemp("grammar")))


@pytest.fixture(scope="module")
def cells(constructed, tmp_path_factory):
    """Return cells whose models, scores and probes lie in a folder; the probes are real ones."""
    root, cells = tmp_path_factory.mktemp("cells"), []
    for label, by_size in GRID.items():
        for size, share in by_size.items():
            for seed in SEEDS:
                key = ("pairs", size, seed, label, "pytorch", 0)
                folder = root / "-".join(map(str, key))
                model = identity_of("train", {}, {"key": list(key), "seeds": "nested"})
                with claim(folder / "model", model) as draft:
                    draft.publish(epochs=1, parameters=1, best_validation_loss=0.1)
                with claim(folder / "probes", probes_identity(model.fingerprint, "c")) as draft:
                    chosen = np.random.default_rng(seed + size)
                    noise = chosen.random(len(constructed.x)) >= share
                    random = chosen.normal(size=constructed.ceiling.shape)
                    values = iter(np.where(noise[:, None], random, constructed.ceiling))
                    answers = Function(
                        constructed, lambda x, v=values: np.array([next(v) for _ in x])
                    )
                    table = probe(answers, constructed)
                    table.to_csv(draft.aside("probes.csv"), index=False)
                    draft.publish()
                inputs = {"constructed": "c"}
                folders = (folder / "model", folder / "scores", (), folder / "test")
                cells.append(CellResults(*key, *folders, False, inputs, probes=folder / "probes"))
    return cells


@pytest.fixture(scope="module")
def tables(cells):
    tables = build_tables(cells)
    tables = Tables(*(table.assign(label=table["architecture"]) for table in tables))
    status = tables.status.assign(status="done")  # as if they had scores
    return tables._replace(probes=tables.probes.assign(seeds="nested"), status=status)


def test_the_table_holds_what_was_probed(cells, tables, constructed):
    assert list(tables.probes.columns) == [*KEYS, *PROBE_COLUMNS, "label", "seeds"]
    one = tables.probes[tables.probes["data_seed"].eq(3) & tables.probes["label"].eq("good")]
    written = pd.read_csv(cells[2].probes / "probes.csv")
    assert cells[2].key == ("pairs", 1000, 3, "good", "pytorch", 0)
    own = one.loc[one["size"] == 1000, "score"].to_numpy()
    np.testing.assert_array_equal(own, written["score"].to_numpy())
    assert set(tables.status["probe"]) == {"done"}


def test_probes_of_other_models_and_sequences_are_out_of_date(cells):
    other = [cells[0]._replace(inputs={"constructed": "d"}), cells[1], cells[2]]
    other[1] = cells[1]._replace(probes=cells[2].probes)
    tables = build_tables(other)
    assert set(tables.probes["data_seed"]) == {3}
    assert tables.status["probe"].tolist() == ["missing", "missing", "done"]
    reasons = " ".join(tables.status["reason"])
    assert "made from an earlier constructed" in reasons
    assert "made from an earlier model" in reasons


def test_what_cannot_be_probed_says_why(cells, tmp_path):
    model = json.loads((cells[0].model / "run.json").read_text())["fingerprint"]
    with claim(tmp_path / "probes", probes_identity(model, "c")) as draft:
        draft.publish("skipped", reason="grammar: conditions: has no rules", least="")
    status = build_tables([cells[0]._replace(probes=tmp_path / "probes")]).status
    assert status["probe"].tolist() == ["skipped"]
    assert status["not_defined"].tolist() == ["probe: grammar: conditions: has no rules"]
    assert "probe" not in status["reason"].iloc[0]


def test_a_file_that_is_no_table_of_probes_is_refused(tmp_path):
    with claim(tmp_path / "probes", probes_identity("m", "c")) as draft:
        draft.aside("probes.csv").write_text("a,b\n1,2\n")
        draft.publish()
    with pytest.raises(InputError, match=r"probes.csv: is no table of probes"):
        read_probes(tmp_path / "probes")


def test_intervals_over_seeds_are_students(tables):
    scores = property_scores(tables.probes)
    order = scores[(scores["property"] == "order") & (scores["size"] == 1000)]
    values = order.loc[order["label"] == "good", "value"].to_numpy()
    assert len(values) == len(SEEDS)
    found = over_seeds(order, ["label"]).set_index("label").loc["good"]
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    assert found[["score", "low", "high"]].tolist() == pytest.approx([values.mean(), low, high])
    assert found[["least", "most", "models"]].tolist() == [values.min(), values.max(), len(SEEDS)]
    few = over_seeds(order[order["data_seed"] < 4], ["label"])
    assert few["low"].isna().all()  # three data seeds carry no interval
    shared = over_seeds(order.assign(seeds="crossed"), ["label"])
    assert shared["low"].isna().all()  # one model seed, shared by all data seeds


def test_the_card_names_what_is_known_and_what_is_not(tables):
    card = rule_card(property_scores(tables.probes))
    assert set(card.loc[card["primary"], "property"]) == {"order"}
    order = card[card["primary"]].set_index(["label", "size"])["score"]
    assert order.between(0, 1).all() and order["good", 4000] > order["good", 1000]
    assert rule_card(property_scores(tables.probes.iloc[:0])).columns.equals(card.columns)
    found = known(card, "pairs")
    assert found["good"]["order"].score == pytest.approx(1)
    assert found["good"]["order"].asked == "asked"
    assert found["poor"]["order"].score < 0.2
    assert "spacing" not in found["good"]
    largest = int(card["size"].max())
    rules = rule_scores(tables.probes)
    own = rules_of_named(card, rules, {"pairs": ("good", largest)})["pairs"]
    assert said(own).startswith("Probed, it knows the motifs (1.00), their order (1.00)")
    assert "blind to their order" in said(graded(found["poor"]))
    assert graded({}) is None
    far = graded(found["poor"], ((0.21, 0, 5), (1.0, 81, 118)))
    gaps = "(0.21 at 0 to 5 letters; 1.00 at 81 to 118 letters)"
    assert f"knows in part their order only when they are far apart {gaps}" in said(far)
    assert "blind to their order" not in said(far)


def test_what_few_models_have_a_grade_in_is_not_told_of_all():
    """Models that learnt nothing have no grade in what only a model that knows motifs can be asked."""
    rows = [
        {
            **{"grammar": "g", "size": 1000, "data_seed": seed, "architecture": "a"},
            **{"backend": "pytorch", "model_seed": 0, "label": "a", "seeds": "nested"},
            **{"property": name, "level": "summary", "asked": "asked"},
            **(
                {"score": score, "reason": ""}
                if seed <= graded_in
                else {"score": rest, "reason": why}
            ),
        }
        for seed in range(1, 6)
        for name, score, graded_in, rest, why in (
            ("vocabulary", 0.9, 1, 0.0, ""),
            ("shift", 0.98, 1, math.nan, "its accuracy is less than 0.1 above chance"),
            ("confounder", 0.95, 3, math.nan, "nothing changes the logits"),
        )
    ]
    card = rule_card(property_scores(pd.DataFrame(rows)))
    own = card.set_index("property")
    assert own["models"].to_dict() == {"vocabulary": 5, "shift": 1, "confounder": 3}
    assert (own["probed"] == 5).all() and own["score"]["shift"] == 0.98, "the table has it"
    found = known(card, "g")["a"]
    assert math.isnan(found["shift"].score)
    assert found["shift"].reason == "its accuracy is less than 0.1 above chance (4 of 5 models)"
    words = said(graded(found))
    assert "to ignore the confounder (0.95)" in words and "another background" not in words


def said(rules):
    return plain_text("sentences.j2", "probed", rules)


def test_a_rule_needs_the_examples_at_which_its_score_crosses(tables):
    needed = needed_for_rules(property_scores(tables.probes), tables.status)
    order = needed[(needed["property"] == "order") & (needed["tau"] == 0.9)].set_index("label")
    assert 1000 < order["needed"]["good"] < 4000
    assert order["needed"]["poor"] == np.inf
    assert order["reached"].to_dict() == {"good": len(SEEDS), "poor": 0}
    none = needed_for_rules(property_scores(tables.probes.iloc[:0]), tables.status)
    assert none.empty and list(none.columns) == list(needed.columns)


def drawing_of(tables, folder):
    scores = property_scores(tables.probes)
    compared = SimpleNamespace(
        cells=[],
        tables=tables,
        method="saliency",
        metric="ap",
        properties=scores,
        rules=rule_scores(tables.probes),
        rule_card=rule_card(scores),
        rules_needed=needed_for_rules(scores, tables.status),
    )
    own = looks({"good": "pytorch", "poor": "pytorch"})
    return Drawing(compared=compared, looks=own, folder=folder, labels={}, outcomes={})


@pytest.mark.usefixtures("svg_alone")
def test_the_section_draws_every_figure(tables, tmp_path):
    rows = [
        (*key, "saliency", 9, 0, 0, "ap", MACRO, 0.5, 0.1, key[3])
        for key in tables.status[list(KEYS)].itertuples(index=False, name=None)
    ]
    recovery = pd.DataFrame(rows, columns=[*KEYS, *RECOVERY, "label"])
    own = tables._replace(recovery=recovery)
    drawing = drawing_of(own, tmp_path)
    (shown,) = SECTION.shown(drawing)
    context = shown.context
    stems = {picture.stem.name for picture in context["pictures"]}
    assert {"rules-pairs", "order-pairs", "rule-recovery", "rule-order"} <= stems
    for stem in stems:
        assert (tmp_path / f"{stem}.svg").stat().st_size > 3000
    rules = rule_scores(tables.probes)
    summed = rules[(rules["level"] == "summary") & (rules["size"] == 4000)]
    assert len(context["rows"]) == len(summed)


def test_rules_of_models_without_scores_have_no_curve(tables, tmp_path):
    """Probes need a model only; beside those that are not scored yet there may be some that diverged."""
    good = tables.status["label"] == "good"
    probes = tables.probes[tables.probes["label"] == "good"]
    for poor in ("missing", "diverged"):
        status = tables.status.assign(status=np.where(good, "missing", poor))
        drawing = drawing_of(tables._replace(probes=probes, status=status), tmp_path)
        assert draw_sizes(drawing) == []


def test_the_spacing_curve_shades_what_conditions_make(tables, tmp_path):
    gaps = np.arange(0.0, 12.0, 2)
    made = ["made by ab"] * 2 + ["never made"] * 2 + ["made by ba"] * 2
    rows = tables.probes.iloc[: len(gaps)].assign(
        property="spacing curve", level="curve", gap_low=gaps, gap_high=gaps, place=made,
        condition="ab", other="ba", rule="r", subject="a, b", raw=gaps, ceiling=-gaps,
    )  # fmt: skip

    drawing = drawing_of(tables, tmp_path)
    panel = curve_panel(drawing, rows, "ab")
    assert panel.shaded == {"ab": [(0.0, 2.0)], "ba": [(8.0, 10.0)]}
    np.testing.assert_array_equal(panel.lines["good"], gaps)
    np.testing.assert_array_equal(panel.ceiling, -gaps)
    assert set(STATUS) <= set(tables.status.columns)


def test_tables_that_name_the_ceiling_keep_its_name():
    """Column `ceiling` is a number of probes, and a name in the table of regrets."""
    values = {name: 0.5 for name in REGRET} | {"ceiling": "bayes-optimal", "metric": "pr_auc"}
    row = ("pairs", 1000, 1, "good", "pytorch", 0, *(values[name] for name in REGRET))
    frame = _frame([row], REGRET)
    assert frame["ceiling"].tolist() == ["bayes-optimal"]
