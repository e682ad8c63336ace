"""The ladder: eleven rules at 200 letters, each solvable by all knowledge and by none of its shortcuts.

By the table of docs/grammars.md. A shortcut is closed where its ROC AUC, an estimate, is below 0.6 or less
than one standard error above it.
"""

import shutil
from pathlib import Path

import ladder
import numpy as np
import pandas as pd
import part
import pytest
import yaml

from seqgra.grammar.load import load_grammar
from seqgra.grid import Grid
from seqgra.law.ceiling import ceiling
from seqgra.law.restricted import restricted_ceilings, rule_itself

GRAMMARS = Path(__file__).parents[1] / "grammars"
EXAMPLES = 600
PLACES = ("sum of positions", "nearest edge", "span", "one position", "additive positions")
PAIR = ("composition", "number of sites", *PLACES, "additive best scores")
#: What is closed of each rule, and what is the rule itself, or an open way to it.
RULES = {
    "motif": (("composition", "number of sites", *PLACES[:3]), ("additive best scores",)),
    "affinity": (("composition", "number of sites", *PLACES), ("additive best scores",)),
    "position": (("composition", "number of sites", "best scores"), ("one position",)),
    "orientation": (PAIR, ()),
    "order": (PAIR, ()),
    "near-far": (PAIR, ()),
    "exact-gap": (PAIR, ()),
    "helical": (PAIR, ()),
    "and": (("composition", "number of sites", *PLACES), ("additive best scores",)),
    "xor": (PAIR, ("best scores",)),
    "confounder": (("composition", "number of sites", *PLACES[:3]), ("additive best scores",)),
}


#: Rules with a third class that holds no site.
SCAFFOLDS = ("order", "near-far")


def rule(name):
    return load_grammar(GRAMMARS / f"ladder-{name}.yaml")


def test_every_rung_is_here():
    files = {file.stem for file in GRAMMARS.glob("ladder-*.yaml")}
    assert files == {f"ladder-{name}" for name in (*RULES, *map("{}-scaffold".format, SCAFFOLDS))}
    assert set(ladder.RULES) == {name.removeprefix("ladder-") for name in files}


@pytest.mark.parametrize("name", SCAFFOLDS)
def test_a_scaffold_is_its_rule_and_a_class_without_sites(name):
    with_it, without = rule(f"{name}-scaffold"), rule(name)
    conditions = dict(with_it.conditions)
    assert not conditions.pop("none").rules
    assert conditions == without.conditions and with_it.elements == without.elements
    assert (with_it.window, with_it.background) == (without.window, without.background)
    exact = ceiling(with_it, 300)
    assert exact.kind == "exact" and exact.roc_auc.value > 0.95


@pytest.mark.parametrize("name", RULES)
def test_all_knowledge_solves_a_rule_and_no_shortcut_does(name):
    closed, opened = RULES[name]
    found = restricted_ceilings(rule(name), EXAMPLES, resamples=40, knows=(*closed, *opened))
    for knows in closed:
        value, error = found[knows].roc_auc
        assert value - error < 0.6, knows
    for knows in opened:
        assert found[knows].roc_auc.value > 0.98, knows
    exact = ceiling(rule(name), 300)
    assert exact.kind == "exact" and exact.roc_auc.value > 0.95


@pytest.mark.parametrize("name", RULES)
def test_no_shortcut_that_is_closed_is_the_rule_itself(name):
    """And what is the rule itself is, but of AND and XOR, whose classes hold the same elements."""
    own, (closed, itself) = rule_itself(rule(name)), RULES[name]
    if name == "position":  # of which the table names one
        closed = ("composition", "number of sites", "best scores")
    kept = set(closed) - {"one position", "additive positions", "sum of positions", "nearest edge"}
    assert not own & kept
    assert own >= set(itself) or name in ("and", "xor")
    assert own or name not in ("motif", "affinity", "position", "confounder")


def test_the_confounder_says_much_in_training_and_nothing_in_the_test_set():
    """It is there in 0.9 of one class and 0.1 of the other: ROC AUC 0.9, and 0.5 on the test set."""
    for set_name, known in (("training", 0.9), ("validation", 0.9), ("test", 0.5)):
        found = restricted_ceilings(
            rule("confounder"), EXAMPLES, 0, set_name, 40, ["number of sites"]
        )
        value, error = found["number of sites"].roc_auc
        assert abs(value - known) < 5.2 * error
        assert error < 0.03


# --- grids and page


def test_every_rule_has_the_same_grid():
    """But for its name, its question and its grammar; large networks stand in a grid of their own."""
    folder = GRAMMARS.parent / "config" / "ladder"
    files = {file.stem: yaml.safe_load(file.read_text()) for file in folder.glob("*.yaml")}
    assert set(RULES) < files.keys()
    for name, grid in files.items():
        if name in ("tiny", "tune"):
            continue
        assert grid["name"] == f"ladder-{name}" and grid["question"].endswith("?")
        assert grid["grammars"] == [f"ladder-{name.removesuffix('-large')}"]
        like = files["order-large" if name.endswith("-large") else "motif"]
        of_each = ("name", "question", "grammars")
        assert {**grid, **dict.fromkeys(of_each)} == {**like, **dict.fromkeys(of_each)}
    shared = files["order-large"].keys() - {*of_each, "architectures"}
    assert {key: files["order-large"][key] for key in shared} == {
        k: files["motif"][k] for k in shared
    }


def test_a_part_of_a_grid_is_the_grid_but_for_what_is_left_out(tmp_path, monkeypatch, capsys):
    config = GRAMMARS.parent / "config/ladder/order.yaml"
    whole = yaml.safe_load(config.read_text())
    calls = {
        "--architectures conv-gru conv8-gmp-fc4": {
            "architectures": {
                "bayes-optimal": {},
                "conv-gru": whole["architectures"]["conv-gru"],
                "conv8-gmp-fc4": {},
            }
        },
        "--grammars ladder-order": {"grammars": {"ladder-order": {}}},
    }
    for call, changed in calls.items():
        monkeypatch.setattr("sys.argv", ["part.py", str(config), *call.split()])
        monkeypatch.chdir(tmp_path)
        part.main()
        written = tmp_path / capsys.readouterr().out.strip()
        made = yaml.safe_load(written.read_text())
        assert made == {**whole, **changed}
        assert Grid(made, written.name, (GRAMMARS.parent,)).config.name == "ladder-order"
    monkeypatch.setattr("sys.argv", ["part.py", str(config), "--grammars", "ladder-xor"])
    with pytest.raises(
        SystemExit, match=r"order.yaml: has no grammar 'ladder-xor'; it has ladder-order"
    ):
        part.main()


def test_the_page_holds_what_the_tables_say():
    page = ladder.PAGE.read_text()
    assert page == ladder.page_with(ladder.made())
    assert ladder.unfounded(page) == []
    for title, rule in ladder.ABOUT.items():
        assert f"\n**{title}** " in page and rule in ladder.RULES
        wrong = page.replace(f"\n**{title}** ", f"\n**{title}** It was 0.1234567 for 76,543. ")
        assert ladder.unfounded(wrong) == [f"{title}: 0.1234567", f"{title}: 76,543"]


def test_claims_of_a_page_hold_in_a_simulation():
    """Holm over all pairs: with equal architectures a claim in at most 5 % of rules, by 3 standard errors."""
    rng = np.random.default_rng(0)
    names, seeds = [f"a{i}" for i in range(4)], [1, 2, 3, 4, 5]
    false, missed, rules = 0, 0, 80
    for _ in range(rules):
        data = rng.normal(0.8, 0.02, 5)  # what a data seed does to all
        values = data[:, None] + rng.normal(0, 0.01, (5, 4))
        rows = [
            (a, 16000, s, v)
            for s, row in zip(seeds, values, strict=True)
            for a, v in zip(names, row, strict=True)
        ]
        cells = pd.DataFrame(rows, columns=["architecture", "size", "data_seed", "pr_auc"])
        false += (ladder.shown_better(cells)["p"] <= ladder.ALPHA).any()
        cells.loc[cells["architecture"] == "a3", "pr_auc"] += 0.15
        pairs = ladder.shown_better(cells).set_index(["better", "worse"])["p"]
        missed += sum(pairs[("a3", other)] > ladder.ALPHA for other in names[:3])
    assert false / rules < 0.05 + 3 * (0.05 * 0.95 / rules) ** 0.5
    assert missed / (3 * rules) < 0.05


def test_what_is_kept_of_a_rule_is_added_to(tmp_path):
    """Another grid of the rule replaces the rows of its own architectures and leaves the others."""
    frame = pd.DataFrame({"architecture": ["a", "b"], "pr_auc": [0.5, 0.6]})
    file = tmp_path / "cells.csv"
    ladder._add(file, frame, "architecture")
    ladder._add(file, frame.assign(architecture=["b", "c"], pr_auc=[0.7, 0.8]), "architecture")
    found = pd.read_csv(file).set_index("architecture")["pr_auc"].to_dict()
    assert found == {"a": 0.5, "b": 0.7, "c": 0.8}


def test_claims_are_repeated_where_their_architectures_were_run(tmp_path):
    (tmp_path / "motif").mkdir()
    cells = ladder.read(ladder.KEPT)[0]["motif"]
    claims = ladder.shown_better(ladder._models(cells)).query(f"p <= {ladder.ALPHA}")
    better, worse = claims[["better", "worse"]].iloc[0]
    own = cells[cells["architecture"].isin([better, worse])]
    own.to_csv(tmp_path / "motif/cells.csv", index=False)
    shutil.copy(ladder.KEPT / "motif/needed.csv", tmp_path / "motif")
    rest = f"; {len(claims) - 1} are of architectures that were not run"
    said = "motif: 1 of 1 claims point the same way; contradicted: none"
    assert list(ladder.repeated(tmp_path)) == [said + rest]
    names = own["architecture"].map({better: worse, worse: better})
    own.assign(architecture=names).to_csv(tmp_path / "motif/cells.csv", index=False)
    said = f"motif: 0 of 1 claims point the same way; contradicted: {better} over {worse}"
    assert list(ladder.repeated(tmp_path)) == [said + rest]
