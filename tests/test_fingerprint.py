"""Nouns: published last, locked while written, never half there."""

import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seqgra.errors import InputError
from seqgra.fingerprint import (
    Identity,
    claim,
    read_run,
    require_run,
    seal,
    verify_file,
    why_no_result,
    write_atomically,
)
from seqgra.stages import all_stages

IDENTITY = Identity("train", 1, {"dataset": "abc"}, {"seed": 1})


#: Files of a model, by the short names that the tests use.
NAMES = {"a": "model.json", "b": "history.csv"}


def publish(folder, identity=IDENTITY, **files):
    with claim(folder, identity) as draft:
        for name, text in files.items():
            draft.aside(NAMES.get(name, name)).write_text(text)
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
        draft.aside("model.json").write_text("half")
        raise RuntimeError
    assert (tmp_path / "noun" / "model.json").read_text() == "first"
    assert read_run(tmp_path / "noun")["fingerprint"] == IDENTITY.fingerprint
    assert sorted(p.name for p in (tmp_path / "noun").iterdir()) == [
        ".lock",
        "model.json",
        "run.json",
    ]


def test_another_identity_replaces_all_files(tmp_path):
    publish(tmp_path, a="first", b="second")
    publish(tmp_path, Identity("train", 2), a="other")
    assert (tmp_path / "model.json").read_text() == "other" and not (
        tmp_path / "history.csv"
    ).exists()


def test_a_noun_without_run_json_does_not_exist(tmp_path):
    publish(tmp_path, a="first")
    (tmp_path / "run.json").unlink()
    assert read_run(tmp_path) is None
    with pytest.raises(InputError, match=r"is not finished; make it .* `seqgra train`"):
        require_run(tmp_path, "train")


def test_truncated_and_edited_files_are_noticed(tmp_path):
    publish(tmp_path, a="first")
    run = read_run(tmp_path)
    (tmp_path / "model.json").write_text("fiRst")
    with pytest.raises(InputError, match=r"model\.json: does not match its checksum"):
        verify_file(tmp_path, "model.json", run)
    (tmp_path / "model.json").write_text("fi")
    assert read_run(tmp_path) is None
    with pytest.raises(InputError, match="has lost or truncated files"):
        require_run(tmp_path, "train")
    (tmp_path / "model.json").write_text("first and more")  # grown: an append that nobody finished
    assert read_run(tmp_path) is None
    (tmp_path / "model.json").write_text("first")
    assert read_run(tmp_path) == run


def test_a_noun_of_another_verb_is_refused(tmp_path):
    publish(tmp_path, a="first")
    with pytest.raises(InputError, match="was made by `seqgra train`; expected `seqgra simulate`"):
        require_run(tmp_path, "simulate")


def hold(folder, started, release):
    with claim(folder, IDENTITY) as draft:
        started.set()
        release.wait(20)
        draft.aside("model.json").write_text(str(os.getpid()))
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
    assert (tmp_path / "noun" / "model.json").read_text() == str(other.pid)


def release_later(release):
    time.sleep(0.3)
    release.set()


def test_a_call_that_fails_leaves_no_folder_of_its_own(tmp_path):
    new, empty = tmp_path / "new", tmp_path / "empty"
    empty.mkdir()
    for folder in (new, empty):
        with pytest.raises(RuntimeError), claim(folder, IDENTITY) as draft:
            draft.aside("model.json").write_text("half")
            raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["empty"], "one that was there stays"
    with pytest.raises(RuntimeError), claim(new, IDENTITY) as draft:
        draft.checkpoint.write_text("half way")
        raise RuntimeError
    assert draft.checkpoint.exists(), "a folder that holds a checkpoint stays"


def fail(folder, started, release):
    with claim(folder, Identity("train", 2)):
        started.set()
        release.wait()
        raise SystemExit


def test_who_waits_for_a_call_that_fails_gets_a_folder(tmp_path):
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        started, release = context.Event(), context.Event()
        other = context.Process(target=fail, args=(tmp_path / "noun", started, release))
        other.start()
        assert started.wait(30)
        context.Process(target=release_later, args=(release,)).start()
        publish(tmp_path / "noun", a="whole")
        other.join()
        assert read_run(tmp_path / "noun")["fingerprint"] == IDENTITY.fingerprint
        shutil.rmtree(tmp_path / "noun")


def test_a_killed_writer_leaves_no_lock_and_its_leftovers_are_removed(tmp_path):
    context = multiprocessing.get_context("fork")
    started, release = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path / "noun", started, release))
    other.start()
    assert started.wait(30)
    other.kill()
    other.join()
    (tmp_path / "noun" / ".aside-model.json").write_text("half")
    publish(tmp_path / "noun", b="whole")
    assert sorted(p.name for p in (tmp_path / "noun").iterdir()) == [
        ".lock",
        "history.csv",
        "run.json",
    ]


def test_a_finished_result_keeps_no_checkpoint(tmp_path):
    """Neither that of its own identity, which a killed writer may leave, nor that of another."""
    publish(tmp_path, a="first")
    with claim(tmp_path, IDENTITY) as draft:
        own, other = draft.checkpoint, draft.checkpoint.with_name(".checkpoint-0123456789ab")
    for checkpoint in (own, other):
        checkpoint.write_text("stale")
    with claim(tmp_path, IDENTITY) as draft:
        assert draft.previous is not None
        assert not own.exists() and not other.exists()
    other.write_text("stale")
    with claim(tmp_path, Identity("train", 2)) as draft:
        assert not other.exists()
        draft.checkpoint.write_text("half way")
    with claim(tmp_path, Identity("train", 2)) as draft:
        assert draft.checkpoint.read_text() == "half way", "an unfinished training resumes"


def test_run_json_is_provenance(tmp_path):
    publish(tmp_path, Identity("train", 7, {"dataset": "abc"}, {"seed": 1}), a="first")
    run = json.loads((tmp_path / "run.json").read_text())
    assert run["results_version"] == 7 and run["inputs"] == {"dataset": "abc"}
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
    (tmp_path / "noun" / "run.json").write_text(seal(run))
    Path(tmp_path / "victim").write_text("")
    publish(tmp_path / "noun", Identity("train", 3), a="other")
    assert (tmp_path / "victim").exists()


def test_folders_that_are_not_ours_are_refused(tmp_path):
    publish(tmp_path / "model", a="weights")
    with pytest.raises(InputError, match="holds what `seqgra train` made; choose another folder"):
        publish(tmp_path / "model", Identity("evaluate", 1), **{"scores.json": "scores"})
    assert (tmp_path / "model" / "model.json").read_text() == "weights"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="holds other files; choose a new or empty folder"):
        publish(tmp_path / "mine", a="gone")
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("text", ["", "[1]", '{"files": []}', '{"files": {}}', "\x00"])
def test_a_damaged_run_json_is_no_noun(tmp_path, text):
    publish(tmp_path, a="first")
    (tmp_path / "run.json").write_text(text)
    assert read_run(tmp_path) is None
    publish(tmp_path, a="again")
    assert read_run(tmp_path) is not None


def values_of(run, path=()):
    """Yield the path of every value of a run.json that is no mapping, and of every key."""
    for key, value in run.items():
        if isinstance(value, dict) and value:
            yield from values_of(value, (*path, key))
        else:
            yield (*path, key)


def flipped(value):
    """Return a value of the same kind that one flipped bit may give."""
    if isinstance(value, bool) or value is None:
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    return f"{chr(ord(value[0]) ^ 1)}{value[1:]}" if value else "x"


def edit(folder, path, change, write):
    """Change one value of a run.json."""
    run = json.loads((folder / "run.json").read_text())
    inner = run
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = change(inner[path[-1]])
    (folder / "run.json").write_text(write(run))


def indented(run):
    return json.dumps(run, indent=1) + "\n"


def test_every_flipped_value_is_named_and_a_rerun_repairs_it(tmp_path):
    folder = tmp_path / "model"
    publish(folder, a="first", b="second")
    whole = (folder / "run.json").read_text()
    paths = list(values_of(json.loads(whole)))
    assert len(paths) > 15
    for path in paths:
        edit(folder, path, flipped, indented)
        assert read_run(folder) is None, path
        with pytest.raises(InputError, match=r"model: has a run.json that does not match its chec"):
            require_run(folder, "train")
        publish(folder, a="first", b="second")
        assert read_run(folder)["fingerprint"] == IDENTITY.fingerprint, path


def test_every_flipped_bit_of_run_json_is_noticed(tmp_path):
    publish(tmp_path, a="first", b="second")
    whole = (tmp_path / "run.json").read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << (place % 8)
        (tmp_path / "run.json").write_bytes(changed)
        assert read_run(tmp_path) is None, (place, bytes(changed[place - 10 : place + 10]))


def of_earlier_version(folder):
    """Write run.json as versions did that knew no checksum."""
    run = json.loads((folder / "run.json").read_text())
    earlier = {key: value for key, value in run.items() if key not in ("format", "checksum")}
    (folder / "run.json").write_text(indented(earlier))


def test_results_of_an_earlier_version_stay_up_to_date(tmp_path):
    publish(tmp_path, a="first")
    of_earlier_version(tmp_path)
    (tmp_path / ".lock").write_text("seqgra locks this folder while it writes\n")
    with claim(tmp_path, IDENTITY) as draft:
        assert draft.previous is not None
    assert require_run(tmp_path, "train")["options"] == {"seed": 1}


@pytest.mark.parametrize(
    "path",
    [("verb",), ("fingerprint",), ("results_version",), ("inputs", "dataset"), ("options", "seed")],
    ids=".".join,
)
def test_what_the_fingerprint_covers_is_believed_of_no_version(tmp_path, path):
    publish(tmp_path, a="first")
    of_earlier_version(tmp_path)
    edit(tmp_path, path, flipped, indented)
    assert read_run(tmp_path) is None
    assert "whose fingerprint does not fit its stage, version, inputs and options" in why_no_result(
        tmp_path
    )
    publish(tmp_path, a="again")
    assert read_run(tmp_path) is not None


class Killed(BaseException):
    """Stands for kill -9: nothing is cleaned up."""


def publish_until(folder, identity, steps, monkeypatch, **files):
    """Publish, killed before the given number of files have been put in place."""
    done = 0
    replace = Path.replace

    def counted(self, target):
        nonlocal done
        if Path(target).name not in (".publish.json",):
            if done == steps:
                raise Killed
            done += 1
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", counted)
        patch.setattr("seqgra.fingerprint.Draft.clean", lambda self: None)
        with pytest.raises(Killed):
            publish(folder, identity, **files)


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("next_seed", [2, 1, 3])
def test_a_kill_while_publishing_mixes_no_files(tmp_path, monkeypatch, steps, next_seed):
    """The same identity finishes the job; another one finds nothing that it could believe."""
    old, new = Identity("train", 1, {}, {"seed": 1}), Identity("train", 1, {}, {"seed": 2})
    publish(tmp_path, old, a="old 1", b="old 2")
    publish_until(tmp_path, new, steps, monkeypatch, a="new 1", b="new 2")
    after = Identity("train", 1, {}, {"seed": next_seed})
    with claim(tmp_path, after) as draft:
        assert (draft.previous is not None) == (next_seed == 2)
    if next_seed == 2:
        run = require_run(tmp_path, "train")
        assert verify_file(tmp_path, "model.json", run).read_text() == "new 1"
        assert verify_file(tmp_path, "history.csv", run).read_text() == "new 2"
    else:
        assert read_run(tmp_path) is None
        publish(tmp_path, after, a="after")
        assert {p.name for p in tmp_path.iterdir()} == {".lock", "model.json", "run.json"}


def test_an_aside_file_that_is_not_whole_is_never_published(tmp_path, monkeypatch):
    """A lost power supply may keep the journal and lose what a file held."""
    publish_until(tmp_path, IDENTITY, 0, monkeypatch, a="new", b="new")
    (tmp_path / ".aside-model.json").write_text("neW")
    with claim(tmp_path, IDENTITY) as draft:
        assert draft.previous is None


@pytest.mark.parametrize("stage", all_stages(), ids=lambda stage: stage.name)
def test_every_stage_declares_its_files(stage):
    for wrong in ("", ".", "..", "../model.json", "run.json", ".lock", "a/b", ".aside-x", "x\0"):
        assert not stage.owns(wrong), wrong


def test_too_many_open_files_is_not_taken_for_a_missing_result(tmp_path):
    publish(tmp_path, a="first")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from seqgra.fingerprint import read_run\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "try:\n    read_run(Path(sys.argv[1]))\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert said.stdout == "Too many open files\n", said.stderr
