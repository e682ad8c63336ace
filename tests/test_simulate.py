"""Dataset folders: prefixes, growth, checksums, and agreement of element table and letters."""

import contextlib
import threading
from pathlib import Path

import numpy as np
import pytest

from seqgra.dataset import open_dataset
from seqgra.errors import InputError
from seqgra.fingerprint import Draft, read_run
from seqgra.simulate import simulate
from seqgra.streams import BLOCK


def content(folder, set_name="training", examples=None):
    data = open_dataset(folder)
    table = data.elements(set_name, examples)
    return data.x(set_name, examples), data.y(set_name, examples), table


@pytest.mark.parametrize("examples", [1, 100, BLOCK, BLOCK + 1, 2 * BLOCK + 77])
def test_the_first_examples_do_not_depend_on_how_many_there_are(tmp_path, tiny_grammar, examples):
    simulate(tiny_grammar, tmp_path / "small", seed=3, counts={"training": examples})
    simulate(tiny_grammar, tmp_path / "large", seed=3, counts={"training": 3 * BLOCK})
    for small, large in zip(
        content(tmp_path / "small"), content(tmp_path / "large", examples=examples), strict=True
    ):
        assert np.array_equal(small, large)


def test_a_grown_dataset_equals_one_made_at_once(tmp_path, tiny_grammar):
    for count in (10, BLOCK + 5, 2 * BLOCK, 3 * BLOCK + 1):
        assert (
            simulate(tiny_grammar, tmp_path / "grown", seed=3, counts={"training": count}) == "done"
        )
    simulate(tiny_grammar, tmp_path / "grown", seed=3, counts={"validation": 50})
    both = {"training": 3 * BLOCK + 1, "validation": 50}
    simulate(tiny_grammar, tmp_path / "once", seed=3, counts=both)
    for name in ("training.x.npy", "training.y.npy", "validation.x.npy", "dataset.json"):
        assert (tmp_path / "grown" / name).read_bytes() == (
            tmp_path / "once" / name
        ).read_bytes(), name
    assert content(tmp_path / "grown")[2].equals(content(tmp_path / "once")[2])


def folder_bytes(folder):
    """Return the files of a dataset but for `run.json`, which says when and where it was made."""
    return {f.name: f.read_bytes() for f in folder.iterdir() if f.name != "run.json"}


@pytest.mark.parametrize("workers", [2, 3])
def test_workers_make_the_same_files(tmp_path, tiny_grammar, workers):
    """Also where the last block is cut, and where a dataset grows."""
    for number, count in enumerate([7, 2 * BLOCK - 1, 7 * BLOCK + 5]):
        counts = {"training": count, "test": 9}
        simulate(tiny_grammar, tmp_path / "one", seed=3, counts=counts)
        simulate(tiny_grammar, tmp_path / "many", seed=3, counts=counts, workers=workers)
        once = tmp_path / f"once{number}"
        simulate(tiny_grammar, once, seed=3, counts=counts, workers=workers)
        assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "many")
        assert folder_bytes(tmp_path / "one") == folder_bytes(once)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ["draw_block", "write"])
def test_a_failure_with_workers_ends_all_of_them(tmp_path, tiny_grammar, monkeypatch, error, place):
    def fail(*_):
        raise error

    before = threading.active_count()
    target = (
        "seqgra.law.law.draw_block"
        if place == "draw_block"
        else "seqgra.dataset_files.SetWriter.write"
    )
    monkeypatch.setattr(target, fail)
    with pytest.raises(type(error)):
        simulate(tiny_grammar, tmp_path / "data", seed=3, counts={"training": 9 * BLOCK}, workers=3)
    assert threading.active_count() == before
    assert not list((tmp_path / "data").glob("*training*"))
    monkeypatch.undo()
    counts = {"training": 100}
    assert simulate(tiny_grammar, tmp_path / "data", seed=3, counts=counts, workers=3) == "done"


def test_a_smaller_wish_is_up_to_date_and_has_the_same_fingerprint(tmp_path, tiny_grammar):
    folder = tmp_path / "data"
    simulate(tiny_grammar, folder, seed=3, counts={"training": 100})
    before = read_run(folder)
    assert simulate(tiny_grammar, folder, seed=3, counts={"training": 50}) == "up to date"
    assert read_run(folder) == before
    simulate(tiny_grammar, folder, seed=3, counts={"training": 200})
    assert read_run(folder)["fingerprint"] == before["fingerprint"]


def test_another_seed_or_grammar_replaces_the_dataset(tmp_path, tiny_grammar):
    folder = tmp_path / "data"
    simulate(tiny_grammar, folder, seed=3, counts={"training": 100, "test": 10})
    first = np.array(open_dataset(folder).x("training"))
    simulate(tiny_grammar, folder, seed=4, counts={"training": 100})
    assert open_dataset(folder).counts == {"training": 100}
    assert not (folder / "test.x.npy").exists()
    assert not np.array_equal(first, open_dataset(folder).x("training"))
    tiny_grammar.write_text(tiny_grammar.read_text().replace("window: 40", "window: 41"))
    assert simulate(tiny_grammar, folder, seed=4, counts={"training": 100}) == "done"
    assert open_dataset(folder).x("training").shape == (100, 41)


def test_a_reworded_grammar_is_up_to_date(tmp_path, tiny_grammar):
    simulate(tiny_grammar, tmp_path / "data", seed=3, counts={"training": 100})
    tiny_grammar.write_text("# a comment\ndescription: new words\n" + tiny_grammar.read_text())
    assert simulate(tiny_grammar, tmp_path / "data", seed=3, counts={"training": 9}) == "up to date"


def test_sets_and_seeds_differ(tmp_path, tiny_grammar):
    counts = {"training": 50, "validation": 50, "test": 50}
    simulate(tiny_grammar, tmp_path / "a", seed=0, counts=counts)
    simulate(tiny_grammar, tmp_path / "b", seed=1, counts=counts)
    arrays = [np.array(open_dataset(tmp_path / f).x(s)) for f in "ab" for s in counts]
    assert len({array.tobytes() for array in arrays}) == 6


def test_element_table_and_letters_agree(tiny_dataset):
    x, y, table = content(tiny_dataset, "test")
    data = open_dataset(tiny_dataset)
    assert len(table) == 200 and (y.sum(axis=1) == 1).all()
    kmers = ["ACGTACGT", "GGGGCCCC"]
    for row in table.itertuples():
        assert data.alphabet.decode(x[row.example, row.start : row.end]) == kmers[row.element]
        assert y[row.example].argmax() == row.condition == row.element
    assert abs(int(y[:, 0].sum()) - 100) <= 1


def test_a_flipped_bit_is_found_and_placed(tmp_path, tiny_grammar):
    simulate(tiny_grammar, tmp_path / "data", seed=3, counts={"training": 1000})
    file = tmp_path / "data" / "training.x.npy"
    damaged = bytearray(file.read_bytes())
    damaged[5000] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(InputError, match=r"training.x.npy: bytes 0 to 4194304: do not match"):
        open_dataset(tmp_path / "data").verify("training")


def test_a_truncated_dataset_is_made_again(tmp_path, tiny_grammar):
    simulate(tiny_grammar, tmp_path / "data", seed=3, counts={"training": 1000})
    file = tmp_path / "data" / "training.x.npy"
    whole = file.read_bytes()
    file.write_bytes(whole[:3000])
    with pytest.raises(InputError, match="has lost or truncated files"):
        open_dataset(tmp_path / "data")
    assert simulate(tiny_grammar, tmp_path / "data", seed=3, counts={"training": 1000}) == "done"
    assert file.read_bytes() == whole


@pytest.mark.parametrize("stop", range(1, 6))
def test_a_writer_killed_while_publishing_loses_nothing(tmp_path, tiny_grammar, monkeypatch, stop):
    """Stop growth after each rename in turn: the next call finishes the job."""
    folder = tmp_path / "data"
    simulate(tiny_grammar, folder, seed=3, counts={"training": 100})
    real, calls = Path.replace, []

    def dying(self, target):
        if self.name.startswith(".aside") and not self.name.endswith(".json.tmp"):
            calls.append(self)
            if len(calls) == stop + 1:
                raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", dying)
    monkeypatch.setattr(Draft, "clean", lambda self: None)  # a killed process cleans nothing up
    with contextlib.suppress(KeyboardInterrupt):
        simulate(tiny_grammar, folder, seed=3, counts={"training": 5000})
    monkeypatch.undo()
    simulate(tiny_grammar, folder, seed=3, counts={"training": 5000})
    simulate(tiny_grammar, tmp_path / "once", seed=3, counts={"training": 5000})
    x, _, table = content(folder)
    assert np.array_equal(x, content(tmp_path / "once")[0]) and len(table) == 5000
    open_dataset(folder).verify("training")


def test_wrong_wishes(tmp_path, tiny_grammar, tiny_dataset):
    with pytest.raises(InputError, match="--seed"):
        simulate(tiny_grammar, tmp_path / "data", seed=-1, counts={"training": 1})
    with pytest.raises(InputError, match="sets: training, validation, test"):
        simulate(tiny_grammar, tmp_path / "data", seed=0, counts={"trainning": 1})
    with pytest.raises(InputError, match="test: has 200 examples; 201 are wanted"):
        open_dataset(tiny_dataset).x("test", 201)
