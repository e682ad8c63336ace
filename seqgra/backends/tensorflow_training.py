"""Training of the TensorFlow backend: one epoch, its optimiser, loss and augmentation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from seqgra.architecture.optimizers import (
    Adadelta,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Optimizer,
    RmsProp,
    Sgd,
)
from seqgra.architecture.schema import Augment, Network, Training
from seqgra.backends import pytorch
from seqgra.backends.loop import Arrays, Trainee, derived_seed, loss_weights, run
from seqgra.backends.pytorch_training import augment, epoch_order
from seqgra.backends.tensorflow import (
    BATCH,
    KerasModel,
    build_from_card,
    choose_device,
    encode,
    prepare_process,
)
from seqgra.backends.tensorflow_layers import take_from_torch
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft
from seqgra.model import MULTI_LABEL
from seqgra.training import Trained, TrainingData, TrainingOptions, card_of

import keras  # isort: skip (seqgra.backends.tensorflow_layers chooses its backend)
import tensorflow as tf  # isort: skip


def fit(
    network: Network, data: TrainingData, options: TrainingOptions, draft: Draft | None
) -> Trained:
    """Train a network until its monitored metric has not improved for `patience` epochs.

    It starts from the very weights that the PyTorch model of the same seed starts from.

    Raises
    ------
    InputError
        If a layer does not fit the window, the device is missing, or custom code is not allowed.
    """
    choose_device(options.device)
    prepare_process(options.threads)
    card = card_of(network, data)
    source = options.source(data.dataset)
    seed = derived_seed(source, "initial weights")
    keras.utils.set_random_seed(seed % 2**32)
    module, weighted = build_from_card(card, network.description or "architecture")
    if weighted:
        torch.manual_seed(seed)
        take_from_torch(weighted, pytorch.build_from_card(card, "architecture"))
    model = KerasModel(module, weighted, card)
    trainee = TensorflowTrainee(model, network, data, source)
    state, status, reason, facts = run(trainee, network, data, draft)
    parameters = int(sum(np.prod(w.shape) for w in module.trainable_variables))
    facts = {"device": model.device, "parameters": parameters, **facts}
    return Trained(model, state.history, status, reason, facts)


class TensorflowTrainee(Trainee):
    """A Keras model with its optimiser and data; letters become one-hot batch by batch."""

    def __init__(
        self, model: KerasModel, network: Network, data: TrainingData, source: str
    ) -> None:
        self.device = model.device
        self._model, self._plan, self._source = model, network.training, source
        self._letters = len(data.dataset.alphabet.letters)
        self._x, self._validation_x = data.x, data.validation_x
        multi_label = data.task == MULTI_LABEL
        self._y = np.asarray(data.y, np.float32) if multi_label else data.y.argmax(axis=1)
        self._optimizer = make_optimizer(network.optimizer)
        self._optimizer.build(model.network.trainable_variables)
        self._step = _make_step(model, network, data, self._optimizer)
        layers = model.network._flatten_layers()
        dropouts = [layer for layer in layers if isinstance(layer, keras.layers.Dropout)]
        others = [layer for layer in layers if not isinstance(layer, keras.layers.Dropout)]
        drawing = [each for layer in others for each in layer._seed_generators]
        #: What is drawn from in training, by name.
        self._drawing = {
            **{f"layer {n}": own.seed_generator for n, own in enumerate(dropouts) if own.rate > 0},
            **{f"generator {n}": generator for n, generator in enumerate(drawing)},
        }

    def train_epoch(self, epoch: int, rate: float) -> float:
        """Train one epoch; its order, augmentation and dropout depend on source and epoch alone."""
        self._optimizer.learning_rate.assign(rate)
        self._seed(epoch)
        draws = torch.Generator().manual_seed(derived_seed(self._source, f"augmentation {epoch}"))
        plan, total, counted = self._plan, 0.0, 0
        normalised = any(
            isinstance(layer, keras.layers.BatchNormalization)
            for layer in self._model.network._flatten_layers()
        )
        order = epoch_order(len(self._x), plan, self._source, epoch)  # the PyTorch backend's too
        for rows in order.split(plan.batch_size):
            if normalised and len(rows) == 1:
                continue  # one example has no variance to normalise by
            counted += len(rows)
            codes = self._x[rows.numpy()]
            if plan.augment != Augment():
                codes = augment(torch.from_numpy(codes), plan.augment, self._letters, draws).numpy()
            total += float(self._step(codes, self._y[rows.numpy()])) * len(rows)
        if not counted:
            raise bad_input("training.batch_size", "", "is 1, but batch-norm needs at least 2")
        return total / counted

    def _seed(self, epoch: int) -> None:
        tf.random.set_seed(derived_seed(self._source, f"dropout {epoch}"))
        for name, generator in self._drawing.items():
            seed = derived_seed(self._source, f"dropout {epoch} {name}")
            generator.state.assign([seed & 0xFFFFFFFF, seed >> 32])

    def validation_logits(self) -> np.ndarray:
        """Return float32 (N, C) logits of the validation set."""
        starts = range(0, len(self._validation_x), BATCH)
        parts = (np.array(self._validation_x[start : start + BATCH]) for start in starts)
        return np.concatenate([self._model.predict(codes).numpy() for codes in parts])

    def weights(self) -> Arrays:
        """Return copies of the model's weights, by their number."""
        return {str(i): np.array(w) for i, w in enumerate(self._model.network.get_weights())}

    def optimizer_state(self) -> Arrays:
        """Return copies of the optimiser's variables, by their number."""
        return {str(i): np.array(v.numpy()) for i, v in enumerate(self._optimizer.variables)}

    def restore(self, weights: Arrays, optimizer_state: Arrays | None = None) -> None:
        """Take over weights, and the optimiser's state if given."""
        self._model.network.set_weights([weights[str(i)] for i in range(len(weights))])
        for i, variable in enumerate(self._optimizer.variables if optimizer_state else ()):
            assert optimizer_state is not None
            variable.assign(optimizer_state[str(i)])


def _make_step(model: KerasModel, network: Network, data: TrainingData, optimizer: Any) -> Any:
    """Return a compiled function that learns from a batch (codes, y) and returns its mean loss."""
    module, letters = model.network, len(data.dataset.alphabet.letters)
    loss_of = make_loss(data.task, loss_weights(network, data))
    multi_label, decay = data.task == MULTI_LABEL, _coupled_decay(network.optimizer)
    labels = tf.TensorSpec((None, len(model.conditions)), tf.float32)
    classes = tf.TensorSpec((None,), tf.int64)

    def step(codes: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(module(encode(codes, letters), training=True), y)
        weights = module.trainable_variables
        gradients = tape.gradient(loss, [w.value for w in weights])
        gradients = _clipped(gradients, network.training)
        if decay:
            gradients = [g + decay * w for g, w in zip(gradients, weights, strict=True)]
        optimizer.apply(gradients, weights)
        return loss

    signature = [tf.TensorSpec((None, model.window), tf.uint8), labels if multi_label else classes]
    return tf.function(step, input_signature=signature)


def make_loss(task: str, weights: np.ndarray | None) -> Callable[[Any, Any], Any]:
    """Return the mean loss of a batch of logits, as `training.mean_loss` defines it."""
    if task == MULTI_LABEL:
        positive = 1.0 if weights is None else tf.constant(weights)

        def of_labels(logits: Any, y: Any) -> Any:
            each = tf.nn.weighted_cross_entropy_with_logits(y, logits, positive)
            return tf.reduce_mean(each)

        return of_labels

    def of_classes(logits: Any, y: Any) -> Any:
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
        return tf.reduce_mean(each if weights is None else each * tf.gather(weights, y))

    return of_classes


def _clipped(gradients: list[Any], plan: Training) -> list[Any]:
    if plan.clip_norm is not None:
        return list(tf.clip_by_global_norm(gradients, plan.clip_norm)[0])
    if plan.clip_value is not None:
        return [tf.clip_by_value(g, -plan.clip_value, plan.clip_value) for g in gradients]
    return gradients


def _coupled_decay(chosen: Optimizer) -> float:
    """Return the weight decay that is added to gradients: PyTorch's meaning, in all but AdamW."""
    return 0.0 if chosen.adamw else chosen.settings.weight_decay


class KerasAdam(keras.optimizers.Adam):
    """Adam whose epsilon is added to the bias-corrected root, as published and as in PyTorch."""

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Take a step; see `keras.optimizers.Adam`, which adds epsilon before the correction."""
        index, step = self._get_variable_index(variable), tf.cast(self.iterations + 1, tf.float32)
        mean, square = self._momentums[index], self._velocities[index]
        self.assign_add(mean, (gradient - mean) * (1 - self.beta_1))
        self.assign_add(square, (tf.square(gradient) - square) * (1 - self.beta_2))
        root = tf.sqrt(1 - self.beta_2**step)
        rate = learning_rate * root / (1 - self.beta_1**step)
        self.assign_sub(variable, mean * rate / (tf.sqrt(square) + self.epsilon * root))


def make_optimizer(chosen: Optimizer) -> Any:
    """Return the Keras optimiser with the constants of the architecture."""
    k, s = keras.optimizers, chosen.settings
    match s:
        case Sgd():
            return k.SGD(s.learning_rate, momentum=s.momentum, nesterov=s.nesterov)
        case Adam():
            return KerasAdam(s.learning_rate, s.beta1, s.beta2, s.epsilon)
        case AdamW():
            decay = s.weight_decay  # decoupled, also in Keras's Adam
            return KerasAdam(s.learning_rate, s.beta1, s.beta2, s.epsilon, weight_decay=decay)
        case RmsProp():
            return k.RMSprop(s.learning_rate, s.decay, s.momentum, s.epsilon)
        case Adagrad():
            return k.Adagrad(s.learning_rate, s.initial_accumulator, s.epsilon)
        case Adadelta():
            return k.Adadelta(s.learning_rate, s.decay, s.epsilon)
        case Adamax():
            return k.Adamax(s.learning_rate, s.beta1, s.beta2, s.epsilon)
