"""Stage subsample: real dataset -> dataset in the order of a data seed."""

from __future__ import annotations

from pydantic import Field

from seqgra.stages import DATASET_FILES, Input, Stage
from seqgra.stages.options import Natural, Sets
from seqgra.yamlfile import Strict


class Options(Strict):
    """Options of ``seqgra subsample``."""

    seed: Natural = Field(0, description="data seed")
    sets: Sets = Field((), description="which sets, such as training,test [all it has]")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "subsample",
    version=2,
    files=rf"{DATASET_FILES}|regions\.tsv)",
    makes="DATASET",
    example="seqgra subsample data/peaks -o data/peaks-s1 --seed 1 --sets training,validation",
    run="seqgra.subsample:subsample",
    options=Options,
    inputs=(Input("dataset", "folder made by seqgra ingest"),),
    expects="a dataset",
)
