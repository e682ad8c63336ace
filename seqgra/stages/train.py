"""Stage train: dataset and architecture -> model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from seqgra.stages import MOST_THREADS, Input, Stage
from seqgra.stages.options import Count, DeviceName, Natural, Written
from seqgra.streams import SeedDesign
from seqgra.yamlfile import Strict

#: What may train a network of the PyTorch backend.
Engine = Literal["auto", "compiled", "torch"]


class Computing(Strict):
    """Where and by what networks are trained: what a grid sets for all of them."""

    engine: Engine = Field(
        "auto",
        description="what trains a network of pytorch: auto takes the compiled one where it is defined, on a "
        "CPU (docs/compiled.md); which was used is part of the identity",
    )
    threads: Count = Field(1, le=MOST_THREADS, description="CPU threads; part of the identity")
    device: DeviceName = Field("auto", description="auto (CUDA where there is one), cpu or cuda")


class TrainingRun(Computing):
    """What tune and train share."""

    size: Count | None = Field(
        None,
        description="examples in all: 70 % train, 10 % validate [as many as there are]",
    )
    seed: Natural = Field(0, description="model seed")
    seeds: SeedDesign = Field(
        "nested",
        description="initial weights, order, dropout, augmentation of a network follow from the dataset, "
        "whatever its size, and --seed (nested), or from --seed alone (crossed)",
    )
    backend: str = Field(
        "pytorch", description="of a network: pytorch or tensorflow; a baseline names its own"
    )


class Options(TrainingRun):
    """Options of ``seqgra train``."""

    tuned: Annotated[Path, Written(Path, "TUNING")] | None = Field(
        None, description="folder made by seqgra tune, whose choice replaces the optimiser"
    )
    permute_labels: bool = Field(
        False, description="permute the labels at random: a null model for recovery"
    )


#: The defaults of all that has one, for the functions of Python too.
DEFAULTS = Options.model_construct()

ARCHITECTURE = Input(
    "architecture", "YAML file, name in architectures/, or descriptor", "architecture"
)


STAGE = Stage(
    "train",
    version=6,
    files=r"model\.(json|safetensors|keras)|history\.csv",
    makes="MODEL",
    example="seqgra train data/homer conv10w-gmp-fc5 -o models/a --size 10000 --seed 1",
    run="seqgra.train:train",
    options=Options,
    inputs=(Input("dataset", "folder made by seqgra simulate or ingest"), ARCHITECTURE),
    expects="an architecture",
    custom_code=True,
)
