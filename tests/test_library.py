"""The functions of `import seqgra`, and what they refuse; the lines of docs/library.md: test_wheel."""

import base64
import contextlib
import copy
import io
import os
import pickle
import random
import re
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest
import torch

import seqgra as sg
from seqgra.alphabet import ALPHABETS, PADDING, one_hot
from seqgra.backends.wrapped import checked
from seqgra.cli import main
from seqgra.progress import Progress
from seqgra.recovery import recovery_metrics

SMALL = "layers: [flatten, {dense: 4}]\ntraining: {epochs: 2}\n"


def test_the_import_loads_nothing_and_keeps_its_functions():
    code = (
        "import sys, seqgra as sg; loaded = set(sys.modules);"
        "assert not {'numpy', 'torch', 'numba', 'pandas', 'pydantic'} & loaded;"
        "import seqgra.train, seqgra.simulate, seqgra.evaluate, seqgra.attribute;"
        "assert all(callable(getattr(sg, name)) for name in sg.__all__ if name[0] != '_');"
        "from seqgra.train import train; assert sg.train is not train"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.fixture(scope="module")
def grammar(tiny_dataset):
    return sg.load_grammar(str(tiny_dataset.parent / "tiny.yaml"))


@pytest.fixture(scope="module")
def data(tiny_dataset):
    """Return in memory what `tiny_dataset` holds on disk."""
    return sg.simulate(tiny_dataset.parent / "tiny.yaml", size=1000, seed=1)


@pytest.fixture(scope="module")
def model(data, tmp_path_factory):
    file = tmp_path_factory.mktemp("net") / "net.yaml"
    file.write_text(SMALL)
    return sg.train(data, file, seed=3)


def test_a_saved_dataset_is_the_one_that_the_command_writes(data, tiny_dataset, tmp_path):
    data.save(tmp_path / "saved")
    for file in sorted(tiny_dataset.iterdir()):
        if file.name != "run.json" and not file.name.startswith("."):
            assert (tmp_path / "saved" / file.name).read_bytes() == file.read_bytes(), file.name
    command = ["simulate", tiny_dataset.parent / "tiny.yaml", "-o", tmp_path / "saved"]
    assert main([*map(str, command), "--seed", "1", "--size", "1000"]) == 0
    loaded = sg.load_dataset(str(tmp_path / "saved"))
    for name in ("training", "validation", "test"):
        mine, theirs = data.examples(name), loaded.examples(name)
        assert len(mine) == len(theirs)
        np.testing.assert_array_equal(mine.x, theirs.x)
        np.testing.assert_array_equal(mine.y, theirs.y)
        pd.testing.assert_frame_equal(mine.elements, theirs.elements)
        blocks = zip(
            data.element_blocks(name, rows=64), loaded.element_blocks(name, rows=64), strict=True
        )
        for one, other in blocks:
            for column, values in one.items():
                np.testing.assert_array_equal(values, other[column])


def test_saving_loses_nothing_that_the_folder_has(grammar, tmp_path):
    sg.simulate(grammar, size=200, seed=1).save(tmp_path / "d")
    few = sg.simulate(grammar, examples=10, sets=["test"], seed=1)
    few.save(tmp_path / "d")
    assert sg.load_dataset(tmp_path / "d").counts == {"training": 140, "validation": 20, "test": 40}
    few.save(tmp_path / "e")
    sg.simulate(grammar, examples=30, sets=["training"], seed=1).save(tmp_path / "e")
    opened = sg.load_dataset(tmp_path / "e")
    assert opened.counts == {"training": 30, "test": 10}
    np.testing.assert_array_equal(opened.test.x, few.test.x)
    pd.testing.assert_frame_equal(opened.test.elements, few.test.elements)
    sg.simulate(grammar, examples=20, sets=["test"], seed=1).save(tmp_path / "e")
    with pytest.raises(sg.InputError, match="has grown meanwhile; open it again"):
        _ = opened.test.x
    assert sg.load_dataset(tmp_path / "e").counts == {"training": 30, "test": 20}


def test_elements_of_another_dataset_are_none_of_this_one(grammar, tmp_path):
    sg.simulate(grammar, examples=10, sets=["test"], seed=1).save(tmp_path / "d")
    opened = sg.load_dataset(tmp_path / "d")
    sg.simulate(grammar, examples=10, sets=["test"], seed=2).save(tmp_path / "d")
    with pytest.raises(sg.InputError, match="was replaced by another dataset meanwhile"):
        _ = opened.test.elements
    with pytest.raises(sg.InputError, match="was replaced by another dataset meanwhile"):
        next(opened.element_blocks("test"))


def test_numbers_of_numpy_count_as_numbers(grammar, tmp_path):
    plain = sg.simulate(grammar, size=300, seed=1)
    for kind in (np.int16, np.uint16, np.int64):
        data = sg.simulate(grammar, size=kind(300), seed=kind(1))
        data.save(tmp_path / kind.__name__)
        assert data.fingerprint == plain.fingerprint and data.counts == plain.counts
    large = sg.simulate(grammar, size=np.int16(10_000), seed=1)
    assert large.counts == {"training": 7000, "validation": 1000, "test": 2000}
    assert sg.ceiling(grammar, seed=np.int64(0), examples=np.int64(50)).predictions.shape == (50, 2)


def test_a_copy_of_a_diverged_model_is_diverged_and_explains_nothing(data, tmp_path):
    (tmp_path / "far.yaml").write_text(f"{SMALL}optimizer: {{sgd: {{learning_rate: 1.0e+30}}}}\n")
    model = sg.train(data, tmp_path / "far.yaml")
    assert model.status == "diverged"
    for copied in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):  # noqa: S301 (its own)
        assert (copied.status, copied.reason) == (model.status, model.reason)
        assert repr(copied.history) == repr(model.history)
    for use in (
        lambda: sg.attribute(model, data.test, "gradient-x-input", examples=5),
        lambda: sg.evaluate(model, data.test),
        lambda: sg.predict(model, ["ACGT"]),
    ):
        with pytest.raises(sg.InputError, match="its training diverged"):
            use()


def test_true_labels_are_the_same_in_memory_and_on_disk(grammar, tmp_path):
    noise = {"labels": {"one": 0.4, "two": 0.4}, "sets": ["training", "test"]}
    noisy = type(grammar).model_validate(grammar.model_dump(by_alias=True) | {"noise": noise})
    data = sg.simulate(noisy, size=200)
    data.save(tmp_path / "d")
    loaded = sg.load_dataset(tmp_path / "d")
    for name in ("training", "validation", "test"):
        np.testing.assert_array_equal(data.y_true(name), loaded.y_true(name))
        np.testing.assert_array_equal(data.y_true(name, 7), loaded.y_true(name)[:7])
    assert (data.y_true("test") != data.y("test")).any()


def test_a_model_is_the_one_that_the_commands_train_score_and_explain(
    data, model, tiny_dataset, tmp_path
):
    """In memory and on disk the same weights, scores and attributions."""
    (tmp_path / "net.yaml").write_text(SMALL)
    made, scored, explained = (str(tmp_path / name) for name in ("m", "s", "a"))
    given = [str(tiny_dataset)]
    assert main(["train", *given, str(tmp_path / "net.yaml"), "-o", made, "--seed", "3"]) == 0
    assert main(["evaluate", made, *given, "-o", scored]) == 0
    options = ["--method", "gradient-x-input", "--examples", "20"]
    assert main(["attribute", made, *given, "-o", explained, *options]) == 0
    opened = sg.load_model(made)
    for one, other in zip(
        model.module.state_dict().values(), opened.module.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
    scores = sg.evaluate(model, data.test)
    np.testing.assert_array_equal(np.load(f"{scored}/predictions.npy"), scores.predictions)
    maps = sg.attribute(model, data.test, "gradient-x-input", examples=20)
    np.testing.assert_array_equal(np.load(f"{explained}/attributions.npy"), maps.values)
    table = sg.recovery(maps, data.test)
    kept = pd.read_parquet(f"{explained}/recovery.parquet")
    pd.testing.assert_frame_equal(table, kept[table.columns])
    assert {"auroc", "null_auroc"} <= set(table.columns) and callable(recovery_metrics)


def test_shuffles_as_a_baseline_may_be_counted(data, model):
    given = {"baseline": "shuffled", "references": 3}
    maps = sg.attribute(model, data.test, "integrated-gradients", examples=2, steps=4, **given)
    assert np.isfinite(maps.values).all()
    with pytest.raises(sg.InputError, match="references: is no option of integrated-gradients"):
        sg.attribute(model, data.test, "integrated-gradients", references=3)


def test_training_leaves_the_process_as_it_was(data, model, tmp_path):
    (tmp_path / "net.yaml").write_text(SMALL)
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.allow_tf32 = True
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    drawn, numpy_drawn = random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    torch.set_default_dtype(torch.float64)
    try:
        again = sg.train(data, tmp_path / "net.yaml", seed=3, size=1000)
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(torch.rand(3), expected), "the user's random numbers go on"
    assert random.getstate() == drawn and (np.random.get_state()[1] == numpy_drawn).all()  # noqa: NPY002
    assert {weight.dtype for weight in again.module.parameters()} == {torch.float32}
    assert not torch.are_deterministic_algorithms_enabled() and torch.get_num_threads() == threads
    assert torch.backends.cudnn.allow_tf32
    np.testing.assert_array_equal(again.logits(data.test.x), model.logits(data.test.x))
    assert again.status in ("done", "collapsed") and len(again.history) == 2


def test_wrapped_models_score_as_what_they_wrap(data, model):
    letters = data.alphabet.letters
    expected = sg.evaluate(model, data.test)
    module = sg.wrap(model.module, data)
    np.testing.assert_allclose(module.logits(data.test.x), expected.predictions, atol=1e-6)
    one = sg.attribute(module, data.test, "integrated-gradients", examples=5, steps=10)
    other = sg.attribute(model, data.test, "integrated-gradients", examples=5, steps=10)
    np.testing.assert_allclose(one.values, other.values, atol=1e-6)

    def of_letters(sequences):
        codes = np.array(
            [[letters.index(letter) for letter in text] for text in sequences], np.uint8
        )
        return model.logits(codes)

    def probable(one_hot):
        logits = model.logits(one_hot.argmax(axis=1).astype(np.uint8)).astype(float)
        return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    for function, options in (
        (of_letters, {"takes": "letters"}),
        (probable, {"output": "probabilities"}),
    ):
        wrapped = sg.wrap(function, data, **options)
        assert sg.evaluate(wrapped, data.test).pr_auc == pytest.approx(expected.pr_auc, abs=1e-6)
        maps = sg.attribute(wrapped, data.test, "mutagenesis", examples=2)
        ours = sg.attribute(model, data.test, "mutagenesis", examples=2)
        np.testing.assert_allclose(maps.values, ours.values, atol=1e-4)
        with pytest.raises(sg.InputError, match="gradient"):
            sg.attribute(wrapped, data.test, "gradient")


def test_new_sequences_are_read_as_in_training(data, model, tmp_path, capsys):
    """Lower case and U as T, short ones padded at the end, long ones cut about their middle."""
    window, texts = data.window, [data.alphabet.decode(row) for row in data.test.x[:5]]
    table = sg.predict(model, [texts[0], texts[0].lower(), texts[1].replace("T", "U"), texts[1]])
    logits = model.logits(data.test.x[:2]).astype(float)
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table, expected[[0, 0, 1, 1]], atol=1e-6)
    assert tuple(table.columns) == data.conditions
    long = "A" * 3 + texts[0] + "C" * 4
    assert len(long) > window
    pd.testing.assert_frame_equal(sg.predict(model, [long]), sg.predict(model, [texts[0]]))
    padded = data.test.x[:1].copy()
    padded[:, 30:] = PADDING
    logits = model.logits(padded).astype(float)
    short = sg.predict(model, [texts[0][:30]]).to_numpy()
    np.testing.assert_allclose(
        np.log(short[:, 0] / short[:, 1]), logits[:, 0] - logits[:, 1], atol=1e-5
    )
    with pytest.raises(
        sg.InputError, match=r"sequences\[1\]: holds '!', which is no letter of DNA"
    ):
        sg.predict(model, ["ACGT", "AC!T"])
    with pytest.raises(sg.InputError, match="sequences: is one text; give a list"):
        sg.predict(model, "ACGT")
    with pytest.raises(sg.InputError, match=r"sequences\[0\]: is bytes; give its letters as text"):
        sg.predict(model, [b"ACGT"])
    assert sg.predict(model, []).shape == (0, 2)


def test_predict_reads_fasta_and_tables(data, tmp_path, capsys):
    (tmp_path / "net.yaml").write_text(SMALL)
    data.save(tmp_path / "d")
    folder, out = str(tmp_path / "m"), tmp_path / "out.tsv"
    assert main(["train", str(tmp_path / "d"), str(tmp_path / "net.yaml"), "-o", folder]) == 0
    texts = [data.alphabet.decode(row) for row in data.test.x[:3]]
    fasta, table, wrong = (tmp_path / name for name in ("a.fa", "a.tsv", "b.tsv"))
    fasta.write_text(
        "".join(f">s{n} x\n{text[:20]}\n{text[20:]}\n" for n, text in enumerate(texts))
    )
    table.write_text("sequence\tname\n" + "".join(f"{t}\ts{n} x\n" for n, t in enumerate(texts)))
    wrong.write_text("sequenz\nACGT\n")
    written = []
    for file in (fasta, table):
        assert main(["predict", folder, str(file), "-o", str(out)]) == 0
        written.append(pd.read_csv(out, sep="\t"))
    pd.testing.assert_frame_equal(*written)
    assert written[0]["name"].tolist() == ["s0 x", "s1 x", "s2 x"]
    expected = sg.predict(sg.load_model(folder), texts)
    np.testing.assert_allclose(written[0][list(data.conditions)], expected, rtol=1e-5)
    capsys.readouterr()
    out.unlink()
    assert main(["predict", folder, str(wrong), "-o", str(out)]) == 2
    assert "b.tsv: line 1: needs columns sequence (or seq, x)" in capsys.readouterr().err
    assert not out.exists()


def test_predict_says_where_and_writes_over_nothing_else(data, tmp_path, capsys):
    (tmp_path / "net.yaml").write_text(SMALL)
    data.save(tmp_path / "d")
    folder, fasta, out = str(tmp_path / "m"), tmp_path / "a.fa", tmp_path / "out.tsv"
    assert main(["train", str(tmp_path / "d"), str(tmp_path / "net.yaml"), "-o", folder]) == 0
    table = tmp_path / "a.csv"
    table.write_text("id,seq\nfirst,ACGT\nsecond,TTTT\n")
    for _ in range(2):  # predictions may be written again
        assert main(["predict", folder, str(table), "-o", str(out)]) == 0
    assert pd.read_csv(out, sep="\t")["name"].tolist() == ["first", "second"]
    fasta.write_text(">a\nACGT\n>b\nACXT\n")
    capsys.readouterr()
    assert main(["predict", folder, str(fasta), "-o", str(out)]) == 2
    said = capsys.readouterr().err
    assert f"{fasta}: sequence 2 (b)" in said and "holds 'X'" in said
    (tmp_path / "empty.fa").write_text("\n")
    assert main(["predict", folder, str(tmp_path / "empty.fa"), "-o", str(out)]) == 2
    assert "empty.fa: is empty; expected FASTA or a table" in capsys.readouterr().err
    named = tmp_path / "named.tsv"
    named.write_text("name\tsequence\na\tACGT\n")
    foreign = [tmp_path / f"foreign{number}.tsv" for number in range(3)]
    heads = ("name\tscore", "name\t" + "\t".join([*data.conditions, "note"]), "name")
    for file, head in zip(foreign, heads, strict=True):
        file.write_text(f"{head}\n")
    kept = (fasta, table, named, *foreign, tmp_path / "m" / "run.json")
    before = [file.read_bytes() for file in kept]
    for file in kept:
        assert main(["predict", folder, str(named), "-o", str(file)]) == 2
        said = capsys.readouterr().err
        assert "holds no predictions of this model's conditions; choose another file" in said
    assert main(["predict", folder, str(named), "-o", str(tmp_path)]) == 2
    assert "is a folder; name a file in it" in capsys.readouterr().err
    os.mkfifo(tmp_path / "pipe")
    assert main(["predict", folder, str(named), "-o", str(tmp_path / "pipe")]) == 2
    assert "is no regular file" in capsys.readouterr().err
    for given in ("name,sequence\na,ACGT\nb,TTTT\n", ">a\nACGT\n>b\nTTTT\n"):
        writer = Thread(target=(tmp_path / "pipe").write_text, args=(given,))
        writer.start()
        assert main(["predict", folder, str(tmp_path / "pipe"), "-o", str(out)]) == 0
        writer.join()
        assert pd.read_csv(out, sep="\t")["name"].tolist() == ["a", "b"]
    assert [file.read_bytes() for file in kept] == before


class Own(torch.nn.Module):
    """A module that raises an error, or returns numbers of another type, and trains."""

    def __init__(self, error=None, dtype=torch.float32):
        super().__init__()
        self.error, self.dtype, self.head = error, dtype, torch.nn.Linear(160, 2)

    def forward(self, values):
        if self.error is not None:
            raise self.error
        return self.head(values.flatten(1)).to(self.dtype)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("codes"), "KeyError: 'codes'"),
        (AssertionError(), "AssertionError"),
        (IndexError("index 4 is\nout of range"), "IndexError: index 4 is out of range"),
        (NotImplementedError("later"), "NotImplementedError: later"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_module_that_fails_is_one_line(error, said, data):
    module = Own(error)
    with pytest.raises(sg.InputError) as raised:
        sg.wrap(module, data)
    assert str(raised.value) == f"model: fails on one-hot float32 (N, 4, 40): {said}"
    assert module.training, "as it was"


def test_memory_that_is_not_enough_is_no_fault_of_the_module(data):
    module = Own(MemoryError())
    with pytest.raises(MemoryError):
        sg.wrap(module, data)
    assert module.training, "as it was"


def test_a_batch_of_one_in_the_wrong_shape_is_one_line(data):
    class Squeezed(torch.nn.Module):
        def forward(self, x):
            return x.sum(dim=2)[:, :2].squeeze()

    with pytest.raises(sg.InputError, match=r"model: returns shape \(2,\) for 1 examples"):
        sg.predict(sg.wrap(Squeezed(), data), ["ACGT"])


def test_a_layer_in_another_s_place_predicts(data, tmp_path):
    (tmp_path / "net.yaml").write_text(
        "layers: [{conv: {filters: 3, width: 5, activation: relu}}, flatten]\n"
    )
    model = sg.train(data, tmp_path / "net.yaml", seed=3)
    before = model.logits(data.test.x[:9])
    model.module[1] = torch.nn.Sigmoid()
    with torch.inference_mode():
        points = torch.from_numpy(one_hot(np.array(data.test.x[:9]), 4))
        np.testing.assert_allclose(model.logits(data.test.x[:9]), model.module(points), atol=1e-5)
    assert not np.allclose(before, model.logits(data.test.x[:9]), atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_a_module_may_return_numbers_of_any_precision(dtype, data):
    module = Own(dtype=dtype)
    wrapped = sg.wrap(module, data)
    given = torch.from_numpy((data.test.x[:, None] == np.arange(4)[:, None]).astype(np.float32))
    expected = module.head(given.flatten(1)).detach().numpy()
    logits = wrapped.logits(data.test.x)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, atol=0.02)
    weights = (module.head.weight[0] - module.head.weight[1]).detach().numpy() / 2
    maps = sg.attribute(wrapped, data.test, "gradient", examples=5)
    turned = np.where(maps.conditions == 0, 1, -1)[:, None, None] * weights.reshape(4, 40)
    np.testing.assert_allclose(maps.values, turned, atol=0.02)
    explained = wrapped.explained(given.numpy(), np.zeros(len(given), np.int64))
    np.testing.assert_allclose(explained, (expected[:, 0] - expected[:, 1]) / 2, atol=0.02)
    rounded = sg.wrap(lambda x: module(torch.from_numpy(x)), data).logits(data.test.x)
    np.testing.assert_array_equal(rounded, logits)


def test_values_are_shown_in_a_line(data):
    model = sg.train(data, "fc4")
    for value in (data, data.test, data.grammar, model):
        assert len(repr(value)) < 300 and "\n" not in repr(value), type(value)
    assert repr(data).startswith("<dataset of tiny in memory: ")
    assert "DNA, 40 letters, multi-class: one, two" in repr(model)


def test_an_estimator_of_scikit_learn(data):
    from sklearn.linear_model import LogisticRegression

    x = (data.training.x[:, None] == np.arange(4)[:, None]).astype(np.float32)
    fitted = LogisticRegression().fit(x.reshape(len(x), -1), data.training.y.argmax(axis=1))
    wrapped = sg.wrap(fitted, data)
    test = (data.test.x[:, None] == np.arange(4)[:, None]).reshape(len(data.test), -1)
    right = fitted.score(test, data.test.y.argmax(axis=1))
    assert sg.evaluate(wrapped, data.test).metrics["accuracy"]["micro"] == pytest.approx(right)
    names = np.array(data.conditions)[data.training.y.argmax(axis=1)]
    by_name = sg.wrap(LogisticRegression().fit(x.reshape(len(x), -1), names), data)
    expected = wrapped.logits(data.test.x)
    np.testing.assert_allclose(by_name.logits(data.test.x), expected, atol=1e-5)

    class Turned(LogisticRegression):
        """With its columns in another order, as where names sort otherwise than conditions stand."""

        def predict_proba(self, values):
            return super().predict_proba(values)[:, ::-1]

    turned = Turned().fit(x.reshape(len(x), -1), names)
    turned.classes_ = turned.classes_[::-1]
    np.testing.assert_allclose(sg.wrap(turned, data).logits(data.test.x), expected, atol=1e-5)
    others = LogisticRegression().fit(x.reshape(len(x), -1), np.char.add(names, "s"))
    with pytest.raises(
        sg.InputError, match=r"model: is fitted to \['ones', 'twos'\]; fit it to the"
    ):
        sg.wrap(others, data)


def test_a_classifier_of_several_outputs_is_refused(data):
    from sklearn.multioutput import MultiOutputClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.tree import DecisionTreeClassifier

    x = (data.training.x[:50, None] == np.arange(4)[:, None]).reshape(50, -1)
    tree = DecisionTreeClassifier(max_depth=2)
    for made in (MultiOutputClassifier(tree), tree, KNeighborsClassifier()):
        fitted = made.fit(x, data.training.y[:50])
        with pytest.raises(sg.InputError) as raised:
            sg.wrap(fitted, data)
        said = "model: is fitted to several outputs; fit it to names or numbers of conditions"
        assert str(raised.value) == said


def test_a_classifier_of_texts(data):
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    words = CountVectorizer(analyzer="char", ngram_range=(3, 3), lowercase=False)
    texts = [ALPHABETS["DNA"].decode(row) for row in data.training.x]
    fitted = make_pipeline(words, LogisticRegression()).fit(texts, data.training.y.argmax(axis=1))
    wrapped = sg.wrap(fitted, data, takes="letters")
    test = [ALPHABETS["DNA"].decode(row) for row in data.test.x]
    right = fitted.score(test, data.test.y.argmax(axis=1))
    assert sg.evaluate(wrapped, data.test).metrics["accuracy"]["micro"] == pytest.approx(right)
    with pytest.raises(sg.InputError, match="model: fails on one-hot float32"):
        sg.wrap(fitted, data)


@pytest.mark.parametrize("architecture", ["fc4", "conv3-gmp", "kmer-logistic-regression"])
def test_logits_take_letter_codes_of_their_window_alone(data, architecture):
    model = sg.train(data, architecture)
    x = data.test.x[:4]
    for wrong in (x[:, :-1], np.pad(x, ((0, 0), (0, 1))), x[0], x.astype(float), ["ACGT"], [x, x]):
        with pytest.raises(sg.InputError, match=r"x: has .*; give letter codes, uint8 \(N, 40\)"):
            model.logits(wrong)
    with pytest.raises(sg.InputError, match="x: holds 7 in row 2, which is no letter of DNA"):
        model.logits(np.where(np.arange(4)[:, None] == 2, 7, x))
    np.testing.assert_array_equal(model.logits(x.astype(np.int64)), model.logits(x))


def flat_and_rounded(values):
    import tensorflow as tf

    return tf.cast(tf.argmax(values, axis=2)[:, :2], tf.float32)


@pytest.mark.usefixtures("tensorflow")
def test_a_keras_model(data):
    """Its input is (N, L, A): a reader of positions would notice another order."""
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    keras = pytest.importorskip("keras")
    layers = [keras.layers.Flatten(), keras.layers.Dense(2)]
    network = keras.Sequential([keras.Input((data.window, 4)), *layers])
    wrapped = sg.wrap(network, data)
    one_hot = (data.test.x[:, :, None] == np.arange(4)).astype(np.float32)
    weights, bias = (np.asarray(w) for w in network.get_weights())
    expected = one_hot.reshape(len(one_hot), -1) @ weights + bias
    np.testing.assert_allclose(wrapped.logits(data.test.x), expected, atol=1e-5)
    probable = keras.Sequential([network, keras.layers.Softmax()])
    ours = sg.wrap(probable, data, output="probabilities").logits(data.test.x)
    difference = expected - ours
    np.testing.assert_allclose(difference[:, 0], difference[:, 1], atol=1e-4)
    slopes = ((weights[:, 0] - weights[:, 1]) / 2).reshape(40, 4).T
    for model in (wrapped, sg.wrap(probable, data, output="probabilities")):
        maps = sg.attribute(model, data.test, "gradient", examples=4)
        turned = np.where(maps.conditions == 0, 1, -1)[:, None, None] * slopes
        np.testing.assert_allclose(maps.values, turned, atol=1e-4)
        paths = sg.attribute(model, data.test, "integrated-gradients", examples=4, steps=2)
        inputs = one_hot[paths.rows].transpose(0, 2, 1)
        start = np.broadcast_to(np.float32(0.25), inputs.shape)
        change = [model.explained(points, paths.conditions) for points in (inputs, start)]
        np.testing.assert_allclose(paths.values.sum(axis=(1, 2)), change[0] - change[1], atol=1e-4)
        with pytest.raises(sg.InputError, match="deep-lift is defined for networks only"):
            sg.attribute(model, data.test, "deep-lift", examples=4)
    rounded = keras.Sequential(
        [keras.Input((data.window, 4)), keras.layers.Lambda(flat_and_rounded)]
    )
    with pytest.raises(sg.InputError, match="the module passes no gradient to its input"):
        sg.attribute(sg.wrap(rounded, data), data.test, "gradient", examples=4)
    flat = (keras.layers.Flatten(), keras.layers.Dense(2))
    wide = keras.Sequential([keras.Input((data.window, 5)), *flat])
    with pytest.raises(sg.InputError, match=r"model: is a Keras model of \(40, 5\); give one of"):
        sg.wrap(wide, data)
    three = keras.Sequential([keras.Input((data.window, 4)), keras.layers.Flatten()])
    with pytest.raises(sg.InputError, match=r"model: returns shape \(2, 160\) for 2 examples"):
        sg.wrap(three, data)


@pytest.mark.slow
@pytest.mark.parametrize("first", ["", "sg.deterministic(1)"])
def test_a_notebook_that_used_keras_first(first):
    """TensorFlow's threads cannot be changed later: a clear refusal, and what to do works."""
    pytest.importorskip("tensorflow")
    script = f"""
import keras, numpy as np, tensorflow, seqgra as sg
{first}
keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])(np.zeros((1, 2)))
data = sg.simulate("toy1-kmer-center", size=100, seed=1)
try:
    sg.train(data, "fc10", seed=0, backend="tensorflow")
except sg.InputError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    refused = (
        "threads: is 1, but TensorFlow already runs with a thread a core in this process; call"
    )
    assert done.stdout.startswith(refused) == (not first), done.stdout + done.stderr


def test_a_notebook_shows_tables_and_logos(data, model):
    scores, maps = (
        sg.evaluate(model, data.test),
        sg.attribute(model, data.test, "gradient-x-input", examples=2),
    )
    assert "<table" in scores._repr_html_() and f"{scores.pr_auc:.4f}" in scores._repr_html_()
    page = maps._repr_html_()
    kind, _, picture = page.partition(";base64,")
    assert kind == (
        '<img alt="gradient-x-input: 4 explanations of the test set" src="data:image/svg+xml'
    )
    drawn = base64.b64decode(picture.removesuffix('">')).decode()
    assert drawn.count("<svg") == 1 and "PathCollection" in drawn


def test_parts_of_a_page_have_names(data, grammar, tmp_path):
    scores = sg.evaluate(sg.train(data, "fc4"), data.test)
    page = tmp_path / "page.html"
    sg.report({"my <network>": scores, "the ceiling": sg.ceiling(grammar)}, page)
    heads = re.findall(r"<h2>(.*?)</h2>", page.read_text())
    assert heads == ["1. my &lt;network&gt;", "2. the ceiling"]
    sg.report([scores], page)
    assert re.findall(r"<h2>(.*?)</h2>", page.read_text()) == ["1. Scores"]


def test_library_calls_print_nothing_and_a_notebook_sees_progress(data, tmp_path, capfd):
    (tmp_path / "net.yaml").write_text(SMALL)
    model = sg.train(data, tmp_path / "net.yaml", seed=3)
    sg.report([sg.evaluate(model, data.test)], tmp_path / "page.html")
    assert capfd.readouterr() == ("", "")

    class Cell(io.StringIO):
        """Stands for a notebook's standard error."""

    Cell.__module__ = "ipykernel.iostream"
    with contextlib.redirect_stderr(Cell()) as cell:
        progress = Progress("work", 10)
        progress.advance(5, "and a note")
        progress.close()
    assert cell.getvalue() == "\rwork: 5 of 10 (50%) and a note\r" + " " * 30 + "\r"


def test_the_ceiling_is_that_of_the_exact_posterior(grammar, data):
    """Two conditions, each with a k-mer that background holds once in 2,000 sequences: nearly 1."""
    assert 0.99 < sg.ceiling(grammar, examples=500).pr_auc <= 1


@pytest.mark.parametrize("task", ["multi-class", "multi-label"])
def test_small_probabilities_keep_their_order(task):
    """Models of rare classes tell 1e-9 from 3e-9, and a certain one has finite logits."""
    rare = np.array([0.0, 1e-12, 1e-9, 3e-9, 0.5, 1 - 3e-9, 1 - 1e-12, 1.0])
    logits = checked(np.stack([rare, 1 - rare], axis=1), (8, 2), 0, "probabilities", task)
    odds = logits[:, 0] - (logits[:, 1] if task == "multi-class" else 0)
    assert np.isfinite(logits).all() and (np.diff(odds) > 0).all()
    assert odds[2] == pytest.approx(np.log(1e-9), rel=1e-6)


REFUSED = {
    "a folder for a dataset": (
        lambda v: sg.train("data/homer", "fc4"),
        r"data: is a path \(data/homer\); give what simulate or load_dataset returns",
    ),
    "a set for a dataset": (
        lambda v: sg.train(v["data"].test, "fc4"),
        "data: is one set of a dataset; give the dataset itself",
    ),
    "a dataset for a set": (
        lambda v: sg.evaluate(v["model"], v["data"]),
        "data: is a whole dataset; give one of its sets, such as data.test",
    ),
    "a folder for a model": (
        lambda v: sg.evaluate(Path("m"), v["data"].test),
        r"model: is a path \(m\); give what train, load_model or wrap returns",
    ),
    "a set that is not there": (
        lambda v: v["test_only"].training,
        r"data: the dataset has no training set \(it has test\)",
    ),
    "training without a set": (
        lambda v: sg.train(v["test_only"], "fc4"),
        "gives 0 examples to train and validate with; at least 10 are needed",
    ),
    "a model of another alphabet": (
        lambda v: sg.evaluate(v["model"], v["protein"].test),
        "model: conditions: of the model: one, two; of dataset of .*: ",
    ),
    "maps of another dataset": (
        lambda v: sg.recovery(v["maps"], v["other"].test),
        "maps: explain the test set of dataset of tiny in memory; give that set",
    ),
    "maps of more examples": (
        lambda v: sg.recovery(v["maps"], v["few"].test),
        r"maps: explain example \d+, and the set has 2",
    ),
    "a device of another name": (
        lambda v: sg.train(v["data"], "fc4", device="gpu"),
        "device: is 'gpu'; choose auto, cpu or cuda",
    ),
    "no grammar": (
        lambda v: sg.ceiling(3),
        "grammar: is int; give a grammar, its name or its file",
    ),
    "both sizes": (
        lambda v: sg.simulate(v["grammar"], size=10, examples=10),
        "size: give exactly one of size and examples",
    ),
    "an option of no method": (
        lambda v: sg.attribute(v["model"], v["data"].test, stepz=3),
        "stepz: no such option",
    ),
    "an option of another method": (
        lambda v: sg.attribute(v["model"], v["data"].test, "deep-lift", steps=3),
        "steps: is no option of deep-lift, whose options are: baseline",
    ),
    "no method": (
        lambda v: sg.attribute(v["model"], v["data"].test, "gradiant"),
        "did you mean 'gradient'",
    ),
    "a function of another shape": (
        lambda v: sg.wrap(lambda x: np.zeros((len(x), 3)), v["data"]),
        r"model: returns shape \(2, 3\) for 2 examples of 2 conditions",
    ),
    "a module of another shape": (
        lambda v: sg.wrap(torch.nn.Flatten(), v["data"]),
        r"model: returns shape \(2, 160\)",
    ),
    "a module of other letters": (
        lambda v: sg.wrap(torch.nn.Conv1d(5, 2, 3), v["data"]),
        r"model: fails on one-hot float32 \(N, 4, 40\)",
    ),
    "a module that returns several": (
        lambda v: sg.wrap(torch.nn.LSTM(40, 2), v["data"]),
        "model: returns tuple",
    ),
    "a module of probabilities": (
        lambda v: sg.wrap(v["model"].module, v["data"], output="probabilities"),
        "model: a torch module takes one-hot and returns logits; wrap a function around it",
    ),
    "a function that returns NaN": (
        lambda v: sg.evaluate(sg.wrap(sometimes_nan, v["data"]), v["data"].test),
        "model: returns nan for example 7; return finite numbers for every sequence",
    ),
    "no probabilities": (
        lambda v: sg.wrap(lambda x: np.full((len(x), 2), 7.0), v["data"], output="probabilities"),
        "model: returns 7.0 for example 0; return probabilities, from 0 to 1",
    ),
    "probabilities of several conditions at once": (
        lambda v: sg.wrap(lambda x: np.full((len(x), 2), 0.9), v["data"], output="probabilities"),
        "model: example 0: probabilities add up to 1.8, not 1; an example has one condition",
    ),
    "probabilities of no condition": (
        lambda v: sg.evaluate(
            sg.wrap(sometimes_no_condition, v["data"], output="probabilities"), v["data"].test
        ),
        "model: example 7: probabilities add up to 0, not 1; an example has one condition",
    ),
    "a model of another alphabet with the same conditions": (
        lambda v: sg.evaluate(v["model"], v["rna"].test),
        "model: alphabet: of the model: DNA; of dataset of rna in memory: RNA",
    ),
    "a seed that is none": (
        lambda v: sg.train(v["data"], "fc4", seed="x"),
        "seed: is 'x'; give a whole number from 0",
    ),
    "a negative data seed": (
        lambda v: sg.simulate(v["grammar"], size=100, seed=-1),
        "seed: is -1; give a whole number from 0",
    ),
    "a truth value for a size": (
        lambda v: sg.simulate(v["grammar"], size=True),
        "size: is True; give a whole number from 1",
    ),
    "no threads": (
        lambda v: sg.deterministic(0),
        "threads: is 0; give a whole number from 1",
    ),
    "a number for a folder": (
        lambda v: sg.load_dataset(3),
        r"folder: is 3 \(int\); give a path, as text or pathlib.Path",
    ),
    "nothing for a model's folder": (
        lambda v: sg.load_model(None),
        r"folder: is None \(NoneType\); give a path",
    ),
    "no folder to save to": (lambda v: v["data"].save(""), r"folder: is '' \(str\); give a path"),
    "no folder to export to": (
        lambda v: v["model"].export(3),
        r"folder: is 3 \(int\); give a path",
    ),
    "a folder for a page": (
        lambda v: sg.report([v["scores"]], "."),
        "file: . is a folder; name a file in it, such as report.html",
    ),
    "one part of a report": (
        lambda v: sg.report(v["scores"], "report.html"),
        "parts: is Scores; give a list of what evaluate",
    ),
    "no sequences": (
        lambda v: sg.predict(v["model"], None),
        "sequences: is NoneType; give a list of sequences",
    ),
    "nothing to call": (lambda v: sg.wrap(3, v["data"]), "model: is int; give a torch module"),
    "a strange part of a report": (
        lambda v: sg.report([3], "report.html"),
        "parts: part 1 is int; give what evaluate, ceiling or recovery returns",
    ),
}


def sometimes_nan(one_hot):
    scores = np.zeros((len(one_hot), 2))
    if len(one_hot) > 7:
        scores[7, 0] = np.nan
    return scores


def sometimes_no_condition(one_hot):
    given = np.full((len(one_hot), 2), 0.503)  # as printed rounded: a little more than 1
    given[7:8] = 0
    return given


@pytest.fixture(scope="module")
def values(data, model, grammar, tiny_dataset, tmp_path_factory):
    rna = tmp_path_factory.mktemp("rna") / "rna.yaml"
    text = (tiny_dataset.parent / "tiny.yaml").read_text()
    rna.write_text(text.replace("DNA", "RNA").replace("ACGTACGT", "ACGUACGU"))
    return {
        "data": data,
        "model": model,
        "grammar": grammar,
        "test_only": sg.simulate(grammar, examples=20, sets=["test"]),
        "other": sg.simulate(grammar, examples=20, sets=["test"], seed=9),
        "protein": sg.simulate("mc2-protein100-psp", examples=5, sets=["test"]),
        "maps": sg.attribute(model, data.test, "gradient", examples=3),
        "scores": sg.evaluate(model, data.test),
        "few": sg.simulate(grammar, examples=2, sets=["test"], seed=1),
        "rna": sg.simulate(rna, examples=5, sets=["test"]),
    }


@pytest.mark.parametrize("name", REFUSED)
def test_wrong_arguments_are_one_clear_line(values, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    call, message = REFUSED[name]
    with pytest.raises(sg.InputError, match=message) as refused:
        call(values)
    assert "\n" not in str(refused.value) and isinstance(refused.value, ValueError)
    assert not list(tmp_path.iterdir()), "nothing half-written"
