"""Stage attribute: model and dataset -> attributions, and how they recover the grammar."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from seqgra.stages import Stage
from seqgra.stages.evaluate import MODEL, TESTED, Tested
from seqgra.stages.options import Count, CountOrAuto
from seqgra.yamlfile import Strict


class Settings(Strict):
    """Options of methods, each of which uses some (see `attribute.methods.METHODS`)."""

    baseline: Literal["background", "zeros", "shuffled"] = Field(
        "background",
        description="where integrated gradients and DeepLIFT start: mean background letters, no letters, or "
        "shuffles of the example",
    )
    steps: CountOrAuto = Field(
        100,
        description="of integrated gradients; auto: doubled, from 25 up to 3,200, in the examples whose "
        "values do not yet add up to the prediction",
        json_schema_extra={"type_words": "whole number from 1, or `auto`"},
    )
    references: Count = Field(20, description="shuffles of each example")
    samples: Count = Field(50, description="noisy copies of smooth-gradient")
    noise: float = Field(0.15, gt=0, description="their standard deviation")
    width: Count = Field(10, description="positions that occlusion masks at once")
    mask: Literal["zeros", "background"] = Field(
        "zeros", description="what masked positions hold: no letter, or mean background letters"
    )
    threshold: float = Field(
        0.9,
        gt=0,
        le=1,
        description="share of the logit that a sufficient subset keeps, from all masked to the example",
    )


class Variant(Settings):
    """All that makes attributions by one method others."""

    correct: bool = Field(False, description="remove each gradient's mean over letters")
    untrained: bool = Field(
        False,
        description="explain the architecture with newly initialised weights: what structure alone recovers",
    )


class Options(Variant, Tested):
    """Options of ``seqgra attribute``."""

    method: str = Field("integrated-gradients", description="see `seqgra list`")
    examples: Count = Field(
        500, description="test examples explained of each condition, at most 2,000 in all"
    )


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

STAGE = Stage(
    "attribute",
    version=9,
    files=r"recovery\.(json|parquet)|motifs\.parquet|attributions\.npy",
    makes="ATTRIBUTIONS",
    example="seqgra attribute models/a data/homer -o attributions/a --method integrated-gradients",
    run="seqgra.attribute:run",
    options=Options,
    inputs=(MODEL, TESTED),
    custom_code=True,
)
