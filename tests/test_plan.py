"""What jobs ask for, and what `seqgra plan` says before anything is submitted."""

import itertools
import re
import shlex
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_executor_plugin_slurm.validation import validate_slurm_extra

from seqgra.attribute.methods import METHODS as METHODS_KNOWN
from seqgra.cli import _parser, main
from seqgra.errors import InputError
from seqgra.grid import Grid, commands, cost, jobs
from seqgra.grid.config import MethodPlan
from seqgra.grid.plan import plan, table
from seqgra.grid.stages import GRID_STAGES
from seqgra.stages.attribute import Settings

#: Those of a grid without real datasets.
STAGES = tuple(name for name in GRID_STAGES if name != "subsample")
REPOSITORY = Path(__file__).parents[1]
CONFIG = {
    "name": "t",
    "grammars": {"small": {"from": "toy1-kmer-center"}, "wide": {"from": "mc2-dna1000-homer"}},
    "architectures": {
        "kmer-logistic-regression": {},
        "fc10": {},
        "conv20w-gmp-fc10": {},
        "wider": {"from": "conv200w-gmp-fc10"},
    },
    "sizes": [1000, 100_000],
    "data_seeds": [1, 2],
    "attribution": {"methods": ["integrated-gradients"], "examples": 100, "steps": 50},
}


def grid(**changes):
    return Grid(CONFIG | changes, "config", roots=(REPOSITORY,))


def pack(grammar, architecture, size=1000, backend="pytorch"):
    return f"{grammar}/{architecture}/{backend}/n{size}"


def test_larger_work_asks_for_more():
    found = grid(pack={"minutes_per_job": 0.001})
    by_window = [pack("small", "conv20w-gmp-fc10"), pack("wide", "conv20w-gmp-fc10")]
    by_size = [pack("wide", "conv20w-gmp-fc10"), pack("wide", "conv20w-gmp-fc10", 100_000)]
    by_width = [pack("wide", "conv20w-gmp-fc10"), pack("wide", "wider")]
    for less, more in (by_window, by_size, by_width):
        assert jobs.seconds(found, "train", less) < jobs.seconds(found, "train", more)
        assert jobs.memory(found, "train", less, 1) <= jobs.memory(found, "train", more, 1)
    for less, more in (by_window, by_width):
        for stage in ("evaluate", "attribute"):
            assert jobs.seconds(found, stage, less) < jobs.seconds(found, stage, more)


def test_methods_cost_what_their_passes_cost():
    def seconds(*methods):
        found = grid(attribution={"methods": list(methods), "examples": 100, "steps": 50})
        return jobs.seconds(found, "attribute", pack("wide", "conv20w-gmp-fc10"))

    once, path, mutants = map(seconds, ("saliency", "integrated-gradients", "mutagenesis"))
    assert once < path < mutants
    both = seconds("saliency", "mutagenesis")
    assert mutants < both < mutants + once


METHODS = [
    "saliency",
    {"name": "integrated-gradients", "baseline": "zeros"},
    {"name": "corrected", "method": "integrated-gradients", "correct": True, "steps": 7},
    {"name": "twin", "method": "gradient", "untrained": True},
]


def test_methods_of_a_grid_have_names_and_options():
    found = grid(attribution={"methods": METHODS, "examples": 9, "steps": 50})
    lines = found_lines(found, "attribute", pack("small", "fc10"))
    options = {Path(line[line.index("-o") + 1]).name: line for line in lines}
    assert list(options) == ["saliency", "integrated-gradients", "corrected", "twin"]
    given = {name: set(itertools.pairwise(line)) for name, line in options.items()}
    assert ("--method", "saliency") in given["saliency"]
    assert {("--baseline", "zeros"), ("--steps", "50")} <= given["integrated-gradients"]
    assert {("--method", "integrated-gradients"), ("--steps", "7")} <= given["corrected"]
    assert "--correct" in options["corrected"] and "--baseline" not in options["corrected"]
    assert "--untrained" in options["twin"] and "--correct" not in options["twin"]
    row = next(commands.cell_rows(found))
    assert [entry.split("=")[0] for entry in row["attributions"].split(";")] == list(options)

    def seconds(steps):
        methods = [{"name": "integrated-gradients", "steps": steps}]
        made = grid(attribution={"methods": methods, "examples": 100, "steps": 50})
        return jobs.seconds(made, "attribute", pack("wide", "conv20w-gmp-fc10"))

    assert seconds(5) < seconds(50) < seconds(500)


@pytest.mark.parametrize("backend", ["fc10", "kmer-logistic-regression", "bayes-optimal"])
def test_every_option_of_every_method_can_be_planned(backend):
    """A cost, a command line that the parser takes, and the value that was given."""
    values = {
        **{"baseline": "zeros", "mask": "background", "steps": 7, "references": 3, "samples": 5},
        **{"noise": 0.3, "width": 4, "threshold": 0.5},
    }
    assert values.keys() == set(Settings.model_fields)
    entries: list[dict] = []
    for method, known in METHODS_KNOWN.items():
        given = [{option: values[option]} for option in known.settings]
        given += [{"baseline": "shuffled", "references": 2}] if "baseline" in known.settings else []
        given += [{"steps": "auto"}] if "steps" in known.settings else []
        entries += [{"name": f"{method}-{n}", "method": method, **g} for n, g in enumerate(given)]
    architectures = {"fc10": {}, "kmer-logistic-regression": {}, "bayes-optimal": {}}
    found = grid(
        architectures=architectures,
        attribution={"methods": entries, "examples": 9, "steps": "auto"},
    )
    name = next(name for name in found.packs if f"/{backend}/" in name)
    assert jobs.seconds(found, "attribute", name) > 0
    lines = found_lines(found, "attribute", name)
    for entry, words in zip(entries, lines, strict=False):
        options = _parser("attribute").parse_args(["attribute", *words])
        for option in entry.keys() - {"name", "method"}:
            assert getattr(options, option) == entry[option], entry
    several = cost.attribution(*cost_of(found, {"baseline": "shuffled", "references": 40}))
    assert several.seconds > 10 * cost.attribution(*cost_of(found, {"baseline": "zeros"})).seconds


def cost_of(found, options):
    """Return what the cost of explaining fc10 by integrated gradients with some options follows from."""
    plan = found.config.attribution.model_copy(
        update={"methods": (MethodPlan(name="integrated-gradients", **options),)}
    )
    (grammar, *_) = found.grammars
    network = found.network_sizes[grammar, "fc10"]
    return found.architectures["fc10"], found.grammars[grammar], plan, network


def found_lines(found, stage, name):
    """Return the arguments of each line of a batch file."""
    texts = commands.lines(found, stage, name).splitlines()
    return [shlex.split(text) for text in texts if not text.startswith("#")]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "x"}, "unknown method 'x'"),
        ({"name": "saliency", "steps": 3}, "steps: is no option of saliency; it has none"),
        (
            {"name": "occlusion", "mask": "noise"},
            "mask: is 'noise'; expected 'zeros' or 'background'",
        ),
        ({"name": "mutagenesis", "correct": True}, "correct: is for methods over gradients"),
        ({"name": "occlusion", "widht": 3}, "widht: unknown key; did you mean 'width'?"),
        ({"name": "a/b", "method": "saliency"}, "use letters, digits"),
        ({"method": "saliency"}, "name"),
    ],
    ids=["method", "option", "choice", "correct", "key", "path", "name"],
)
def test_wrong_methods_of_a_grid_are_refused(entry, message):
    with pytest.raises(InputError) as refused:
        grid(attribution={"methods": ["gradient", entry]})
    assert "attribution.methods[1]" in str(refused.value) and message in str(refused.value)
    with pytest.raises(InputError, match="holds gradient twice"):
        grid(attribution={"methods": ["gradient", {"name": "gradient", "correct": True}]})


@pytest.mark.parametrize("stage", STAGES)
def test_resources_grow_with_the_attempt_and_leave_room_for_snakemake(stage):
    found = grid(tune={})
    assert jobs.names(found, stage)
    for name in jobs.names(found, stage):
        for ask in (jobs.memory, jobs.runtime):
            first, second, third = (ask(found, stage, name, attempt) for attempt in (1, 2, 3))
            assert (second, third) == (2 * first, 3 * first)
        assert jobs.memory(found, stage, name, 1) >= 1000
        assert jobs.runtime(found, stage, name, 1) >= 20


@pytest.mark.parametrize("device", ["auto", "cpu", "cuda"])
@pytest.mark.parametrize(
    "wanted",
    [
        "gpus",
        "gpu:1",
        "gpu:a100:1",
        "gpu:nvidia_a100-sxm4-80gb:1",
        "shard:4",
        "mps:50",
        "gpu:3g.40gb:1",
    ],
)
def test_networks_ask_for_a_gpu_in_one_way_only(device, wanted):
    found = grid(train={"device": device}, cluster={"gpu": wanted})
    for name, held in found.packs.items():
        asked = {
            "gpu": jobs.gpu(found, name),
            "gres": jobs.gres(found, name),
            "slurm_extra": jobs.slurm_extra(found, name),
        }
        options = set_gres_string(SimpleNamespace(resources=Resources(asked)))
        validate_slurm_extra(SimpleNamespace(resources=Resources(asked)))
        options += f" {asked['slurm_extra']}" if asked["slurm_extra"] else ""
        if device != "cuda" or held.cells[0].backend == "sklearn":
            assert options == ""
        elif wanted == "gpus":
            assert options == " --gpus=1"
        elif "-" in wanted:
            assert options == " --gpus-per-node=nvidia_a100-sxm4-80gb:1"
        else:
            assert options == f" --gres={wanted}"


def test_a_type_that_the_plugin_refuses_is_known_of_gpus_alone():
    with pytest.raises(InputError, match="of shard Snakemake's plugin takes no type"):
        grid(cluster={"gpu": "shard:a100-80gb:4"})


class Resources(dict):
    """Resources of a job as the plugin sees them."""

    __getattr__ = dict.__getitem__


@pytest.mark.parametrize("stage", STAGES)
def test_no_retry_asks_for_more_than_the_caps(stage):
    free, capped = grid(tune={}), grid(tune={}, cluster={"max_runtime": 25, "max_mem_mb": 1500})
    for name in jobs.names(free, stage):
        for attempt in (1, 2, 3):
            assert jobs.runtime(capped, stage, name, attempt) == min(
                25, jobs.runtime(free, stage, name, attempt)
            )
            assert jobs.memory(capped, stage, name, attempt) == min(
                1500, jobs.memory(free, stage, name, attempt)
            )
    assert capped.content == free.content, "where a grid runs is no part of what it is"


@pytest.mark.parametrize(
    "wanted",
    [
        "gpu:2",
        "gpu",
        "gpu:0",
        "1:",
        "--gpus=1",
        "gpu:1 --wrap=id",
        "gpu:a;b:1",
        "gpu:1,shard:2",
        "gpu:1\n",
    ],
)
def test_other_ways_to_ask_for_a_gpu_are_refused_in_one_line(tmp_path, capsys, wanted):
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(CONFIG | {"cluster": {"gpu": wanted}}))
    assert main(["check", str(file), "--library", str(REPOSITORY)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"cluster.gpu: is {wanted!r}; " in said


def test_where_a_grid_runs_is_no_part_of_what_it_is():
    assert grid(cluster={"gpu": "gpu:1"}).content == grid().content


def test_a_plan_counts_results_jobs_and_disk():
    found = plan(grid())
    assert found.cells == 2 * 4 * 2 * 2
    assert found.stages["simulate"].results == 2 * 3
    assert found.stages["train"].results == found.stages["attribute"].results == found.cells
    assert found.stages["train"].jobs == found.packs
    letters = 150 + 1000
    assert found.mib > letters * (2 * 80_000 + 20_000) / 2**20
    assert found.wall_hours(1) == pytest.approx(sum(s.cpu_hours for s in found.stages.values()))
    assert found.wall_hours(1000) < found.wall_hours(1)
    for name, stage in found.stages.items():
        assert stage.memory == max(
            jobs.memory(grid(), name, job, 1) for job in jobs.names(grid(), name)
        )


def test_a_plan_counts_tuning():
    """One noun a (grammar, size, network): 2 x 2 x 3, each of four candidates, for all seeds."""
    plain, tuned = (plan(grid(**change)) for change in ({}, {"tune": {"epochs": 5}}))
    assert "tune" not in plain.stages
    stage = tuned.stages["tune"]
    assert list(tuned.stages) == list(STAGES)
    found = grid(tune={"epochs": 5})
    networks = [name for name in found.packs if "/sklearn/" not in name]
    assert (stage.results, stage.jobs) == (2 * 2 * 3, len(networks))
    assert tuned.stages["simulate"].results == plain.stages["simulate"].results + 2, "a seed for it"
    name = pack("wide", "conv20w-gmp-fc10")
    of_tuning, of_training = (
        jobs.seconds(found, verb, name) - cost.START_SECONDS for verb in ("tune", "train")
    )
    # 4 candidates of at most 5 epochs, once; 2 data seeds, 65 % of at most 100 epochs
    assert of_tuning == pytest.approx(of_training * (4 * 5) / (2 * 65))


def test_a_plan_of_gpus_counts_networks_only():
    found = plan(grid(train={"device": "cuda"}))
    assert 0 < found.stages["train"].gpu_hours < found.stages["train"].cpu_hours
    assert found.stages["simulate"].gpu_hours == 0


@pytest.mark.slow
def test_the_disk_of_a_plan_is_that_of_real_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    change = {"grammars": ["toy1-kmer-center"], "architectures": ["fc10"], "sizes": [2000]}
    found = grid(**change, data_seeds=[1], test={"examples": 2000}, tune={"epochs": 3})
    for stage in STAGES:
        for name in jobs.names(found, stage):
            (tmp_path / "batch").write_text(commands.lines(found, stage, name))
            assert main([stage, "--batch", str(tmp_path / "batch")]) == 0
    folders = ("data", "constructed", "probes", "tunings", "models", "scores", "attributions")
    files = [file for name in folders for file in (tmp_path / "results" / "t" / name).rglob("*")]
    real = sum(file.stat().st_size for file in files if file.is_file()) / 2**20
    assert real / 3 < plan(found).mib < 3 * real


def test_the_command_prints_a_row_a_stage(tmp_path, capsys):
    file = tmp_path / "config.yaml"
    small = {"grammars": ["toy1-kmer-center"], "architectures": ["fc10"], "sizes": [1000]}
    file.write_text(yaml.safe_dump(CONFIG | small))
    assert main(["plan", str(file), "--library", str(REPOSITORY)]) == 0
    said = capsys.readouterr().out
    assert f"{file}: 2 cells in 1 packs" in said
    stages = [stage for stage in STAGES if stage != "tune"]
    assert all(re.search(rf"^{stage} +\d", said, re.M) for stage in (*stages, "all"))


def test_the_plan_of_an_adaptive_grid_says_that_it_is_at_most():
    exact = {"architectures": ["bayes-optimal", "fc10"]}
    said = "adaptive: this is all sizes, at most"
    for changes, times in (({}, 0), ({"adaptive": {}}, 1)):
        assert table(plan(grid(**exact, **changes)), "c.yaml", False).count(said) == times
