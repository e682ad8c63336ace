"""Stage construct: grammar -> sequences that ask whether a model learnt its rules."""

from __future__ import annotations

from pydantic import Field

from seqgra.stages import Input, Stage
from seqgra.stages.options import Natural
from seqgra.yamlfile import Strict


class Options(Strict):
    """Options of ``seqgra construct``."""

    seed: Natural = Field(0, description="of the sequences")


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "construct",
    version=5,
    files=r"(sequences|ceiling)\.npy|designs\.json",
    makes="CONSTRUCTED",
    example="seqgra construct mc2-dna150-order -o constructed/order",
    run="seqgra.probe:construct_folder",
    options=Options,
    inputs=(Input("grammar", "YAML file, or the name of one in grammars/", "grammar"),),
    expects="a grammar",
)
