"""The verb compare: tables with known numbers, partial grids, answers, the same bytes twice."""

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqgra.alphabet import one_hot
from seqgra.attribute import fixed_explanations
from seqgra.compare.ceiling import with_ceiling
from seqgra.compare.cells import CELL_COLUMNS, KEYS, read_cells
from seqgra.compare.comparison import compare_cells
from seqgra.compare.stages import look_at_model, look_at_scores
from seqgra.compare.tables import build_tables, counted, examples_needed, summary, write_tables
from seqgra.dataset import ELEMENT_COLUMNS, open_dataset
from seqgra.errors import InputError
from seqgra.evaluate.curves import score
from seqgra.fingerprint import Identity, claim, file_sha256, read_run, seal
from seqgra.grammar.load import load_grammar
from seqgra.outputs import own_files
from seqgra.plot.saving import draw_and_save
from seqgra.recovery import recover
from seqgra.report import write_report
from seqgra.report.drawing import drawing_of
from seqgra.report.figures.roc import draw_roc_pr
from seqgra.report.page import plain_text
from seqgra.report.sections.grammar import grammar_facts
from seqgra.results import AttributionScores, Scores, write_attributions, write_scores
from seqgra.simulate import simulate

METHOD = "integrated-gradients"
CONDITIONS = ("near", "far")
LENGTH = 30


def roles(dataset, set_name, rows, explained):
    """Positions 5 to 9 are grammar."""
    found = np.zeros((len(rows), LENGTH), np.uint8)
    found[:, 5:10] = 1
    return found


def write_test_set(folder, description="a <b>bold</b> grammar", examples=4, **more):
    """Write a dataset folder, four examples of which have elements."""
    content = {
        "grammar": {
            "description": description,
            "window": LENGTH,
            "background": {"letters": dict.fromkeys("ACGT", 0.25)},
            "elements": {"box": {"kmers": {"ACGTA": 1}}},
            "conditions": {name: {} for name in CONDITIONS},
        },
        "conditions": CONDITIONS,
        "task": "multi-class",
        "alphabet": "DNA",
        "window": LENGTH,
        "counts": {"test": examples},
        "elements": [],
        "roles": [],
        "checksums": {},
        **more,
    }
    with claim(folder, Identity("simulate", 1, {}, {"folder": folder.name})) as draft:
        draft.aside("dataset.json").write_text(json.dumps(content))
        for name, array in (
            ("x", np.zeros((examples, LENGTH))),
            ("y", np.eye(2)[np.arange(examples) % 2]),
        ):
            with draft.aside(f"test.{name}.npy").open("wb") as stream:
                np.save(stream, array.astype(np.uint8))
        table = {name: np.zeros(4, np.int64) for name in ELEMENT_COLUMNS}
        table |= {"example": np.arange(4), "start": np.full(4, 5), "end": np.full(4, 10)}
        table |= {"condition": np.array([0, 1, 0, 1]), "strand": np.ones(4, np.int64)}
        elements = draft.aside("test.elements.parquet")
        pd.DataFrame(table).to_parquet(elements, index=False)
        draft.publish()


def write_cell(root, key, pr_auc, *, status="done", reason="", recovery=0.5, skip="", gaps=()):
    """Write the nouns of a cell; `pr_auc` None: no scores; `skip`: why it has no attributions."""
    path = "/".join(map(str, key))
    model = Identity("train", 1, {}, {"path": path, "seeds": "nested"})
    with claim(root / "models" / path, model) as draft:
        draft.publish(
            status, reason=reason, epochs=7, parameters=99, device="cpu", threads=1, seconds=1.5
        )
    if pr_auc is None:
        return
    inputs = {"model": model.fingerprint}
    with claim(root / "scores" / path, Identity("evaluate", 1, inputs)) as draft:
        write_scores(_scores(pr_auc), draft)
        draft.publish(status)
    with claim(root / "attributions" / path, Identity("attribute", 1, inputs)) as draft:
        if skip:
            draft.publish("skipped", reason=skip)
        else:
            write_attributions(_attributions(recovery, gaps), draft)
            draft.publish()


def _scores(pr_auc):
    by_scope = {"micro": pr_auc, "macro": pr_auc, "near": pr_auc, "far": float("nan")}
    points = [
        (kind, "micro", x, y) for kind in ("roc", "pr") for x, y in ((0, 0), (0.3, 0.9), (1, 1))
    ]
    curves = pd.DataFrame(points, columns=["curve", "scope", "x", "y"])
    metrics = {"pr_auc": by_scope, "roc_auc": by_scope}
    chance = {metric: dict.fromkeys(by_scope, 0.5) for metric in metrics}
    logits = np.zeros((4, 2), np.float32)
    return Scores(4, "multi-class", "micro", metrics, chance, curves, logits)


def _attributions(recovery, gaps=()):
    table = pd.DataFrame({"example": range(4), "condition": ["near", "far"] * 2, "correct": True})
    table["ap_chance_corrected"] = recovery
    table["null_ap_chance_corrected"] = 0.1
    if len(gaps):  # of a method whose values promise a sum
        table["completeness_gap"], table["steps"] = gaps, 50
        table["precision"], table["f1"] = [0.5, np.nan, np.nan, 0.5], [0.5, 0.0, 0.0, 0.5]
    values = np.zeros((4, 4, LENGTH), np.float32)
    values[:, 0, 5:10] = 1
    table["instance_recall:box"] = 0.25
    like = {"cosine": 0.5, "pearson": float("nan"), "kl": 1.0, "flank_mass": 0.1}
    elements = pd.DataFrame([{"element": "box", "instances": 7, **like}])
    motifs = pd.DataFrame(np.eye(16, 4), columns=list("ACGT"))
    motifs.insert(0, "column", np.arange(16) - 4)
    motifs.insert(0, "element", "box")
    pictured = (np.arange(4), np.array([0, 1, 0, 1]), values)
    return AttributionScores(METHOD, table, *pictured, elements, motifs, {"near": 2.0, "far": 1.0})


def write_cells(root, keys):
    """Write the cells file."""
    with (root / "cells.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(CELL_COLUMNS)
        for key in keys:
            path = "/".join(map(str, key))
            folders = [f"{root}/{noun}/{path}" for noun in ("models", "scores", "attributions")]
            folders[2] = f"{METHOD}={folders[2]}"
            writer.writerow([*key, *folders, f"{root}/data/{key[0]}"])
    return root / "cells.csv"


def key(grammar, size, architecture, seed, backend="pytorch"):
    return (grammar, size, seed, architecture, backend, seed)


#: PR AUC by architecture and size, one a seed; None: not evaluated yet.
GRID = {
    ("pool", "pytorch"): {1000: (0.6, 0.7), 2000: (0.97, 0.95)},
    ("flat", "pytorch"): {1000: (0.96, 0.98), 2000: (0.5, 0.99)},
    ("kmer", "sklearn"): {1000: (0.7, 0.7), 2000: (0.75, None)},
}


def make_grid(root):
    """Write a grid with a collapsed run, a diverged one, one without scores, and a baseline."""
    write_test_set(root / "data" / "mc2")
    keys = []
    for (architecture, backend), by_size in GRID.items():
        for size, values in by_size.items():
            for seed, value in enumerate(values):
                keys.append(key("mc2", size, architecture, seed, backend))
                status = "collapsed" if value == 0.5 else "done"
                skip = "no gradient" if backend == "sklearn" else ""
                write_cell(root, keys[-1], value, status=status, recovery=value, skip=skip)
    keys.append(key("mc2", 2000, "flat", 9))
    write_cell(root, keys[-1], None, status="diverged", reason="loss is NaN")
    keys.append(key("mc2", 2000, "pool", 9))  # nothing there at all
    return write_cells(root, keys)


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return make_grid(tmp_path_factory.mktemp("grid"))


def test_scores_are_tidy_and_hold_the_known_values(grid):
    scores = build_tables(read_cells(grid)).scores
    assert list(scores.columns) == [
        *KEYS, "training_examples", "status", "metric", "scope", "value", "chance", "headline",
    ]  # fmt: skip
    assert len(scores) == 11 * 2 * 4, "11 evaluated cells x 2 metrics x 4 scopes"
    found = scores[(scores["metric"] == "pr_auc") & (scores["scope"] == "micro")]
    values = {tuple(row[:6]): row[10] for row in found.itertuples(index=False)}
    assert values[key("mc2", 2000, "pool", 1)] == 0.95
    assert set(scores.loc[scores["size"] == 1000, "training_examples"]) == {700}
    assert scores.loc[scores["scope"] == "far", "value"].isna().all()
    assert not scores.duplicated([*KEYS, "metric", "scope"]).any()


def test_status_has_every_cell_and_its_reason(grid):
    status = build_tables(read_cells(grid)).status.set_index(list(KEYS))
    assert len(status) == 14
    found = {
        name: tuple(status.loc[[cell], ["status", "reason"]].iloc[0])
        for name, cell in {
            "done": key("mc2", 1000, "pool", 0),
            "collapsed": key("mc2", 2000, "flat", 0),
            "diverged": key("mc2", 2000, "flat", 9),
            "missing": key("mc2", 2000, "pool", 9),
            "no scores": key("mc2", 2000, "kmer", 1, "sklearn"),
            "no recovery": key("mc2", 1000, "kmer", 0, "sklearn"),
        }.items()
    }
    assert found["done"] == ("done", "")
    assert found["collapsed"] == ("collapsed", "train: collapsed")
    assert found["diverged"] == ("diverged", "train: loss is NaN")
    assert found["missing"] == ("missing", "train: not finished")
    unfinished = f"evaluate: not finished; {METHOD}: not finished"
    assert found["no scores"] == ("missing", unfinished)
    assert found["no recovery"] == ("done", "")
    lacks = status.loc[[key("mc2", 1000, "kmer", 0, "sklearn")], "not_defined"].iloc[0]
    assert lacks == f"{METHOD}: no gradient"


def test_a_cell_that_cannot_exist_is_skipped_with_its_reason(tmp_path):
    cell = key("mc2", 1000, "danq", 0)
    write_cell(tmp_path, cell, None, status="skipped", reason="needs 200 letters")
    status = build_tables(read_cells(write_cells(tmp_path, [cell]))).status
    assert tuple(status.loc[0, ["status", "reason"]]) == ("skipped", "train: needs 200 letters")


def test_scores_of_an_earlier_model_do_not_count(tmp_path):
    cell = key("mc2", 1000, "pool", 0)
    write_cell(tmp_path, cell, 0.9)
    path = tmp_path / "models" / "/".join(map(str, cell))
    with claim(path, Identity("train", 2)) as draft:
        draft.publish()
    tables = build_tables(read_cells(write_cells(tmp_path, [cell])))
    assert tables.scores.empty
    assert tables.status.loc[0, "status"] == "missing"
    assert "earlier model" in str(tables.status.loc[0, "reason"])


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.parametrize(
    ("noun", "name"),
    [
        ("scores", "scores.json"),
        ("scores", "curves.parquet"),
        ("attributions", "recovery.json"),
        ("attributions", "attributions.npy"),
    ],
)
def test_a_flipped_bit_is_found_by_the_hash_and_the_file_named(tmp_path, noun, name):
    cell = key("mc2", 1000, "pool", 0)
    write_test_set(tmp_path / "data" / "mc2")
    write_cell(tmp_path, cell, 0.9)
    file = tmp_path / noun / "/".join(map(str, cell)) / name
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="does not match its checksum") as refused:
        run(write_cells(tmp_path, [cell]), tmp_path / "out")
    assert str(file) in str(refused.value)


def test_a_truncated_attribution_is_missing_and_named(tmp_path):
    cell = key("mc2", 1000, "pool", 0)
    write_test_set(tmp_path / "data" / "mc2")
    write_cell(tmp_path, cell, 0.9)
    file = tmp_path / "attributions" / "/".join(map(str, cell)) / "attributions.npy"
    file.write_bytes(file.read_bytes()[:-1])
    tables = build_tables(read_cells(write_cells(tmp_path, [cell])))
    assert tables.recovery.empty
    reason = f"{METHOD}: has lost or truncated files (attributions.npy)"
    assert tables.status["reason"].tolist() == [reason]


@pytest.mark.usefixtures("svg_alone")
@pytest.mark.parametrize(
    ("noun", "name", "lost", "stage"),
    [
        ("attributions", "recovery.json", "elements", METHOD),
        ("scores", "scores.json", "task", "evaluate"),
    ],
)
def test_what_an_earlier_version_made_is_missing_and_the_others_are_shown(
    tmp_path, noun, name, lost, stage
):
    cells = [key("mc2", 1000, "pool", seed) for seed in (0, 1)]
    write_test_set(tmp_path / "data" / "mc2")
    for cell in cells:
        write_cell(tmp_path, cell, 0.9)
    folder = tmp_path / noun / "/".join(map(str, cells[0]))
    content = json.loads((folder / name).read_text())
    del content[lost]
    (folder / name).write_text(json.dumps(content))
    facts = json.loads((folder / "run.json").read_text())
    facts["files"][name] = {
        "bytes": (folder / name).stat().st_size,
        "sha256": file_sha256(folder / name),
    }
    (folder / "run.json").write_text(seal(facts))
    run(write_cells(tmp_path, cells), tmp_path / "out")
    status = pd.read_csv(tmp_path / "out" / "tables" / "status.csv", keep_default_na=False)
    reason = f"{stage}: out of date: lacks {lost}: it is of an earlier version; make it again"
    assert status["reason"].tolist() == [reason, ""]
    assert status["status"].tolist() == ["missing" if noun == "scores" else "done", "done"]
    shown = pd.read_csv(
        tmp_path / "out" / "tables" / f"{noun.replace('attributions', 'recovery')}.csv"
    )
    assert set(shown["data_seed"]) == {1}
    assert reason in (tmp_path / "out" / "report.html").read_text()


@pytest.mark.usefixtures("svg_alone")
def test_failed_gates_and_undefined_metrics_are_in_the_tables_and_on_the_page(tmp_path):
    cells = [key("mc2", 1000, "pool", seed) for seed in (0, 1)]
    write_test_set(tmp_path / "data" / "mc2")
    write_cell(tmp_path, cells[0], 0.9, gaps=[0.001, 0.002, 0.003, 0.4])
    write_cell(tmp_path, cells[1], 0.9, gaps=[0.001] * 4)
    tables = build_tables(read_cells(write_cells(tmp_path, cells)))
    assert tables.gates["passed"].tolist() == [False, True] and set(tables.gates["steps"]) == {50}
    assert tables.gates["median"].tolist() == pytest.approx([0.0025, 0.001])
    own = tables.recovery[tables.recovery["data_seed"] == 0]
    counted = own.set_index(["metric", "scope"])["undefined"]
    assert counted["precision"].to_dict() == {"macro": 2, "near": 1, "far": 1}
    assert not counted["f1"].any()
    assert own.set_index(["metric", "scope"])["value"]["precision", "macro"] == 0.5
    run(tmp_path / "cells.csv", tmp_path / "out")
    page = (tmp_path / "out" / "report.html").read_text()
    assert f"{METHOD} fails the gate of completeness in 1 of 2 runs" in page
    assert "99th percentile of the gaps up to 39 %" in page and "Take more steps" in page
    assert "left out of means, over all runs: precision of 4 of 8 explanations" in page
    assert (tmp_path / "out" / "tables" / "gates.csv").is_file()


def test_recovery_lies_between_its_null_and_the_ceiling(tmp_path):
    write_test_set(tmp_path / "data" / "mc2")
    keys = [key("mc2", 1000, name, 0) for name in ("low", "null", "pool")]
    keys += [("mc2", 0, 0, name, "bayes-optimal", 0) for name in ("exact", "second")]
    keys.append(key("other", 1000, "pool", 0))  # a grammar without a ceiling
    for cell, value in zip(keys, (0.02, 0.1, 0.4, 0.5, 0.9, 0.4), strict=True):
        write_cell(tmp_path, cell, 0.9, recovery=value)
    shutil.rmtree(tmp_path / "scores")
    tables = build_tables(read_cells(write_cells(tmp_path, keys)))
    macro = tables.recovery[tables.recovery["scope"] == "macro"].set_index("architecture")
    macro = macro[macro["metric"] == "ap_chance_corrected"]
    assert set(macro["null"]) == {0.1}
    own = macro[macro["grammar"] == "mc2"]
    assert set(own["ceiling"]) == {0.5}, "of the first posterior"
    expected = {"low": -0.2, "null": 0, "pool": 0.75, "exact": 1, "second": 2}
    assert own["rescaled"].to_dict() == pytest.approx(expected)
    other = macro[macro["grammar"] == "other"]
    assert other[["ceiling", "rescaled"]].isna().all(axis=None) and len(other) == 1
    no_room = tables.recovery.drop(columns=["ceiling", "rescaled"]).assign(null=9.0)
    assert with_ceiling(no_room)["rescaled"].isna().all()
    best = tables.recovery.loc[tables.recovery["ceiling"].notna(), "ceiling"].max()
    hardly = no_room.assign(null=best - 0.001)
    assert with_ceiling(hardly)["rescaled"].isna().all(), "a share of a thousandth says nothing"


def test_recovery_and_runs(grid):
    tables = build_tables(read_cells(grid))
    recovery = tables.recovery[tables.recovery["scope"] == "macro"]
    recovery = recovery[recovery["metric"] == "ap_chance_corrected"]
    assert len(recovery) == 8, "the networks' evaluated cells"
    assert set(recovery["method"]) == {METHOD}
    assert set(recovery["examples"]) == {4}
    assert recovery["value"].tolist() == pytest.approx(
        [0.96, 0.6, 0.98, 0.7, 0.5, 0.97, 0.99, 0.95]
    )
    rows = tables.elements
    assert len(rows) == 8 and set(rows["element"]) == {"box"} and set(rows["instances"]) == {7}
    assert set(rows["found"]) == {0.25} and set(rows["cosine"]) == {0.5}
    assert rows["pearson"].isna().all()
    consistency = tables.recovery[tables.recovery["metric"] == "consistency"]
    assert len(consistency) == 24 and consistency["null"].isna().all()
    assert set(consistency.loc[consistency["scope"] == "macro", "value"]) == {1.5}
    runs = tables.runs
    trained = runs.dropna(subset=["train_seconds"])
    assert (len(runs), len(trained)) == (14, 13)
    assert set(trained["epochs"]) == {7}
    assert set(trained["train_seconds"]) == {1.5}
    assert "numpy" in json.loads(trained["versions"].iloc[0])


def test_summary_means_over_seeds_and_counts_what_failed(grid):
    table = summary(counted(build_tables(read_cells(grid))))
    row = table[(table["architecture"] == "flat") & (table["size"] == 2000)].iloc[0]
    assert row["mean"] == pytest.approx((0.99 + 0.5 + 0.5) / 3)  # the third diverged
    assert (row["min"], row["max"], row["n"], row["failed"]) == (0.5, 0.99, 3, 2)
    assert len(table) == 6


def test_a_diverged_run_counts_as_a_constant_prediction(grid):
    """As in every other number of the page: four lost runs of five are no PR AUC of 0.97."""
    tables = build_tables(read_cells(grid))
    own = (tables.status["architecture"] == "pool") & (tables.status["data_seed"] == 1)
    own &= tables.status["size"] == 2000
    assert own.sum() == 1
    key = tables.status.loc[own, list(KEYS)]
    scores = tables.scores.merge(key.assign(lost=True), on=list(KEYS), how="left")
    scores = scores[scores["lost"].isna()].drop(columns="lost")
    status = tables.status.assign(status=tables.status["status"].mask(own, "diverged"))
    runs = counted(tables._replace(scores=scores, status=status))
    whole, lost = summary(counted(tables)), summary(runs)
    here = ["grammar", "architecture", "size"]
    before, after = (table.set_index(here).loc[("mc2", "pool", 2000)] for table in (whole, lost))
    assert (after["n"], after["failed"], after["min"]) == (before["n"], 1, before["chance"])
    assert after["mean"] == pytest.approx(
        (before["mean"] * 2 + before["chance"] - 0.99) / 2, abs=0.03
    )
    named = status.assign(label=status["architecture"])
    labelled = tables._replace(scores=scores.assign(label=scores["architecture"]), status=named)
    drawn = counted(labelled).query("status == 'diverged'")
    assert "pool" in set(drawn["label"]) and drawn["training_examples"].dtype == "int64"
    needed = examples_needed(runs, 0.95)
    assert needed.set_index("architecture").loc["pool", "needed"] == "> 2000"


@pytest.mark.usefixtures("svg_alone")
def test_json_replaces_an_earlier_comparison_and_nothing_else(tmp_path):
    cells, mine = write_cells(tmp_path, [key("mc2", 1000, "pool", 0)]), tmp_path / "notes.md"
    for text in ("my notes", '{"question": "mine"}', ""):
        mine.write_text(text)
        with pytest.raises(InputError, match="holds no comparison; choose another file"):
            write_report(cells, tmp_path / "out", config=None, json=mine)
        assert mine.read_text() == text and not (tmp_path / "out").exists()
    mine.unlink()
    for _ in range(2):
        assert write_report(cells, tmp_path / "out", config=None, json=mine) == "done"
    assert json.loads(mine.read_text())["question"] == ""


def test_calibration_is_of_the_architecture_named_where_that_is_finished(tmp_path):
    write_test_set(tmp_path / "data" / "mc2")
    keys = [key("mc2", 1000, "pool", 0), key("mc2", 1000, "flat", 0), key("mc2", 2000, "flat", 0)]
    for own, value in zip(keys, (0.9, 0.7, 0.8), strict=True):
        write_cell(tmp_path, own, value)
    found = compare_cells(read_cells(write_cells(tmp_path, keys)), at=1000)
    assert found.answer[0].label == "pool"
    calibrated = found.calibration[["label", "size"]].drop_duplicates()
    assert calibrated.to_numpy().tolist() == [["pool", 1000]]


def test_a_real_dataset_has_its_simulated_counterpart(tmp_path):
    """Twice its examples are more than there are, and are read from the grammar of the same conditions."""
    write_test_set(tmp_path / "data" / "mine", ingest={})
    write_test_set(tmp_path / "data" / "twin")
    sizes = {"mine": (1000, 2000), "twin": (1000, 2000, 4000)}
    keys = [
        key(name, size, "pool", seed) for name in sizes for size in sizes[name] for seed in (0, 1)
    ]
    for own in keys:
        write_cell(tmp_path, own, 0.6 + own[1] / 20_000)
    found = compare_cells(read_cells(write_cells(tmp_path, keys)))
    mine, twin = found.answer
    assert mine.simulated[0] == "twin" and mine.simulated[1].gain == pytest.approx(0.1)
    assert twin.simulated is None and list(found.grammars) == ["twin"]
    assert found.statistics.real == {"mine"} and found.statistics.stability.empty


def test_examples_needed_is_the_first_size_whose_mean_reaches_the_target(grid):
    table = examples_needed(counted(build_tables(read_cells(grid))), 0.95).set_index("architecture")
    columns = ["needed", "size", "reached", "n", "stays"]
    assert tuple(table.loc["pool", columns]) == ("2000", 2000, 2, 2, True)
    assert tuple(table.loc["flat", columns]) == ("1000", 1000, 2, 2, False)
    assert tuple(table.loc["kmer", columns]) == ("> 2000", 2000, 0, 1, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grammar,size\nmc2,1000\n", "lacks the columns data_seed"),
        (",".join(CELL_COLUMNS) + "\nmc2,1e3,0,a,b,0,m,s,,t\n", "line 2: size is '1e3'"),
        (",".join(CELL_COLUMNS) + "\nmc2,9,0,a,b,0,m,s,folder,t\n", "expected method=folder"),
        (",".join(CELL_COLUMNS) + "\nmc2,9,0,a,b,0,m,s,,t" * 2 + "\n", "line 3: lists the cell"),
    ],
    ids=["columns", "number", "attributions", "twice"],
)
def test_a_malformed_cells_file_is_refused(tmp_path, text, message):
    path = tmp_path / "cells.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(message)):
        read_cells(path)


def test_names_that_look_like_numbers_or_nothing_stay_names(tmp_path):
    cell = key("007", 1000, "NA", 0)
    write_cell(tmp_path, cell, 0.9)
    scores = build_tables(read_cells(write_cells(tmp_path, [cell]))).scores
    assert tuple(scores.loc[0, ["grammar", "architecture"]]) == ("007", "NA")


@pytest.mark.usefixtures("svg_alone")
def test_a_test_set_that_has_grown_counts_as_what_was_scored(tmp_path):
    """A grid that asks for fewer test examples than it did scores the first ones only."""
    write_test_set(tmp_path / "data" / "mc2", examples=80)
    cells = [key("mc2", 1000, "flat", seed) for seed in (1, 2)]
    write_cell(tmp_path, cells[0], None, status="diverged")
    write_cell(tmp_path, cells[1], 0.9)
    page = run(write_cells(tmp_path, cells), tmp_path / "out")[Path("report.html")].decode()
    page = " ".join(page.split())
    assert "tested on the same 4 examples" in page and "same 80 examples" not in page


def run(grid, folder, workers=1):
    config = grid.with_name("config.yaml")
    config.write_text("seeds: 2  # <script>alert(1)</script>\n", encoding="utf-8")
    assert write_report(grid, folder, config=config, workers=workers) == "done"
    files = [p for p in folder.rglob("*") if p.is_file() and not p.name.startswith(".compare")]
    return {p.relative_to(folder): p.read_bytes() for p in files}


@pytest.fixture(scope="module")
def built(grid):
    return run(grid, grid.with_name("out"))


#: A user's own files, whose names are much like those of figures.
MINE = ["figures/architecture-of-our-lab.pdf", "figures/recovery-final.pdf", "figures/at.pdf"]
MINE += ["figures/motifs-foo.svg", "figures/keep.png", "tables/notes.csv", "notes.html"]


@pytest.mark.slow
def test_the_same_bytes_twice_and_from_two_processes_beside_a_users_files(grid, built, tmp_path):
    out = tmp_path / "out"
    for name in [*MINE, "figures/agreement-gone.svg"]:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    stale = out / "figures" / "agreement-gone.svg"  # of a grammar that left the grid
    (out / ".compare.sha256").write_text(f"{file_sha256(stale)}  figures/{stale.name}\n")
    again = run(grid, out, workers=2)
    assert [again.pop(Path(name)) for name in MINE] == [b"mine"] * len(MINE)
    assert set(again) == set(built), "same files, and no stale figure"
    may_differ = {"report.html", "runs.csv", "runs.parquet"}
    for path, content in built.items():
        assert path.name in may_differ or again[path] == content, f"{path} differs"
    listed = {line[66:] for line in (out / ".compare.sha256").read_text().splitlines()}
    assert listed == set(map(str, built))


def test_only_figures_that_changed_are_drawn_again(grid, built, tmp_path, monkeypatch):
    out = tmp_path / "out"
    shutil.copytree(grid.with_name("out"), out)
    drawn = []

    def noted(stem, draw):
        drawn.append(stem.name)
        draw_and_save(stem, draw)

    monkeypatch.setattr("seqgra.plot.saving.draw_and_save", noted)
    (out / "figures" / "runs.pdf").write_text("edited by hand")
    (out / "figures" / "pareto.png").unlink()
    (out / "figures" / "answer.svg").rename(out / "elsewhere.svg")
    (out / "figures" / "answer.svg").symlink_to(out / "elsewhere.svg")
    again = run(grid, out)
    assert sorted(drawn) == ["answer", "pareto", "runs"]
    assert not (out / "figures" / "answer.svg").is_symlink()
    pictures = {path: content for path, content in built.items() if path.parts[0] == "figures"}
    assert pictures.items() <= again.items(), "the same bytes"
    drawn.clear()
    cells = grid.read_text().splitlines()
    grid.with_name("fewer.csv").write_text("\n".join(cells[:-1]))  # its last cell has no model
    run(grid.with_name("fewer.csv"), out)
    assert not drawn
    grid.with_name("fewer.csv").write_text("\n".join(cells[:1] + cells[2:]))
    run(grid.with_name("fewer.csv"), out)
    assert {"pr-auc", "runs", "architecture-pool"} <= set(drawn) and "examples-mc2" not in drawn


def test_every_file_is_there(built):
    names = ("scores", "recovery", "status", "runs", "needed", "ranking", "pairs", "variance")
    names += ("concordance", "elements", "gates", "probes", "rules", "rules-needed", "rule-card")
    names += ("answer", "calibration", "prevalence")
    tables = [
        f"{n}.{s}"
        for n in (*names, "stability", "noise", "regret", "ceilings", "tuning")
        for s in ("csv", "parquet")
    ]
    stems = ("answer", "answer-narrow", "calibration", "pr-auc", "recovery", "runs", "pareto")
    named = ("roc-pr", "agreement", "agreement-thresholded", "examples", "motifs")
    stems += tuple(f"{name}-mc2" for name in named)
    stems += tuple(f"architecture-{name}" for name in ("flat", "kmer", "pool"))
    figures = [f"{n}.{s}" for n in stems for s in ("svg", "pdf", "png")]
    assert {path.name for path in built} == {*tables, *figures, "report.html"}


def test_parquet_and_csv_say_the_same(grid, built):
    for name in ("scores", "recovery"):
        stored = pd.read_parquet(grid.with_name("out") / "tables" / f"{name}.parquet")
        text = pd.read_csv(grid.with_name("out") / "tables" / f"{name}.csv")
        pd.testing.assert_frame_equal(stored, text, check_dtype=False)


def test_the_report_answers_first_and_loads_nothing(built):
    page = built[Path("report.html")].decode()
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert "http://" not in page
    assert "https://" not in page
    assert page.count("<script") == 1, "the filters' own"
    assert "&lt;script&gt;alert(1)" in page, "the config is quoted, escaped"
    assert "a &lt;b&gt;bold&lt;/b&gt; grammar" in page
    page = " ".join(page.split())
    answer = page.index(
        "Try first <strong>pool</strong>: PR AUC 0.960 at 2,000 examples; the next, "
    )
    assert page.index('class="section"') > answer > page.index("<figure>"), "the figure, then words"
    assert "mean PR AUC 0.960 (a constant prediction: 0.500); the ceiling is not known." in page
    needs = "Examples needed for 90 % of the way from chance to a perfect score (the ceiling is unknown), "
    curves = "PR AUC 0.950: 2,000 (typical; range 1,900 to 2,000; reached by 2 of 2 runs)."
    assert needs + curves in page
    assert "2 data seeds cannot show that it is the best" in page, "kmer has one there, another two"
    assert "Without a network: kmer reaches 0.750." in page
    wrong = page[page.index('id="problems"') :]
    for reason in ("loss is NaN", "not finished"):
        assert reason in wrong, f"{reason!r} is not told"
    assert "no gradient" not in wrong, "what a baseline cannot do is nothing that went wrong"
    assert f"Not defined for it: {METHOD}: no gradient." in page
    assert page.count("<img") == page.count(' alt="') == 14
    assert "left out of means" not in page, "no explanation lacks a metric"
    assert len(page) < 5_000_000


@pytest.mark.usefixtures("svg_alone")
def test_a_grid_without_any_result_gives_a_report_that_says_so(tmp_path):
    cells = write_cells(tmp_path, [key("mc2", 1000, "pool", 0)])
    assert write_report(cells, tmp_path / "out", config=None) == "done"
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "No cell has scores yet" in page
    assert (tmp_path / "out" / "tables" / "scores.csv").read_text().count("\n") == 1


@pytest.mark.usefixtures("svg_alone")
def test_architectures_with_two_backends_are_told_apart(tmp_path):
    cells = [key("mc2", 1000, "pool", 0, backend) for backend in ("pytorch", "tensorflow")]
    write_cell(tmp_path, cells[0], 0.9)
    write_cell(tmp_path, cells[1], 0.8)
    write_report(write_cells(tmp_path, cells), tmp_path / "out", config=None)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Try first <strong>pool (pytorch)</strong>" in page


def test_a_missing_config_is_the_users_error(grid, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        write_report(grid, tmp_path / "out", config=tmp_path / "no.yaml")


MULTI_LABEL = """
description: two motifs, shown or not
task: multi-label
window: [24, 30]
elements: {a: {kmers: {ACGTAC: 1}}, b: {kmers: {TTGGTT: 1}}, c: {kmers: {CCCCC: 1}}}
conditions: {near: {rules: [{elements: [a]}]}, far: {rules: [{elements: [b], probability: .5}]}}
examples: [{conditions: [near], share: 2}, {conditions: [near, far]}, {conditions: []}]
confounders: [{elements: [c], probability: {near: 1, none: 0}, test: 0.5}]
noise: {labels: {near: .1, far: 0}}
"""


@pytest.fixture(scope="module")
def labelled(tmp_path_factory, svg_only):
    """Return the folder of a comparison of one multi-label cell, its scores and its recovery."""
    root = tmp_path_factory.mktemp("labelled")
    (root / "grammar.yaml").write_text(MULTI_LABEL)
    simulate(root / "grammar.yaml", root / "data" / "ml", seed=0, counts={"test": 200})
    data, cell = open_dataset(root / "data" / "ml"), key("ml", 1000, "pool", 0)
    y = data.y("test")
    logits = np.random.default_rng(0).normal(size=y.shape).astype(np.float32) + 2 * y
    scores = score(logits, y, data.conditions, "multi-label")
    rows, explained = fixed_explanations(data.y_true("test"), 40)
    values = one_hot(data.x("test")[rows], 4)
    recovery = recover(data, "test", rows, explained, values, True)
    keys = {"example": rows, "condition": np.array(data.conditions)[explained], "correct": True}
    recovery = pd.concat([pd.DataFrame(keys), recovery], axis=1)
    write_cell(root, cell, 0.9)
    path = "/".join(map(str, cell))
    inputs = {"model": read_run(root / "models" / path)["fingerprint"]}
    with claim(root / "scores" / path, Identity("evaluate", 2, inputs)) as draft:
        write_scores(scores, draft)
        draft.publish()
    with claim(root / "attributions" / path, Identity("attribute", 2, inputs)) as draft:
        write_attributions(AttributionScores(METHOD, recovery, rows, explained, values), draft)
        draft.publish()
    with svg_only():
        write_report(write_cells(root, [cell]), root / "out", config=None)
    return root / "out", scores, recovery


def test_a_multi_label_grammar_is_judged_by_macro_beside_its_chance(labelled):
    out, scores, _ = labelled
    table = pd.read_csv(out / "tables" / "scores.csv")
    assert table.groupby("scope")["headline"].all().to_dict() == {
        "micro": False, "macro": True, "near": False, "far": False,
    }  # fmt: skip
    for row in table.itertuples():
        assert row.value == pytest.approx(scores.metrics[row.metric][row.scope])
        assert row.chance == pytest.approx(scores.chance[row.metric][row.scope])
    page = (out / "report.html").read_text(encoding="utf-8")
    value, chance = (part["pr_auc"]["macro"] for part in (scores.metrics, scores.chance))
    assert chance == pytest.approx((0.75 + 0.25) / 2)
    page = " ".join(page.split())
    words = f"At 1,000 examples try first pool: mean macro PR AUC {value:.3f}"
    assert f"{words} (a constant prediction: {chance:.3f});" in page
    assert "&gt; 1,000 (typical; a single run)" in page
    assert "Mean PR AUC (macro) over runs" in page and f"prediction has {chance:.3f}." in page
    assert "Macro PR AUC is the mean over conditions" in page


def test_a_label_of_every_test_example_leaves_no_roc_curve(tmp_path):
    """A ROC area needs examples without the label, a PR area does not."""
    write_test_set(tmp_path / "data" / "mc2")
    cell = key("mc2", 1000, "pool", 0)
    write_cell(tmp_path, cell, 0.9)
    path = "/".join(map(str, cell))
    inputs = {"model": read_run(tmp_path / "models" / path)["fingerprint"]}
    y, logits = np.array([[1, 0], [1, 1], [1, 1], [1, 0]]), np.arange(8.0).reshape(4, 2)
    with claim(tmp_path / "scores" / path, Identity("evaluate", 2, inputs)) as draft:
        write_scores(score(logits, y, CONDITIONS, "multi-label"), draft)
        draft.publish()
    compared, saved = compare_cells(read_cells(write_cells(tmp_path, [cell]))), []
    drawing = drawing_of(compared, tmp_path, lambda _, drawn: saved.append(drawn()))
    assert len(draw_roc_pr(drawing, "mc2")) == 1
    (figure,) = saved
    assert figure.legends[0].get_texts()[0].get_text() == "pool  (–, 0.792)"
    left, right = (axis.lines[0].get_xydata() for axis in figure.axes)
    assert len(left) == 0 and len(right) > 0


def test_a_report_tells_of_labels_lengths_noise_and_confounders(labelled):
    out, _, recovery = labelled
    page = (out / "report.html").read_text(encoding="utf-8")
    assert (
        "Multi-label: an example shows up to 2 of the 2 conditions; some show none. Each label is "
        "predicted and explained by itself. Sequences have 24 to 30 letters. Labels are wrong in "
        "training and validation: 10 % of near; the test set is clean. Confounders (c) go with "
        "conditions but do not make them, and are drawn otherwise in the test set."
    ) in page
    means = recovery.groupby("condition")[["confounder_share", "confounder_share_lift"]].mean()
    share, lift = means.mean()
    assert f"<td>{share:.3f}</td><td>{lift:.2f}</td>" in page
    assert "blue: part of a confounder" in page and "each row is a label of a test example" in page
    left_out = int(recovery["auroc"].isna().sum())
    assert left_out > 0
    assert (
        f"test examples that all models share: on {80 - left_out:,} explanations ({left_out} more"
        in page
    )
    table = pd.read_csv(out / "tables" / "recovery.csv").query("metric == 'auroc'")
    counts = table.set_index("scope")[["examples", "left_out"]]
    assert counts.loc["far"].tolist() == [40 - left_out, left_out]
    assert counts.loc["near"].tolist() == [40, 0]
    assert counts.loc["macro"].tolist() == [80 - left_out, left_out]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "noise: {labels: {one: 0.2}, sets: [test]}",
            "wrong in test: 20 % of one; scores are against",
        ),
        ("confounders: [{elements: [a], probability: 0.5}]", "are drawn alike in all sets"),
        ("noise: {labels: {one: 0}}", ""),
    ],
)
def test_facts_of_a_grammar(tiny_grammar, change, words):
    def facts():
        found = grammar_facts(load_grammar(tiny_grammar))
        return plain_text("facts.j2", "grammar", found)

    assert facts() == ""
    tiny_grammar.write_text(tiny_grammar.read_text() + change)
    assert words in facts() and bool(words) == bool(facts())


@pytest.mark.slow
@pytest.mark.usefixtures("svg_alone")
def test_grammars_of_both_kinds_share_a_figure(labelled, grid, tmp_path):
    rows = [path.read_text().splitlines() for path in (grid, labelled[0].with_name("cells.csv"))]
    (tmp_path / "cells.csv").write_text("\n".join([*rows[0], *rows[1][1:]]) + "\n")

    write_report(tmp_path / "cells.csv", tmp_path / "out", config=None)
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "all conditions pooled; in multi-label and unbalanced tasks macro" in page
    assert "mean PR AUC" in page and "mean macro PR AUC" in page


def test_formulas_in_tables_are_texts(tmp_path):
    frame = pd.DataFrame({"a": ["=1+1", "-0.5", "@x", "-x", "x"], "b": [-0.5, 1, 2, 3, 4]})
    with own_files(tmp_path, "compare") as own:
        write_tables({"t": frame}, own)
    text = (tmp_path / "tables" / "t.csv").read_text()
    assert text == "a,b\n'=1+1,-0.5\n-0.5,1.0\n'@x,2.0\n'-x,3.0\nx,4.0\n"
    assert pd.read_parquet(tmp_path / "tables" / "t.parquet")["a"].tolist() == frame["a"].tolist()


def test_results_of_another_cell_are_not_shown_as_its_own(tmp_path):
    """Folders of one size that were copied over those of another, and other options."""
    write_test_set(tmp_path / "data" / "mc2")
    ours, theirs = key("mc2", 1000, "pool", 0), key("mc2", 500, "pool", 0)
    options = {"size": 500, "seed": 0, "backend": "pytorch", "threads": 1}
    model = Identity("train", 1, {}, options)
    path = "/".join(map(str, ours))
    with claim(tmp_path / "models" / path, model) as draft:
        draft.publish()
    listed = read_cells(write_cells(tmp_path, [ours]))[0]
    assert theirs != ours
    stage = look_at_model(listed)
    assert (stage.status, stage.outdated) == ("missing", True)
    assert stage.reason == "out of date: made with other options (size 500, not 1000)"
    exact = {"train": options | {"size": 1000, "threads": 2}, "evaluate": {"set": "test"}}
    stage = look_at_model(listed._replace(size=500, options=exact))
    assert stage.reason == "out of date: made with other options (size 500, not 1000)"
    stage = look_at_model(listed._replace(size=500, options=exact | {"train": options}))
    assert stage.status == "done"
    known = listed._replace(size=500, inputs={"dataset": "", "architecture": "known"})
    stage_of_another_version = look_at_model(known)
    assert stage_of_another_version.reason == "out of date: made by another version of its stage"
    assert stage_of_another_version.outdated
    inputs = {"model": model.fingerprint}
    scores = Identity("evaluate", 1, inputs, {"set": "test", "set_size": 9})
    with claim(tmp_path / "scores" / path, scores) as draft:
        draft.publish()
    cell = listed._replace(size=500, options=exact | {"train": options})
    seen = look_at_scores(cell, stage)
    assert seen.reason == "out of date: made with other options (set_size 9, not none)"
    assert look_at_scores(listed._replace(options={}), stage).status == "done"
    assert (
        look_at_scores(cell._replace(scores=cell.model), stage).reason
        == "was made by `seqgra train`"
    )
