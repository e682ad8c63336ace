"""Folders of tables and figures: what a command has written is replaced, and nothing of the user's."""

import multiprocessing
import os
import time

import pytest

from seqgra.cli import main
from seqgra.errors import InputError
from seqgra.fingerprint import file_sha256, write_atomically
from seqgra.outputs import own_files

NAMES = ("report.html", "tables/status.csv", "figures/pr-auc.pdf")


def write(folder, *names, text="made"):
    with own_files(folder, "compare") as own:
        for name in names:
            write_atomically(own.file(name), text)


def listed(folder):
    return {line[66:] for line in (folder / ".compare.sha256").read_text().splitlines()}


def test_what_is_no_longer_made_is_removed_unless_it_was_changed(tmp_path):
    write(tmp_path, *NAMES, "figures/old.pdf", "figures/edited.pdf")
    (tmp_path / "figures" / "edited.pdf").write_text("by hand, since")
    (tmp_path / "figures" / "mine.pdf").write_text("mine")
    write(tmp_path, *NAMES, text="made again")
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {
        *("pr-auc.pdf", "edited.pdf", "mine.pdf"),
    }
    assert listed(tmp_path) == set(NAMES)
    assert (tmp_path / "report.html").read_text() == "made again"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_was_not_written_here_is_not_replaced(tmp_path, name, kind):
    path, victim = tmp_path / "out" / name, tmp_path / "victim"
    path.parent.mkdir(parents=True)
    victim.write_text("mine")
    {"file": path.touch, "link": lambda: path.symlink_to(victim), "folder": path.mkdir}[kind]()
    with pytest.raises(
        InputError, match=f"{name}: was not written by `seqgra compare`; move it aw"
    ):
        write(tmp_path / "out", name)
    assert victim.read_text() == "mine" and os.path.lexists(path)


@pytest.mark.parametrize("name", ["tables", "figures"])
def test_no_folder_below_is_a_link_to_elsewhere(tmp_path, name):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=f"{name}: is a symbolic link; nothing is written through"):
        write(tmp_path / "out", "tables/a.csv", "figures/a.svg")
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_list_of_a_stranger_removes_nothing_outside(tmp_path):
    out, victim = tmp_path / "out", tmp_path / "victim.csv"
    write(out, *NAMES)
    victim.write_text("mine")
    (out / "x").symlink_to(tmp_path)
    (out / ".compare.lock").unlink()
    (out / ".compare.lock").symlink_to(victim)
    names = ("../victim.csv", "figures/../../victim.csv", str(victim), "x/victim.csv", "..")
    with (out / ".compare.sha256").open("a") as stream:
        stream.writelines(f"{file_sha256(victim)}  {name}\n" for name in names)
    with pytest.raises(InputError, match="cannot be written"):
        write(out, *NAMES)
    (out / ".compare.lock").unlink()
    (out / ".compare.sha256").rename(tmp_path / "list")
    (out / ".compare.sha256").hardlink_to(tmp_path / "list")
    before = (tmp_path / "list").read_text()
    write(out, *NAMES)
    assert victim.read_text() == "mine" and (tmp_path / "list").read_text() == before


def draw(folder, content, files="drawn", whole=True):
    """Draw a figure unless it is there; return whether it was drawn."""
    with own_files(folder, "compare") as own:
        if own.keeps("figures/a", content):
            return False
        stem = own.figure("figures/a")
        for kind in ("svg", "pdf", "png"):
            write_atomically(stem.with_suffix(f".{kind}"), files)
        if not whole:
            raise KeyboardInterrupt
    return True


def test_a_figure_stays_only_where_content_and_files_are_the_same(tmp_path):
    assert draw(tmp_path, "one") and not draw(tmp_path, "one")
    with pytest.raises(KeyboardInterrupt):
        draw(tmp_path, "two", "other", whole=False)
    assert draw(tmp_path, "one"), "files are those of a killed call"
    assert not draw(tmp_path, "one") and draw(tmp_path, "two", "other")
    (tmp_path / ".compare.figures").unlink()
    assert draw(tmp_path, "two") and not draw(tmp_path, "two")
    write(tmp_path, "report.html")
    assert not list((tmp_path / "figures").iterdir()), "no longer made"
    assert draw(tmp_path, "two")


def test_a_killed_call_does_not_lock_the_next_one_out(tmp_path):
    with pytest.raises(KeyboardInterrupt), own_files(tmp_path, "compare") as own:
        write_atomically(own.file("report.html"), "half of the files")
        own.file("tables/next.csv")
        raise KeyboardInterrupt
    write(tmp_path, "report.html", "tables/next.csv")
    assert listed(tmp_path) == {"report.html", "tables/next.csv"}


def slowly(folder, text):
    with own_files(folder, "compare") as own:
        for name in NAMES:
            write_atomically(own.file(name), text)
            time.sleep(0.05)


def test_two_calls_at_once_do_not_mix(tmp_path):
    context = multiprocessing.get_context("fork")
    calls = [context.Process(target=slowly, args=(tmp_path, text)) for text in ("one", "two")]
    for call in calls:
        call.start()
    for call in calls:
        call.join(60)
    assert [call.exitcode for call in calls] == [0, 0]
    assert len({(tmp_path / name).read_text() for name in NAMES}) == 1


GRAMMAR = "alphabet: DNA\nwindow: 30\nelements: {a: {kmers: {ACGT: 1}}, b: {kmers: {GGCC: 1}}}\n"
GRAMMAR += "conditions: {one: {rules: [{elements: [a]}]}, two: {rules: [{elements: [b]}]}}\n"


def test_variant_replaces_what_it_has_written_and_nothing_else(tmp_path, capsys):
    base, target = tmp_path / "base.yaml", tmp_path / "variant.yaml"
    base.write_text(GRAMMAR)

    def variant(words, output=target):
        changes = f'{{"description": "{words}"}}'
        return main(["variant", "grammar", str(base), changes, "-o", str(output)])

    assert variant("one") == 0 and variant("two") == 0 and "two" in target.read_text()
    target.write_text(target.read_text().replace("two", "three"))
    assert variant("one") == 2 and "three" in target.read_text()
    assert "`seqgra variant` has not written it as it is; delete it" in capsys.readouterr().err
    assert variant("one", base) == 2 and base.read_text() == GRAMMAR
    (tmp_path / "link.yaml").symlink_to(base)
    assert variant("one", tmp_path / "link.yaml") == 2 and base.read_text() == GRAMMAR
    os.mkfifo(tmp_path / "pipe")
    assert variant("one", tmp_path / "pipe") == 2  # and does not wait for one who writes
