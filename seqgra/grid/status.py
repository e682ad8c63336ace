"""What of a grid is done, running, failed and missing, also while its jobs run."""

from __future__ import annotations

import fcntl
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from seqgra.dataset import split_size
from seqgra.fingerprint import LOCK, other_option, read_run
from seqgra.grid import Grid
from seqgra.grid.batches import Batches, Job
from seqgra.grid.expected import Expected
from seqgra.grid.stages import GRID_STAGES, PackStage
from seqgra.stages import find_stage
from seqgra.textfile import aligned

#: In the order of the table.
STATES = ("done", "running", "failed", "missing")
#: The line of a batch file that its first call stands in (`commands.lines`).
_FIRST_CALL = 2
#: What a batch says of a line that failed.
_FAILED = re.compile(r"line ([0-9]+): failed; going on")


class Status(NamedTuple):
    """How many results of each stage and architecture are in each state, and logs that name failures."""

    #: By stage and architecture, which is empty for data: how many results by state.
    counts: dict[tuple[str, str], Counter[str]]
    #: Of jobs in which results failed.
    logs: list[Path]


def status(grid: Grid, library: Path) -> Status:
    """Look at every result of a grid; nothing is written, and nothing waits for a lock.

    Of a job whose marker is current all results are done. Else a result is done if it is whole and was made
    by this version of its stage, from the inputs that its folder now has and with the options of its call.
    It is running while a process holds its lock, failed where the job's log says so, else missing.

    Parameters
    ----------
    grid
        A grid, whose results lie below the working folder.
    library
        As of `Batches`.
    """
    batches = Batches(grid, library)
    counts: dict[tuple[str, str], Counter[str]] = {}
    logs = []
    look = _Look(grid, batches)
    spared = _spared(grid) if grid.config.adaptive else frozenset()
    for job in batches.jobs.values():
        if job.stage in ("next", "compare") or job.name in spared:
            continue
        architecture = job.name.split("/")[1] if "/" in job.name else ""
        states = Counter(look.states(job))
        counts.setdefault((job.stage, architecture), Counter()).update(states)
        if states["failed"]:
            logs.append(_log(grid.folder, job))
    return Status(counts, logs)


def _spared(grid: Grid) -> frozenset[str]:
    """Return the packs that an adaptive grid does not need."""
    from seqgra.grid.adaptive import packs_to_run

    return frozenset(grid.packs).difference(packs_to_run(grid))


def table(found: Status) -> str:
    """Return the counts as text, a row a stage and architecture, and the logs that name failures."""
    rows: list[tuple[str, ...]] = [("stage", "architecture", *STATES)]
    for (stage, architecture), states in found.counts.items():
        rows.append((stage, architecture, *(str(states[state] or "") for state in STATES)))
    total = sum(found.counts.values(), Counter[str]())
    rows.append(("all", "", *(str(total[state]) for state in STATES)))
    return "\n".join([*aligned(rows, left=2), *(f"failed: see {log}" for log in found.logs)])


def _log(folder: Path, job: Job) -> Path:
    """Return the log of a job (workflow/rules)."""
    return folder / "logs" / job.stage / f"{job.name}.log"


class _Look:
    """Looks at the results of jobs; each folder that several are made from is read once."""

    def __init__(self, grid: Grid, batches: Batches) -> None:
        self._grid, self._batches = grid, batches
        self._expected = Expected(grid)
        self._fingerprint = cache(_fingerprint)
        self._undone: set[str] = set()  # results of the jobs looked at so far

    def states(self, job: Job) -> Iterator[str]:
        """Yield the state of each result of a job."""
        calls = GRID_STAGES[job.stage].calls_of(self._grid, job.name)
        if not self._batches.stale(job):
            yield from ("done" for _ in calls)
            return
        log, batch = (
            _log(self._grid.folder, job),
            Path(self._batches.marker(job)).with_suffix(".txt"),
        )
        failed = _failed_lines(log) if _is_newer(log, batch) else set()
        options = list(self._options(job))
        for place, call in enumerate(calls):
            words, number = list(map(str, call)), place + _FIRST_CALL
            output = Path(words[words.index("-o") + 1])
            made_again = self._undone.intersection(words) - {str(output)}
            run = read_run(output)
            asked = options[place] if options else None
            if not made_again and run and self._is_done(job, place, words, run, asked):
                if job.stage != "simulate" or _holds(run, dict(_given(words))):
                    yield "done"
                    continue
            else:  # a dataset that is to grow stays what models were made from
                self._undone.add(str(output))
            if _is_locked(output):
                yield "running"
            else:
                yield "failed" if number in failed else "missing"

    def _options(self, job: Job) -> Iterator[dict[str, Any]]:
        """Yield what each result of a job is to be made with, as far as its stage compares all of it."""
        stage = GRID_STAGES[job.stage]
        if not isinstance(stage, PackStage) or stage.options is None:
            return
        for cell in stage.cells(self._grid, job.name):
            options = stage.options(self._expected, cell)
            yield from options.values() if stage.name == "attribute" else [options]

    def _is_done(
        self,
        job: Job,
        place: int,
        words: list[str],
        run: Mapping[str, Any],
        asked: Mapping[str, Any] | None,
    ) -> bool:
        """Return whether a result is what the call, that of a number in its job, would make now.

        `asked`: the options that it is to be made with; None: those of its call are compared.
        """
        stage = find_stage(job.stage)
        if run["verb"] != stage.name or run["results_version"] != stage.version:
            return False
        grid_stage = GRID_STAGES[job.stage]
        if stage.name == "tune" and isinstance(grid_stage, PackStage):
            return self._expected.is_tuned(grid_stage.cells(self._grid, job.name)[place])
        given, inputs = dict(_given(words)), run["inputs"]
        wanted = {
            argument.name: self._fingerprint(word)
            for argument, word in zip(stage.inputs, words, strict=False)
            if argument.kind == "folder"
            or (argument.kind == "folder or grammar" and Path(word).is_dir())
        }
        if len(inputs) == 1 and "expect" in given:
            wanted = dict.fromkeys(inputs, given["expect"])
        wanted |= grid_stage.made_from(self._grid, job.name, place, self._expected)
        if any(inputs.get(role) != found for role, found in wanted.items()):
            return False
        if asked is not None:
            return not other_option(run["options"], asked)
        return all(
            given[name] in ("auto", str(value))
            for name, value in run["options"].items()
            if name in given and isinstance(value, (str, int, float))
        )


def _fingerprint(folder: str) -> str:
    """Return the fingerprint of the result in a folder; empty where there is no whole one."""
    run = read_run(Path(folder))
    return str(run["fingerprint"]) if run else ""


def _given(words: list[str]) -> Iterator[tuple[str, str]]:
    """Yield the options of a call that have values, by name."""
    for word, following in pairwise(words):
        if word.startswith("--"):
            yield word[2:].replace("-", "_"), following


def _holds(run: Mapping[str, Any], given: Mapping[str, str]) -> bool:
    """Return whether a simulated dataset holds as many examples of each set as a call asks for."""
    counts = split_size(int(given["size"])) if "size" in given else {}
    return all(
        run["counts"].get(name, 0) >= counts.get(name, int(given.get("examples", 0)))
        for name in given["sets"].split(",")
    )


def _is_locked(folder: Path) -> bool:
    """Return whether a process writes to a folder; a lock that cannot be tried counts as free."""
    try:
        lock = os.open(folder / LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return False
    finally:
        os.close(lock)


def _is_newer(log: Path, batch: Path) -> bool:
    """Return whether a log is of the batch that is there, whose lines it names; one of an earlier is not."""
    try:
        return log.stat().st_mtime_ns >= batch.stat().st_mtime_ns
    except OSError:
        return False


def _failed_lines(log: Path) -> set[int]:
    """Return the numbers of the lines of a batch that a log says failed."""
    try:
        text = log.read_text(errors="replace")
    except OSError:
        return set()
    return set(map(int, _FAILED.findall(text)))
