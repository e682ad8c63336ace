"""Gapped k-mers: brute force, both strands, a planted word, files and refusals."""

import itertools
import json
from collections import Counter

import numpy as np
import pytest
from scipy.stats import ttest_ind

from seqgra.alphabet import PADDING, UNKNOWN
from seqgra.architecture.load import resolve_architecture
from seqgra.backends.gapped_kmers import (
    chosen_columns,
    counts,
    distinct_words,
    patterns,
    word_columns,
)
from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.evaluate import predict
from seqgra.fingerprint import file_sha256, read_run
from seqgra.model import open_model
from seqgra.train import train


def sequences(examples, length, seed=0):
    x = np.random.default_rng(seed).integers(0, 4, (examples, length)).astype(np.uint8)
    x[0, 3], x[1, length - 4 :] = UNKNOWN, PADDING
    return x


def by_hand(row, places):
    """Count (pattern, letters) of a sequence in plain Python."""
    found = Counter()
    for start, pattern in itertools.product(range(len(row)), [tuple(p) for p in places.tolist()]):
        if start + pattern[-1] < len(row):
            word = tuple(int(row[start + place]) for place in pattern)
            if max(word) < 4:
                found[pattern, word] += 1
    return found


def reverse(pattern, word):
    return tuple(pattern[-1] - place for place in pattern[::-1]), tuple(3 - x for x in word[::-1])


@pytest.mark.parametrize("both", [False, True], ids=["one strand", "both strands"])
def test_counts_are_those_of_a_plain_loop(both):
    x, places = sequences(6, 14), patterns(5, 3)
    assert len(places) == 6
    columns = word_columns(places, 4, both)
    table = counts(x, places, 4, columns, len(columns))
    for row, numbers in zip(x, table, strict=True):
        expected = Counter()
        for (pattern, word), number in by_hand(row, places).items():
            ways = {(pattern, word), reverse(pattern, word)} if both else {(pattern, word)}
            index = min(
                places.tolist().index(list(p)) * 64 + int(np.dot(w, (16, 4, 1))) for p, w in ways
            )
            expected[index] += number
        assert {i: int(n) for i, n in enumerate(numbers) if n} == expected


def test_both_strands_give_the_same_counts():
    x, places = sequences(20, 30), patterns(6, 4)
    turned = np.where(x < 4, 3 - x, x)[:, ::-1]
    columns = word_columns(places, 4, True)
    ours, theirs = (
        counts(np.ascontiguousarray(a), places, 4, columns, len(columns)) for a in (x, turned)
    )
    np.testing.assert_array_equal(ours, theirs)
    assert (ours != counts(x, places, 4, word_columns(places, 4, False), len(columns))).any()


def test_the_chosen_words_are_those_of_the_largest_t():
    x, places = sequences(300, 20), patterns(4, 2)
    y = np.eye(2, dtype=np.uint8)[np.arange(300) % 2]
    x[::2, 5], x[::2, 8] = 0, 3  # A..T in the first condition
    words = distinct_words(x, y, places, 4, False, 5)
    every = counts(x, places, 4, word_columns(places, 4, False), 3 * 16)
    t = np.nan_to_num(np.abs(ttest_ind(every[::2], every[1::2]).statistic))
    np.testing.assert_array_equal(words, np.sort(np.argsort(-t, kind="stable")[:5]))
    assert 2 * 16 + 3 in words
    table = counts(x, places, 4, chosen_columns(places, 4, False, words), len(words))
    np.testing.assert_array_equal(table, every[:, words])
    labels = np.stack(
        [y[:, 0], np.ones(300, np.uint8)], axis=1
    )  # all examples have the second label
    np.testing.assert_array_equal(distinct_words(x, labels, places, 4, False, 5), words)


def test_a_model_opens_as_it_was_trained(tmp_path, tiny_dataset):
    folder = tmp_path / "m"
    assert (
        train(tiny_dataset, "gapped-kmer-logistic-regression", folder, size=None, seed=0) == "done"
    )
    data = open_dataset(tiny_dataset)
    model = open_model(folder, read_run(folder), data, "cpu")
    logits = predict(model, data.x("test"))
    agree = logits.argmax(axis=1) == np.asarray(data.y("test")).argmax(axis=1)
    assert agree.mean() > 0.95
    assert len(model.arrays["words"]) == model.arrays["coefficients"].shape[1] <= 4096


def test_words_with_and_without_gaps_have_strands_of_their_own(tmp_path, tiny_dataset):
    data, file = open_dataset(tiny_dataset), tmp_path / "net.yaml"
    x = data.x("test", 20)
    turned = np.ascontiguousarray(3 - x[:, ::-1])
    text = (
        "{{kmers: {{k: 2, strands: {}}}, gapped_kmers: {{length: 5, informative: 3, strands: {}}}}}"
    )
    for number, strands in enumerate(itertools.product(("forward", "both"), repeat=2)):
        file.write_text("backend: sklearn\nfeatures: " + text.format(*strands))
        folder = tmp_path / str(number)
        train(tiny_dataset, str(file), folder, size=300, seed=0)
        run = read_run(folder)
        assert (run["strands"], run["gapped_strands"]) == strands
        features = open_model(folder, run, data, "cpu").features
        same = (features(x) == features(turned)).all(axis=0)
        words = {"forward": 16, "both": 10}[strands[0]]
        for part, each in zip((same[:words], same[words:]), strands, strict=True):
            assert part.all() == (each == "both"), strands


def test_models_of_before_have_one_kind_of_strands(tmp_path, tiny_dataset):
    data, folder, file = open_dataset(tiny_dataset), tmp_path / "m", tmp_path / "net.yaml"
    file.write_text("backend: sklearn\nfeatures: {gapped_kmers: {length: 5, informative: 3}}")
    train(tiny_dataset, str(file), folder, size=300, seed=0)
    run, x = read_run(folder), data.x("test", 20)
    now = open_model(folder, run, data, "cpu").logits(x)
    card = json.loads((folder / "model.json").read_text())
    for name, opens in (("strands", True), ("nothing", False)):
        old = {name if key == "gapped_strands" else key: value for key, value in card.items()}
        old.pop("nothing", None)
        (folder / "model.json").write_text(json.dumps(old))
        run["files"]["model.json"]["sha256"] = file_sha256(folder / "model.json")
        if opens:
            np.testing.assert_array_equal(open_model(folder, run, data, "cpu").logits(x), now)
        else:
            with pytest.raises(InputError, match="earlier version; train it again"):
                open_model(folder, run, data, "cpu")


@pytest.mark.parametrize(
    ("features", "message"),
    [
        ({"length": 4, "informative": 5}, "5 informative letters do not fit in 4"),
        ({"length": 1}, "length: is 1; should be greater than or equal to 2"),
        ({"most": 10**6}, "most: is 1000000; should be less than or equal to 65536"),
    ],
)
def test_what_cannot_be_counted_is_refused(features, message):
    with pytest.raises(InputError, match=message):
        resolve_architecture(
            {"backend": "sklearn", "features": {"gapped_kmers": features}}, "a.yaml"
        )


def test_too_many_words_are_refused_before_they_are_counted(tmp_path, tiny_dataset):
    file = tmp_path / "a.yaml"
    file.write_text("backend: sklearn\nfeatures: {gapped_kmers: {length: 16, informative: 8}}\n")
    with pytest.raises(InputError, match=r"informative: is 8: 421,724,160 words of 4 letters"):
        train(tiny_dataset, str(file), tmp_path / "m", size=None, seed=0)
    assert not (tmp_path / "m" / "run.json").exists()
