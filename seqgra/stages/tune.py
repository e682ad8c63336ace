"""Stage tune: dataset and architecture -> which of its candidate optimiser settings suits best."""

from __future__ import annotations

import json
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from seqgra.architecture.optimizers import CANDIDATES, CandidateList, Candidates
from seqgra.errors import bad_input, raise_problems
from seqgra.stages import Input, Stage
from seqgra.stages.options import Count, Written
from seqgra.stages.train import ARCHITECTURE, TrainingRun
from seqgra.yamlfile import Strict, validate


def _read(given: Any) -> Any:
    """Read a JSON text."""
    if not isinstance(given, str):
        return given
    try:
        content = json.loads(given)
    except json.JSONDecodeError as error:
        raise bad_input("--candidates", "", f"are not JSON ({error})") from None
    read, problems = validate(CandidateList, {"candidates": content}, "--candidates")
    raise_problems(problems)
    return read.candidates


class Trials(Strict):
    """What is tried: what a grid sets for all networks."""

    epochs: Count = Field(20, description="that each candidate trains at most")
    candidates: Annotated[
        Candidates, Field(min_length=1), BeforeValidator(_read), Written(str, "JSON")
    ] = Field(
        CANDIDATES,
        description="a list of optimisers, for an architecture whose file has no key tune "
        "[sgd 0.01; adam 0.0003, 0.001, 0.003]",
    )


class Options(Trials, TrainingRun):
    """Options of ``seqgra tune``."""

    size: Count = Field(description="examples in all: 70 % train, 10 % validate")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Trials.model_construct()

STAGE = Stage(
    "tune",
    version=3,
    files=r"chosen\.yaml|history\.csv",
    makes="TUNING",
    example="seqgra tune data/homer-tuning conv10w-gmp-fc5 -o tunings/a --size 10000",
    run="seqgra.tune:tune",
    options=Options,
    inputs=(
        Input("dataset", "folder made by seqgra simulate or ingest, of a data seed for this alone"),
        ARCHITECTURE,
    ),
    expects="an architecture",
    custom_code=True,
)
