"""Training of the PyTorch backend: one epoch, its optimiser, loss and augmentation."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from seqgra.alphabet import PADDING, UNKNOWN
from seqgra.architecture.family import family_of
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
from seqgra.backends.compiled.network import contiguous, rule_of
from seqgra.backends.loop import Arrays, Trainee, derived_seed, loss_weights, run
from seqgra.backends.pytorch import (
    PytorchModel,
    array_of,
    batch_size,
    build_from_card,
    choose_device,
    predicting,
    prepare_process,
)
from seqgra.backends.pytorch_letters import FromLetters, OneHot, WholeNetwork
from seqgra.errors import bad_input
from seqgra.fingerprint import Draft
from seqgra.model import MULTI_LABEL, ModelCard
from seqgra.training import Trained, TrainingData, TrainingOptions, card_of

#: Share of a GPU's free memory that the letters of a dataset may take.
_SHARE_OF_GPU = 0.5
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def fit(
    network: Network, data: TrainingData, options: TrainingOptions, draft: Draft | None
) -> Trained:
    """Train a network until its monitored metric has not improved for `patience` epochs.

    Raises
    ------
    InputError
        If a layer does not fit the window, the device is missing, or custom code is not allowed.
    """
    compiled = options.engine == "compiled"
    device = choose_device("cpu" if compiled else options.device)
    prepare_process(options.threads)
    card = card_of(network, data)
    source = options.source(data.dataset)
    torch.manual_seed(derived_seed(source, "initial weights"))
    module = build_from_card(card, network.description or "architecture").to(device)
    trainee: Trainee
    if compiled:
        trainee = CompiledTrainee(module, network, data, source)
    else:
        trainee = PytorchTrainee(module, card, network, data, source, device)
    state, status, reason, facts = run(trainee, network, data, draft)
    model = PytorchModel(module, card, device)
    parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
    facts = {"device": model.device, "parameters": parameters, **facts}
    return Trained(model, state.history, status, reason, facts)


class PytorchTrainee(Trainee):
    """A module with its optimiser and data.

    Letters stay uint8, on the device if they fit, and become one-hot batch by batch.
    """

    def __init__(
        self,
        module: nn.Module,
        card: ModelCard,
        network: Network,
        data: TrainingData,
        source: str,
        device: torch.device,
    ) -> None:
        self.device, self._on = device.type, device
        self._module, self._plan, self._source = module, network.training, source
        self._letters = len(data.dataset.alphabet.letters)
        built = card.is_network
        self._predict = FromLetters(predicting(module, card), self._letters, device, built)
        self._optimizer = make_optimizer(network.optimizer, module)
        there = device if _fits(data, device) else torch.device("cpu")
        self._x, self._validation_x = (as_tensor(x).to(there) for x in (data.x, data.validation_x))
        self._y = torch.from_numpy(as_targets(data)).to(device)
        self._loss = make_loss(data.task, loss_weights(network, data), device)
        mixed = network.training.precision == "bfloat16"
        self._precision: Callable[[], AbstractContextManager[None]] = (
            partial(torch.autocast, device.type, torch.bfloat16) if mixed else nullcontext
        )
        self._forward: Callable[[torch.Tensor], torch.Tensor] = (
            _compiled(module, OneHot(self._letters, device))
            if self._plan.compile
            else FromLetters(module, self._letters, device, built)
        )

    def train_epoch(self, epoch: int, rate: float) -> float:
        """Train one epoch; its order, augmentation and dropout depend on source and epoch alone."""
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        order = epoch_order(len(self._x), self._plan, self._source, epoch).to(self._on)
        draws = torch.Generator().manual_seed(derived_seed(self._source, f"augmentation {epoch}"))
        torch.manual_seed(derived_seed(self._source, f"dropout {epoch}"))
        self._module.train()
        normalised = any(isinstance(m, nn.BatchNorm1d) for m in self._module.modules())
        augmented = self._plan.augment != Augment()
        batches = order.split(self._plan.batch_size)
        counts: list[int] = []
        losses = torch.empty(
            len(batches), device=self._on
        )  # one block: pieces would split the heap
        for rows in batches:
            if normalised and len(rows) == 1:
                continue  # one example has no variance to normalise by
            codes = self._x[rows.to(self._x.device)]
            if augmented:
                codes = augment(codes, self._plan.augment, self._letters, draws)
            losses[len(counts)] = self._step(codes.to(self._on), self._y[rows])
            counts.append(len(rows))
        if not counts:
            raise bad_input("training.batch_size", "", "is 1, but batch-norm needs at least 2")
        return float(np.average(losses[: len(counts)].double().cpu().numpy(), weights=counts))

    def _step(self, codes: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Learn from one batch; return its mean loss."""
        with self._precision():
            logits = self._forward(codes)
        loss = self._loss(logits.float(), y)
        self._optimizer.zero_grad()
        loss.backward()
        clip_gradients(self._module, self._plan)
        self._optimizer.step()
        return loss.detach()

    def validation_logits(self) -> np.ndarray:
        """Return float32 (N, C) logits of the validation set."""
        self._module.eval()
        batch = batch_size(self._validation_x.shape[1], self._on)
        parts = []
        with torch.inference_mode():
            for codes in self._validation_x.split(batch):
                parts.append(array_of(self._predict(codes.to(self._on))))
        return np.concatenate(parts)

    def weights(self) -> Arrays:
        """Return copies of the module's state."""
        state = self._module.state_dict()
        return {name: values.cpu().numpy().copy() for name, values in state.items()}

    def optimizer_state(self) -> Arrays:
        """Return copies of the tensors that the optimiser keeps for each weight."""
        state = self._optimizer.state_dict()["state"]
        return {
            f"{number}.{name}": values.cpu().numpy().copy()
            for number, kept in state.items()
            for name, values in kept.items()
            if values is not None
        }

    def restore(self, weights: Arrays, optimizer_state: Arrays | None = None) -> None:
        """Take over weights, and the optimiser's state if given."""
        self._module.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})
        if optimizer_state is None:
            return
        kept: dict[int, dict[str, torch.Tensor]] = {}
        for key, values in optimizer_state.items():
            number, _, name = key.partition(".")
            kept.setdefault(int(number), {})[name] = torch.from_numpy(values)
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": kept, "param_groups": groups})


class CompiledTrainee(Trainee):
    """A network of `architecture.family`, compiled whole, on a CPU; it fills a module with its weights.

    Initial weights and the order of examples are those of `PytorchTrainee`; dropout comes from streams of
    its own.
    """

    def __init__(
        self, module: nn.Module, network: Network, data: TrainingData, source: str
    ) -> None:
        family = family_of(network)
        assert family is not None, "engine_used has seen to it"
        self.device = "cpu"
        self._module, self._plan, self._source = module, network.training, source
        self._whole = WholeNetwork(
            module,
            family,
            network.predict.reverse_complement,
            len(data.dataset.alphabet.letters),
            data.x.shape[1],
            data.y.shape[1],
            data.task,
        )
        self._compiled = self._whole.compiled
        self._rule = rule_of(network)
        weights = loss_weights(network, data)
        self._weights = np.ones(data.y.shape[1]) if weights is None else weights.astype(np.float64)
        self._x, self._y = contiguous(data.x), contiguous(data.y)
        self._validation_x = contiguous(data.validation_x)

    def train_epoch(self, epoch: int, rate: float) -> float:
        """Train one epoch; its order and dropout depend on seed and epoch alone."""
        order = epoch_order(len(self._x), self._plan, self._source, epoch).numpy()
        purposes = (f"dropout {epoch}", f"dropout of the dense layer {epoch}")
        one, two = (derived_seed(self._source, purpose) for purpose in purposes)
        losses, counts = self._compiled.train(
            self._x,
            self._y,
            order,
            rule=self._rule,
            weights=self._weights,
            batch=self._plan.batch_size,
            rate=rate,
            keys=(one, two),
        )
        if not len(losses):
            raise bad_input("training.batch_size", "", "is 1, but batch-norm needs at least 2")
        return float(np.average(losses, weights=counts))

    def validation_logits(self) -> np.ndarray:
        """Return float32 (N, C) logits of the validation set."""
        return self._whole.logits(self._validation_x)

    def weights(self) -> Arrays:
        """Return copies of the state, by the module's names."""
        return self._compiled.weights()

    def optimizer_state(self) -> Arrays:
        """Return copies of what the optimiser remembers."""
        return self._compiled.optimizer_state()

    def restore(self, weights: Arrays, optimizer_state: Arrays | None = None) -> None:
        """Take over weights, also into the module, and the optimiser's state if given."""
        self._compiled.restore(weights, optimizer_state)
        self._module.load_state_dict({k: torch.from_numpy(v) for k, v in weights.items()})


def _compiled(module: nn.Module, encode: OneHot) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a module that PyTorch compiles as a function of letter codes."""
    torch.use_deterministic_algorithms(True)  # the compiler's own setting too
    compiled = torch.compile(module)
    return lambda codes: compiled(encode(codes))


def _fits(data: TrainingData, device: torch.device) -> bool:
    """Tell whether the letters fit beside a model on a device."""
    if device.type == "cpu":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    return data.x.nbytes + data.validation_x.nbytes <= _SHARE_OF_GPU * free


def epoch_order(examples: int, plan: Training, source: str, epoch: int) -> torch.Tensor:
    """Return the order of an epoch's examples, int64 (N,), which depends on source and epoch alone."""
    if not plan.shuffle:
        return torch.arange(examples)
    generator = torch.Generator().manual_seed(derived_seed(source, f"order {epoch}"))
    return torch.randperm(examples, generator=generator)


def as_tensor(x: np.ndarray) -> torch.Tensor:
    """Return letter codes as a tensor that shares their memory, mapped files included."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(np.asarray(x))  # only read from


def as_targets(data: TrainingData) -> np.ndarray:
    """Return what the loss compares with: int64 (N,) conditions, or float32 (N, C) labels."""
    if data.task == MULTI_LABEL:
        return np.asarray(data.y, np.float32)
    result: np.ndarray = np.asarray(data.y).argmax(axis=1)
    return result


def make_loss(task: str, weights: np.ndarray | None, device: torch.device) -> Loss:
    """Return the mean loss of a batch of logits, as `training.mean_loss` defines it."""
    w = None if weights is None else torch.from_numpy(weights).to(device)
    if task == MULTI_LABEL:
        return nn.BCEWithLogitsLoss(pos_weight=w)
    if w is None:
        return nn.functional.cross_entropy

    def weighted(logits: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (w[y] * nn.functional.cross_entropy(logits, y, reduction="none")).mean()

    return weighted


def clip_gradients(module: nn.Module, plan: Training) -> None:
    """Limit the gradients of a module as the plan says."""
    if plan.clip_norm is not None:
        nn.utils.clip_grad_norm_(module.parameters(), plan.clip_norm)
    if plan.clip_value is not None:
        nn.utils.clip_grad_value_(module.parameters(), plan.clip_value)


def augment(
    codes: torch.Tensor, how: Augment, letters: int, generator: torch.Generator
) -> torch.Tensor:
    """Return letter codes uint8 (N, L), each sequence turned around or moved at random.

    The end of a shorter sequence stays padding; positions that a shift frees are unknown letters.
    """
    examples, window = codes.shape
    lengths = (codes != PADDING).sum(dim=1, keepdim=True)
    places = torch.arange(window, device=codes.device).expand(examples, -1)
    inside = places < lengths
    if how.reverse_complement:
        turned = torch.rand(examples, 1, generator=generator).to(codes.device) < 0.5
        turned = turned & inside
        codes = codes.gather(1, torch.where(turned, lengths - 1 - places, places))
        codes = torch.where(turned & (codes < letters), letters - 1 - codes, codes)
    if how.shift:
        by = torch.randint(-how.shift, how.shift + 1, (examples, 1), generator=generator)
        source = places - by.to(codes.device)
        kept = inside & (source >= 0) & (source < lengths)
        moved = codes.gather(1, source.clamp(0, window - 1))
        freed = torch.where(inside, UNKNOWN, PADDING).to(codes.dtype)
        codes = torch.where(kept, moved, freed)
    return codes


def make_optimizer(chosen: Optimizer, module: nn.Module) -> torch.optim.Optimizer:
    """Return the optimiser of a network for its module's trainable weights."""
    weights = [p for p in module.parameters() if p.requires_grad]
    s = chosen.settings
    shared: dict[str, Any] = {"lr": s.learning_rate, "weight_decay": s.weight_decay}
    match s:
        case Sgd():
            return torch.optim.SGD(
                weights, momentum=s.momentum, nesterov=s.nesterov, fused=True, **shared
            )
        case Adam():
            betas = (s.beta1, s.beta2)
            return torch.optim.Adam(weights, betas=betas, eps=s.epsilon, fused=True, **shared)
        case AdamW():
            betas = (s.beta1, s.beta2)
            return torch.optim.AdamW(weights, betas=betas, eps=s.epsilon, fused=True, **shared)
        case RmsProp():
            return torch.optim.RMSprop(
                weights, alpha=s.decay, eps=s.epsilon, momentum=s.momentum, **shared
            )
        case Adagrad():
            start = s.initial_accumulator
            return torch.optim.Adagrad(
                weights, eps=s.epsilon, initial_accumulator_value=start, **shared
            )
        case Adadelta():
            return torch.optim.Adadelta(weights, rho=s.decay, eps=s.epsilon, **shared)
        case Adamax():
            return torch.optim.Adamax(weights, betas=(s.beta1, s.beta2), eps=s.epsilon, **shared)
