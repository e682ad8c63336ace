"""Predictions of another program: the scores of evaluate, order of rows, refusals, a row of a comparison."""

import csv
import json
import shutil

import numpy as np
import pytest
from scipy.special import softmax

from seqgra.cli import main
from seqgra.compare.cells import CELL_COLUMNS, read_cells
from seqgra.compare.tables import build_tables
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.evaluate import evaluate, foreign
from seqgra.evaluate.foreign import scored_rows
from seqgra.fingerprint import read_run
from seqgra.results import read_scores
from seqgra.train import train


@pytest.fixture(scope="module")
def scored(tmp_path_factory, tiny_dataset):
    """Return a folder with a model's scores, and its dataset."""
    folder = tmp_path_factory.mktemp("scored")
    train(tiny_dataset, "kmer-logistic-regression", folder / "m", size=500, seed=0)
    evaluate(folder / "m", tiny_dataset, folder / "s")
    return folder


def call(dataset, file, folder, values="logits", *more):
    given = ["--predictions", str(file), "--values", values, "--name", "other", "--size", "500"]
    return main(["score", str(dataset), *given, "-o", str(folder), *more])


def write_table(file, table, conditions, examples):
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        writer.writerow([*conditions, "example"])
        writer.writerows([*map(repr, table[n].tolist()), n] for n in examples)


def test_another_programs_predictions_have_the_scores_of_evaluate(scored, tmp_path, tiny_dataset):
    wanted, logits = read_scores(scored / "s"), np.load(scored / "s" / "predictions.npy")
    conditions = open_dataset(tiny_dataset).conditions
    order = np.random.default_rng(0).permutation(len(logits))
    write_table(tmp_path / "l.tsv", logits, conditions, order)
    write_table(tmp_path / "p.tsv", softmax(logits.astype(float), axis=1), conditions, order)
    np.save(tmp_path / "one.npy", logits[:, 1] - logits[:, 0])
    files = [(scored / "s" / "predictions.npy", "logits"), (tmp_path / "l.tsv", "logits")]
    files += [(tmp_path / "p.tsv", "probabilities"), (tmp_path / "one.npy", "logits")]
    for number, (file, values) in enumerate(files):
        folder = tmp_path / str(number)
        assert call(tiny_dataset, file, folder, values) == 0
        found = read_scores(folder)
        for metric, scopes in wanted["metrics"].items():
            assert found["metrics"][metric] == pytest.approx(scopes, abs=1e-4), (metric, file)
    run = read_run(tmp_path / "1")
    assert run["device"] == "another program" and run["file"] == "l.tsv"
    made = (tmp_path / "1" / "run.json").read_text()
    assert call(tiny_dataset, tmp_path / "l.tsv", tmp_path / "1") == 0
    assert (tmp_path / "1" / "run.json").read_text() == made, "up to date"


def refused(name, array):
    """Return predictions that must be refused, by the name of the case."""
    changed = array.copy()
    if name == "NaN":
        changed[3, 1] = np.nan
    if name == "infinite":
        changed[0, 0] = np.inf
    if name == "large":
        changed = changed.astype(float)
        changed[2, 1] = -1e39
    return {"short": array[:-1], "wide": np.hstack([array, array]), "cube": array[None]}.get(
        name, changed
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NaN", "example 3, two: is nan; give a finite number"),
        ("infinite", "example 0, one: is inf"),
        ("large", "example 2, two: is -1e+39; give logits within 1e+38"),
        ("short", "rows of 2; expected"),
        ("wide", "rows of 4; expected"),
        ("cube", "expected numbers (N, C)"),
        ("no probability", "no probability; give --values logits"),
        ("no sum", "example 0: probabilities add up to 1.2, not 1"),
        ("pickle", "is no array of numbers"),
        ("text", "is no array of numbers"),
    ],
)
def test_wrong_arrays_are_one_line(name, said, scored, tmp_path, tiny_dataset, capsys):
    logits = np.load(scored / "s" / "predictions.npy")
    file, values = tmp_path / "p.npy", "logits"
    if name in ("no probability", "no sum"):
        values = "probabilities"
        np.save(file, np.full(logits.shape, 0.6) if name == "no sum" else logits * 100)
    elif name == "pickle":
        np.save(file, np.array([{}]), allow_pickle=True)
    elif name == "text":
        file.write_text("one\ttwo\n")
    else:
        np.save(file, refused(name, logits))
    assert call(tiny_dataset, file, tmp_path / "out", values) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1
    assert not (tmp_path / "out" / "run.json").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace("one\t", "three\t", 1), "line 1: names three, two; expected"),
        (lambda t: t.replace("\t7\n", "\t8\n"), "example 8 is there twice"),
        (lambda t: t.replace("\t7\n", "\t-7\n"), "example is '-7'; expected a row of the test set"),
        (lambda t: t.replace("\t7\n", "\tseven\n"), "example is 'seven'"),
        (lambda t: t.replace("\t7\n", "\n"), "has 2 columns, the header 3"),
        (lambda t: "", "names nothing; expected a column for each of one, two"),
        (lambda t: t.replace("0.5", "x", 1), "line 2: holds what is no number"),
        (lambda t: "\n\n" + t.replace("0.5", "x", 1), "line 4: holds what is no number"),
        (lambda t: '{"a": "' + "A" * 200_000 + '"}', 'line 1: names {"a": "AAA'),
        (lambda t: t.replace("\t7\n", "\t" + 5000 * "7" + "\n"), "line 9: example is '777"),
    ],
)
def test_wrong_tables_are_one_line(change, said, tmp_path, tiny_dataset, capsys):
    data = open_dataset(tiny_dataset)
    examples = len(data.y("test"))
    write_table(tmp_path / "p.tsv", np.full((examples, 2), 0.5), data.conditions, range(examples))
    (tmp_path / "p.tsv").write_text(change((tmp_path / "p.tsv").read_text()))
    assert call(tiny_dataset, tmp_path / "p.tsv", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert said in error and len(error.splitlines()) == 1


def save_of_truth(folder, dataset, values):
    """Save numbers for each example, positives and negatives of the second condition in turn."""
    truth = open_dataset(dataset).y("test")[:, 1] > 0
    ranks = np.arange(truth.size) / truth.size
    np.save(
        folder / "p.npy", np.where(truth, values[0] * (1 + ranks / 5), values[1] * (1 + ranks / 5))
    )
    return folder / "p.npy"


@pytest.mark.parametrize(
    ("values", "positive", "negative"),
    [
        ("probabilities", 3.0e-9, 1.0e-9),
        ("probabilities", 3.0e-300, 1.0e-300),
        ("probabilities", 1.0e-12, 0.0),
        ("probabilities", 5e-324, 0.0),
        ("logits", 1.0e37, 1.0e36),
    ],
)
def test_numbers_beyond_single_precision_keep_their_order(
    values, positive, negative, tmp_path, tiny_dataset
):
    file = save_of_truth(tmp_path, tiny_dataset, (positive, negative))
    assert call(tiny_dataset, file, tmp_path / "out", values) == 0
    metrics = read_scores(tmp_path / "out")["metrics"]
    expected = 0.5 if positive == 5e-324 else 1.0  # 0 has no number below the least
    assert metrics["roc_auc"]["two"] == expected
    assert np.isfinite(metrics["log_loss"]["micro"])


def test_probabilities_of_several_conditions_and_labels_keep_their_order():
    p = np.array([[1.0 - 3e-9, 3e-9, 0.0], [1.0 - 1e-9, 1e-9, 0.0], [0.0, 2e-12, 1.0]])
    logits = foreign._from_probabilities("p", p, ("a", "b", "c"), "multi-class")
    assert logits[p > 0] == pytest.approx(np.log(p[p > 0]), rel=1e-12)
    assert np.isfinite(logits).all() and (logits[p == 0] < np.log(2e-12)).all()
    p = np.array([[1 - 1e-9, 1e-9], [1 - 2e-9, 0.0], [1.0, 1 - 2**-53]])
    logits = foreign._from_probabilities("p", p, ("a", "b"), "multi-label")
    assert np.isfinite(logits).all()
    assert logits[0, 1] == pytest.approx(np.log(1e-9) + 1e-9)
    assert (np.argsort(logits, axis=0) == np.argsort(p, axis=0)).all()


def test_the_table_of_predict_is_taken(scored, tmp_path, tiny_dataset, capsys):
    dataset = open_dataset(tiny_dataset)
    with (tmp_path / "test.fa").open("w") as stream:
        for n, row in enumerate(dataset.x("test")):
            stream.write(f">sequence-{n}\n{dataset.alphabet.decode(row)}\n")
    model = scored / "m"
    assert (
        main(["predict", str(model), str(tmp_path / "test.fa"), "-o", str(tmp_path / "p.tsv")]) == 0
    )
    capsys.readouterr()
    assert call(tiny_dataset, tmp_path / "p.tsv", tmp_path / "out", "probabilities") == 0
    assert "p.tsv: column name is not read" in capsys.readouterr().out
    found = read_scores(tmp_path / "out")["metrics"]["roc_auc"]
    assert found == pytest.approx(read_scores(scored / "s")["metrics"]["roc_auc"], abs=1e-3)


def test_a_scored_folder_is_a_row_beside_the_grids(scored, tmp_path, tiny_dataset, capsys):
    file = scored / "s" / "predictions.npy"
    assert call(tiny_dataset, file, tmp_path / "x", "logits", "--data-seed", "3") == 0
    data = open_dataset(tiny_dataset)
    tested = {"set": "test", "set_size": len(data.y("test"))}
    row = {
        **dict.fromkeys(CELL_COLUMNS, ""),
        **{"grammar": "tiny", "size": 500, "data_seed": 1, "model_seed": 0, "backend": "sklearn"},
        **{"architecture": "kmers", "model": scored / "m", "scores": scored / "s"},
        **{"test": tiny_dataset, "test_fingerprint": data.fingerprint},
        "scores_options": json.dumps(tested),
    }
    rows = [row, *scored_rows([row], [tmp_path / "x"])]
    with (tmp_path / "cells.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(row))
        writer.writeheader()
        writer.writerows(rows)
    tables = build_tables(read_cells(tmp_path / "cells.csv"))
    status = tables.status.set_index("architecture")
    assert status.loc["other", "status"] == "done" and status.loc["other", "seeds"] == "none"
    shown = tables.scores[tables.scores["metric"] == "pr_auc"]
    values = shown.pivot_table(index="scope", columns="architecture", values="value")
    assert (values["other"] == values["kmers"]).all() and len(values)
    run = tables.runs.set_index("architecture").loc["other"]
    assert run["device"] == "another program"
    fewer = {**row, "scores_options": json.dumps({**tested, "set_size": 10})}
    with pytest.raises(InputError, match="the grid on 10; give seqgra score --set-size 10"):
        scored_rows([fewer], [tmp_path / "x"])
    other = [{**row, "size": size} for size in (1000, 2000)]
    with pytest.raises(InputError, match=r"size 500, the grid 1,000, 2,000 .*--size one of these"):
        scored_rows(other, [tmp_path / "x"])
    with pytest.raises(InputError, match="another test set than those of the grid"):
        scored_rows([{**row, "test_fingerprint": "0"}], [tmp_path / "x"])
    with pytest.raises(InputError):
        scored_rows([row], [scored / "s"])  # no program's
    shutil.rmtree(tmp_path / "x")
    grid = ["compare", "--cells", str(tmp_path / "cells.csv"), "--scored", str(tmp_path / "x")]
    assert main([*grid, "-o", str(tmp_path / "page")]) == 2
    assert "--scored: is for --grid" in capsys.readouterr().err
