"""TensorFlow backend (Keras 3): trained model, its files, and its PyTorch twin."""

from __future__ import annotations

import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from seqgra.alphabet import ALPHABETS, PADDING
from seqgra.architecture.custom import Sizes, build_custom
from seqgra.architecture.schema import Network
from seqgra.backends import pytorch
from seqgra.backends.tensorflow_layers import Builder, give_to_torch, take_from_torch
from seqgra.errors import bad_input, path_of
from seqgra.fingerprint import Draft, verify_file
from seqgra.model import (
    MULTI_LABEL,
    NO_GRADIENT,
    AbstractModel,
    ModelCard,
    NotDifferentiable,
    card_text,
    explained_part,
    read_card,
)

import keras  # isort: skip (seqgra.backends.tensorflow_layers chooses its backend)
import tensorflow as tf  # isort: skip

#: Examples per forward pass outside training; fixed, since it can change the last bits.
BATCH = 128
#: Time stamp of everything in a .keras file, so that equal models have equal bytes.
_NO_TIME = (1980, 1, 1, 0, 0, 0)

tf.get_logger().setLevel("ERROR")  # it warns of every model that a process traces anew


class KerasModel(AbstractModel):
    """A trained Keras model with what is needed to build it again.

    Attributes
    ----------
    network
        Keras model from one-hot float32 (N, L, A) to logits (N, C).
    weighted
        Its layers that hold weights, in order; empty for a custom one.
    card
        What it is built from.
    """

    def __init__(self, network: Any, weighted: list[Any], card: ModelCard) -> None:
        self.network, self.weighted, self.card = network, weighted, card
        self.conditions = card.conditions
        self.alphabet, self.window = card.alphabet, card.window
        self.task = card.task
        self.device = "gpu" if tf.config.get_visible_devices("GPU") else "cpu"
        self.predict = predictor(network, card)

    def _logits_of(self, x: np.ndarray) -> np.ndarray:
        """Return float32 (N, C) logits of letter codes `x`, uint8 (N, L)."""
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        for start in range(0, len(x), BATCH):
            parts.append(self.predict(np.array(x[start : start + BATCH])).numpy())
        return np.concatenate(parts)

    def gradients(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the gradient of the explained quantity: float32 (N, A, L)."""

        def logits(points: Any) -> Any:
            return averaged(self.network, self.card, points)

        return gradients_of(logits, inputs, target, self.task)

    def explained(self, inputs: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return the explained quantity of points: float64 (N,); see `AbstractModel.explained`."""
        parts = [np.zeros((0, len(self.conditions)), np.float32)]
        for start in range(0, len(inputs), BATCH):
            points = np.asarray(inputs[start : start + BATCH], np.float32).transpose(0, 2, 1)
            parts.append(averaged(self.network, self.card, tf.constant(points)).numpy())
        return explained_part(np.concatenate(parts), target, self.task)

    @cached_property
    def twin(self) -> pytorch.PytorchModel:
        """The PyTorch model with the same weights, on the CPU.

        Raises
        ------
        NotImplementedError
            If the model is a custom module, which has no twin.
        """
        return to_pytorch(self)

    def export(self, folder: str | Path) -> str:
        """Write the network for PyTorch, and for Keras too if it can be; see `AbstractModel.export`."""
        from seqgra.backends.pytorch_export import export_network, own_module

        if not self.weighted:
            raise own_module("a Keras module of your own")
        averages = self.card.averages_strands
        plain = not averages and '"seqgra' not in self.network.to_json()  # no layer of seqgra's own
        target = path_of("folder", folder)
        keras = keras_file(self.network) if plain else b""
        return export_network(self.twin.module, self.card, target, keras)

    @property
    def module(self) -> nn.Module:
        """The module of the twin, for attribution methods that work on PyTorch modules."""
        return self.twin.module


def gradients_of(
    logits: Callable[[Any], Any], inputs: np.ndarray, target: np.ndarray, task: str
) -> np.ndarray:
    """Return the gradient, float32 (N, A, L), of what is explained of a function of points (N, L, A).

    Raises
    ------
    NotDifferentiable
        If it passes none.
    """
    points = tf.constant(np.asarray(inputs, np.float32).transpose(0, 2, 1))
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = logits(points)
        explained = tf.gather(values, np.asarray(target, np.int64), axis=1, batch_dims=1)
        if task != MULTI_LABEL:
            explained = explained - tf.reduce_mean(values, axis=1)
    if (gradient := tape.gradient(explained, points)) is None:
        raise NotDifferentiable(NO_GRADIENT)
    return np.asarray(gradient.numpy().transpose(0, 2, 1))


def predictor(network: Any, card: ModelCard) -> Any:
    """Return a compiled function from letter codes uint8 (N, L) to logits (N, C)."""
    letters = len(ALPHABETS[card.alphabet].letters)
    signature = [tf.TensorSpec((None, card.window), tf.uint8)]

    def predict(codes: Any) -> Any:
        lengths = tf.math.count_nonzero(codes != PADDING, axis=1)
        return averaged(network, card, encode(codes, letters), lengths)

    return tf.function(predict, input_signature=signature)


def encode(codes: Any, letters: int) -> Any:
    """Return one-hot float32 (N, L, A) of letter codes; padding and unknown letters all zero."""
    return tf.one_hot(tf.cast(codes, tf.int32), letters)


def averaged(network: Any, card: ModelCard, points: Any, lengths: Any = None) -> Any:
    """Return logits of one-hot (N, L, A), averaged over both strands if the architecture says so.

    Each sequence is turned within its length, int64 (N,); without one, up to its last column not all zero.
    """
    logits = network(points, training=False)
    if not card.averages_strands:
        return logits
    if lengths is None:
        places = tf.range(1, card.window + 1)
        lengths = tf.reduce_max(tf.where(tf.reduce_any(points != 0, axis=2), places, 0), axis=1)
    turned = tf.reverse_sequence(tf.reverse(points, [2]), lengths, seq_axis=1)
    return (logits + network(turned, training=False)) / 2


def prepare_process(threads: int) -> None:
    """Let the same seed, threads and library versions give the same bits, and keep freed memory.

    Raises
    ------
    InputError
        If TensorFlow already runs with another number of threads in this process.
    """
    pytorch.prepare_process(threads)
    tf.config.experimental.enable_op_determinism()
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:  # it cannot be changed once TensorFlow has begun to work
        running = tf.config.threading.get_intra_op_parallelism_threads()
        if running != threads:
            already = f"with {running}" if running else "with a thread a core"
            message = f"is {threads}, but TensorFlow already runs {already} in this process"
            advice = f"call seqgra.deterministic({threads}) between importing TensorFlow and its first use"
            raise bad_input("threads", "", f"{message}; {advice}, or use another process") from None


def choose_device(name: str) -> None:
    """Hide GPUs for ``cpu``; ask for one for ``cuda``.

    Raises
    ------
    InputError
        If CUDA is asked for and TensorFlow sees none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise bad_input("--device", "", f"is {name!r}; choose auto, cpu or cuda")
    devices = tf.config.list_physical_devices("GPU")
    if name == "cuda" and not devices:
        message = "no CUDA device is available to TensorFlow here; use auto or cpu"
        raise bad_input("--device", "cuda", message)
    if name == "cpu" and devices:
        tf.config.set_visible_devices([], "GPU")


def save(model: KerasModel, draft: Draft) -> None:
    """Write the files of a model; the caller publishes them."""
    draft.aside("model.json").write_text(card_text(model.card))
    draft.aside("model.keras").write_bytes(keras_file(model.network))


def keras_file(network: Any) -> bytes:
    """Return the bytes of a .keras file, a zip, without times and memory addresses, so that they repeat."""
    target = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.keras"
        network.save(file)
        given = zipfile.ZipFile(io.BytesIO(file.read_bytes()))
    with given, zipfile.ZipFile(target, "w") as written:
        for name in sorted(given.namelist()):
            content = given.read(name)
            if name == "metadata.json":
                content = json.dumps({**json.loads(content), "date_saved": ""}).encode()
            elif name == "config.json":
                content = _with_numbered_objects(content.decode()).encode()
            written.writestr(zipfile.ZipInfo(name, _NO_TIME), content)
    return target.getvalue()


def _with_numbered_objects(config: str) -> str:
    """Replace the ids of shared objects, which are memory addresses, by 1, 2, ..."""
    numbers: dict[str, int] = {}

    def numbered(found: re.Match[str]) -> str:
        return f"{found[1]}{numbers.setdefault(found[2], len(numbers) + 1)}"

    return re.sub(r'("shared_object_id": )(\d+)', numbered, config)


def open_model(folder: Path, run: dict[str, Any], device: str) -> KerasModel:
    """Open a finished model folder; nothing in it is run, but for a custom module that is allowed.

    The model is built from its architecture; only the weights are read from ``model.keras``.

    Raises
    ------
    InputError
        If a file is missing or damaged, or a custom module is not allowed.
    """
    card = read_card(ModelCard, folder, run)
    file = verify_file(folder, "model.keras", run)
    choose_device(device)
    prepare_process(run.get("threads", 1))
    network, weighted = build_from_card(card, str(folder))
    with tempfile.TemporaryDirectory() as copy:  # Keras leaves a lock beside some files
        network.load_weights(shutil.copy(file, Path(copy) / "model.keras"))
    return KerasModel(network, weighted, card)


def build_from_card(card: ModelCard, file: str) -> tuple[Any, list[Any]]:
    """Return the untrained Keras model of a card, and its layers that hold weights.

    Raises
    ------
    InputError
        If a custom module is not allowed or fails.
    """
    network, sizes = card.network(file)
    if network.module:
        return try_custom(network, sizes, file), []
    builder = Builder()
    model = builder.build(network, *sizes, file)
    return model, builder.weighted


def try_custom(network: Network, sizes: Sizes, file: str) -> Any:
    """Return the untrained Keras model of the user's own class.

    Raises
    ------
    InputError
        If it is not allowed, fails, or its output has the wrong shape.
    """
    return build_custom(network, sizes, file, _output_shape)


def _output_shape(model: Any, sizes: Sizes) -> tuple[int, ...]:
    if not isinstance(model, keras.Model):
        raise TypeError("it is no keras.Model")
    return tuple(
        model(np.zeros((2, sizes.window, sizes.letters), np.float32), training=False).shape
    )


def to_pytorch(model: KerasModel) -> pytorch.PytorchModel:
    """Return the PyTorch model of the same architecture with the same weights, on the CPU.

    Raises
    ------
    NotImplementedError
        If the model is a custom module, which has no twin.
    """
    module = _twin_module(model.card)
    give_to_torch(model.weighted, module)
    return pytorch.PytorchModel(module, model.card, pytorch.choose_device("cpu"))


def from_pytorch(model: pytorch.PytorchModel) -> KerasModel:
    """Return the Keras model of the same architecture with the same weights.

    Raises
    ------
    NotImplementedError
        If the model is a custom module, which has no twin.
    """
    _twin_module(model.card)
    network, weighted = build_from_card(model.card, "architecture")
    take_from_torch(weighted, model.network)
    return KerasModel(network, weighted, model.card)


def _twin_module(card: ModelCard) -> nn.Module:
    if card.architecture.get("module"):
        raise NotImplementedError("a custom module has no twin in the other library")
    return pytorch.build_from_card(card, "architecture")
