"""Stage simulate: grammar -> dataset."""

from __future__ import annotations

from pydantic import Field

from seqgra.stages import DATASET_FILES, Input, Stage
from seqgra.stages.options import Count, Natural, Sets
from seqgra.yamlfile import Strict


class Options(Strict):
    """Options of ``seqgra simulate``."""

    seed: Natural = Field(0, description="data seed")
    size: Count | None = Field(
        None, description="examples in all: 70 / 10 / 20 % of the three sets"
    )
    examples: Count | None = Field(None, description="examples in each set, instead of --size")
    sets: Sets = Field((), description="which sets, such as training,test [all]")
    workers: Count = Field(1, description="threads; the same dataset with any number")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "simulate",
    version=4,
    files=rf"{DATASET_FILES})",
    makes="DATASET",
    example="seqgra simulate mc2-dna150-homer -o data/homer --seed 1 --size 10000",
    run="seqgra.simulate:run",
    options=Options,
    inputs=(Input("grammar", "YAML file, or the name of one in grammars/", "grammar"),),
    expects="a grammar",
)
