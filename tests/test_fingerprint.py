"""Nouns: published last, locked while written, never half there."""

import json
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from seqgra.errors import InputError
from seqgra.fingerprint import Identity, claim, read_run, require_run, verify_file, write_atomically

IDENTITY = Identity("train", 1, {"dataset": "abc"}, {"seed": 1})


def publish(folder, identity=IDENTITY, **files):
    with claim(folder, identity) as draft:
        for name, text in files.items():
            draft.aside(name).write_text(text)
        draft.publish()


def test_fingerprint_depends_on_every_part_and_on_nothing_else():
    others = [
        Identity("tune", 1, {"dataset": "abc"}, {"seed": 1}),
        Identity("train", 2, {"dataset": "abc"}, {"seed": 1}),
        Identity("train", 1, {"dataset": "abd"}, {"seed": 1}),
        Identity("train", 1, {"dataset": "abc"}, {"seed": 2}),
    ]
    assert len({identity.fingerprint for identity in [IDENTITY, *others]}) == 5
    assert IDENTITY.fingerprint == Identity("train", 1, {"dataset": "abc"}, {"seed": 1}).fingerprint


def test_a_failed_writer_leaves_the_finished_noun_alone(tmp_path):
    publish(tmp_path / "noun", a="first")
    with pytest.raises(RuntimeError), claim(tmp_path / "noun", Identity("train", 2)) as draft:
        draft.aside("a").write_text("half")
        raise RuntimeError
    assert (tmp_path / "noun" / "a").read_text() == "first"
    assert read_run(tmp_path / "noun")["fingerprint"] == IDENTITY.fingerprint
    assert sorted(p.name for p in (tmp_path / "noun").iterdir()) == [".lock", "a", "run.json"]


def test_another_identity_replaces_all_files(tmp_path):
    publish(tmp_path, a="first", b="second")
    publish(tmp_path, Identity("train", 2), a="other")
    assert (tmp_path / "a").read_text() == "other" and not (tmp_path / "b").exists()


def test_a_noun_without_run_json_does_not_exist(tmp_path):
    publish(tmp_path, a="first")
    (tmp_path / "run.json").unlink()
    assert read_run(tmp_path) is None
    with pytest.raises(InputError, match=r"is not finished; make it .* `seqgra train`"):
        require_run(tmp_path, "train")


def test_truncated_and_edited_files_are_noticed(tmp_path):
    publish(tmp_path, a="first")
    run = read_run(tmp_path)
    (tmp_path / "a").write_text("fiRst")
    with pytest.raises(InputError, match="a: does not match its checksum"):
        verify_file(tmp_path, "a", run)
    (tmp_path / "a").write_text("fi")
    assert read_run(tmp_path) is None
    with pytest.raises(InputError, match="has lost or truncated files"):
        require_run(tmp_path, "train")


def test_a_noun_of_another_verb_is_refused(tmp_path):
    publish(tmp_path, a="first")
    with pytest.raises(InputError, match="was made by `seqgra train`; expected `seqgra simulate`"):
        require_run(tmp_path, "simulate")


def hold(folder, started, release):
    with claim(folder, IDENTITY) as draft:
        started.set()
        release.wait(20)
        draft.aside("a").write_text(str(os.getpid()))
        draft.publish()


def test_a_second_writer_waits_and_finds_the_noun_up_to_date(tmp_path):
    context = multiprocessing.get_context("fork")
    started, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "noun", started, release))
    other.start()
    assert started.wait(30)
    before = time.monotonic()
    context.Process(target=release_later, args=(release,)).start()
    with claim(tmp_path / "noun", IDENTITY) as draft:
        assert draft.previous is not None, "the second writer must see what the first one published"
    assert time.monotonic() - before > 0.2
    other.join()
    assert (tmp_path / "noun" / "a").read_text() == str(other.pid)


def release_later(release):
    time.sleep(0.3)
    release.set()


def test_a_killed_writer_leaves_no_lock_and_its_leftovers_are_removed(tmp_path):
    context = multiprocessing.get_context("fork")
    started, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "noun", started, release))
    other.start()
    assert started.wait(30)
    other.kill()
    other.join()
    (tmp_path / "noun" / ".aside-a").write_text("half")
    publish(tmp_path / "noun", b="whole")
    assert sorted(p.name for p in (tmp_path / "noun").iterdir()) == [".lock", "b", "run.json"]


def test_run_json_is_provenance(tmp_path):
    publish(tmp_path, a="first")
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["status"] == "done" and run["options"] == {"seed": 1}
    assert {"python", "seqgra", "numpy"} <= set(run["versions"]) and run["seconds"] >= 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be written"),
        claim(tmp_path / "file" / "x", IDENTITY),
    ):
        pass


def test_write_atomically_leaves_nothing_beside(tmp_path):
    write_atomically(tmp_path / "deep" / "file.txt", "text")
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["file.txt"]


def test_every_path_in_a_noun_is_inside_it(tmp_path):
    publish(tmp_path / "noun", a="first")
    run = json.loads((tmp_path / "noun" / "run.json").read_text())
    run["files"]["../victim"] = {"bytes": 0}
    (tmp_path / "noun" / "run.json").write_text(json.dumps(run))
    Path(tmp_path / "victim").write_text("")
    publish(tmp_path / "noun", Identity("train", 3), a="other")
    assert (tmp_path / "victim").exists()


def test_folders_that_are_not_ours_are_refused(tmp_path):
    publish(tmp_path / "model", a="weights")
    with pytest.raises(InputError, match="holds what `seqgra train` made; choose another folder"):
        publish(tmp_path / "model", Identity("evaluate", 1), a="scores")
    assert (tmp_path / "model" / "a").read_text() == "weights"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="holds other files; choose a new or empty folder"):
        publish(tmp_path / "mine", **{"thesis.txt": "gone"})
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "[1]", '{"files": []}', '{"files": {}}', "\x00"])
def test_a_damaged_run_json_is_no_noun(tmp_path, text):
    publish(tmp_path, a="first")
    (tmp_path / "run.json").write_text(text)
    assert read_run(tmp_path) is None
    publish(tmp_path, a="again")
    assert read_run(tmp_path) is not None
