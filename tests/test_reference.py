"""What is the same on every machine is what it was: data, fingerprints, descriptions, refusals, batches."""

import json

import pytest
import reference
from conftest import REPOSITORY


@pytest.mark.slow
def test_nothing_changes_unseen():
    kept = json.loads(reference.DIGESTS.read_text())
    made = reference.digests(REPOSITORY)
    changed = {name for name in kept | made if kept.get(name) != made.get(name)}
    assert not changed, (
        "a wanted change? python tools/reference.py --update, and say why in the commit"
    )


def test_a_changed_letter_is_found(tmp_path):
    for name, text in (("before", "one\ntwo\n"), ("after", "one\nzwei\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "same.txt").write_text("same\n")
        (tmp_path / name / "list.txt").write_text(text)
    found = list(reference.differences(tmp_path / "before", tmp_path / "after"))
    assert [line for line in found if line[0] in "-+" and line[1] not in "-+"] == ["-two", "+zwei"]
    assert list(reference.differences(tmp_path / "before", tmp_path / "before")) == []
