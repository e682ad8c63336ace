"""Networks outside seqgra: every shipped architecture gives the same logits from its exported file."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from conftest import REPOSITORY
from test_backends import COMPOSED, EVERYTHING, card_of, letters, one_hot

import seqgra as sg
from seqgra.alphabet import DNA, PADDING, UNKNOWN
from seqgra.architecture.load import load_architecture, resolve_architecture
from seqgra.architecture.schema import Network
from seqgra.backends.pytorch import PytorchModel, build_from_card
from seqgra.cli import main
from seqgra.grammar.fasta import Encoder

SHIPPED = sorted(file.stem for file in (REPOSITORY / "architectures").glob("*.yaml"))
NETWORKS = {name: load_architecture(name) for name in SHIPPED}
NETWORKS = {name: each for name, each in NETWORKS.items() if isinstance(each, Network)}
LAYERS = {"everything": EVERYTHING, "composed": COMPOSED}
for kind, strands in (("everything", False), ("composed", False), ("composed", True)):
    content = {"layers": LAYERS[kind], "predict": {"reverse_complement": strands}}
    NETWORKS[f"{kind}, strands {strands}"] = resolve_architecture(content, "a.yaml")


def random_model(network, window=None, **others):
    """Return an untrained network whose running statistics are those of some sequences."""
    window = window or (400 if network.description else 60)
    card = card_of(network, window, **others)
    torch.manual_seed(1)
    module = build_from_card(card, "a")
    with torch.no_grad():
        for _ in range(3):
            module.train()(torch.from_numpy(one_hot(letters(4, window))))
    return PytorchModel(module, card, torch.device("cpu"))


def exported(folder):
    """Return what the exported Python file defines, run where there is no seqgra."""
    text = (folder / "network.py").read_text()
    assert "seqgra." not in text and "import seqgra" not in text
    space = {"__name__": "network"}
    exec(compile(text, "network.py", "exec"), space)  # noqa: S102 (it is what is tested)
    return space


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_gives_the_same_logits(name, tmp_path):
    model = random_model(NETWORKS[name])
    assert model.export(tmp_path / "out") == "network.py, network.safetensors"
    space = exported(tmp_path / "out")
    module = space["load"](str(tmp_path / "out" / "network.safetensors"))
    x = letters(4, model.window)
    x[1, model.window // 2 :] = PADDING
    x[2, 3:5] = UNKNOWN
    texts = [DNA.decode(row) for row in x]
    with torch.inference_mode():
        found = module(space["one_hot"](texts)).numpy()
    np.testing.assert_allclose(found, model.logits(x), atol=1e-6, rtol=1e-6)
    assert np.ptp(found, axis=0).min() > 0, "the sequences differ"


def test_the_file_reads_sequences_as_predict_does(tmp_path):
    model = random_model(NETWORKS["conv10w-fc5"], 40, conditions=("a", 'b """x\n{y}\\', "c"))
    model.export(tmp_path)
    space = exported(tmp_path)
    module = space["load"](str(tmp_path / "network.safetensors"))
    texts = ["ACGT" * 10, "acgu" * 10, "G" * 21, "A" * 5 + "CCGTA" * 8 + "T" * 6, "ACGTN" * 8]
    with torch.inference_mode():
        chances = module(space["one_hot"](texts)).softmax(dim=1).numpy()
    np.testing.assert_allclose(chances, sg.predict(model, texts), atol=1e-6)
    assert space["CONDITIONS"] == list(model.conditions)


def test_the_stop_of_a_protein_is_no_part_of_it(tmp_path):
    card = card_of(NETWORKS["fc"], 10).model_copy(update={"alphabet": "protein"})
    torch.manual_seed(1)
    model = PytorchModel(build_from_card(card, "a"), card, torch.device("cpu"))
    model.export(tmp_path)
    space = exported(tmp_path)
    module = space["load"](str(tmp_path / "network.safetensors"))
    texts = ["MKWYACDEFGH*", "MKWYACDEFGH", "mkw*", "*"]
    with torch.inference_mode():
        chances = module(space["one_hot"](texts)).softmax(dim=1).numpy()
    np.testing.assert_allclose(chances, sg.predict(model, texts), atol=1e-6)
    np.testing.assert_allclose(chances[0], chances[1], atol=1e-6)


def test_the_command_and_a_process_without_seqgra(tmp_path, tiny_dataset, capsys):
    (tmp_path / "net.yaml").write_text("layers: [flatten, {dense: 4}]\ntraining: {epochs: 1}\n")
    model, out = tmp_path / "m", tmp_path / "out"
    assert main(["train", str(tiny_dataset), str(tmp_path / "net.yaml"), "-o", str(model)]) == 0
    for _ in range(2):  # a second call replaces its own files
        assert main(["export-model", str(model), "-o", str(out)]) == 0
    assert "network.py, network.safetensors" in capsys.readouterr().out
    code = """
        import sys
        sys.modules["seqgra"] = None
        from network import load, one_hot
        print(load("network.safetensors")(one_hot(["ACGT" * 10]))[0].tolist())
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=True)
    expected = sg.load_model(model).logits(Encoder(DNA)("ACGT" * 10, "", "")[0][None])
    np.testing.assert_allclose(json.loads(done.stdout), expected[0], atol=1e-6)
    (out / "network.py").unlink()
    (out / "network.py").write_text("mine")
    (out / ".export-model.sha256").unlink()
    assert main(["export-model", str(model), "-o", str(out)]) == 2
    assert (out / "network.py").read_text() == "mine"
    before = sorted(path.name for path in model.iterdir())
    assert main(["export-model", str(model), "-o", str(model)]) == 2
    assert "holds the result of a stage" in capsys.readouterr().err
    assert sorted(path.name for path in model.iterdir()) == before


def test_what_is_no_network_of_seqgras_is_refused(tmp_path, tiny_dataset):
    data = sg.load_dataset(tiny_dataset)
    baseline = sg.train(data, "kmer-logistic-regression")
    wrapped = sg.wrap(torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(160, 2)), data)
    for model, message in (
        (baseline, "model: is no network; only networks leave seqgra: `seqgra predict`"),
        (wrapped, "model: is a torch module of your own, which needs no export"),
    ):
        with pytest.raises(sg.InputError, match=message):
            model.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("tensorflow")
def test_a_keras_model_leaves_for_both_libraries(tmp_path):
    from seqgra.backends import tensorflow

    for name in ("conv10w-bn10-fc5", "composed, strands True"):
        model = tensorflow.from_pytorch(random_model(NETWORKS[name], 60))
        made = model.export(tmp_path / name)
        x = letters(3, 60)
        space = exported(tmp_path / name)
        module = space["load"](str(tmp_path / name / "network.safetensors"))
        points = space["one_hot"]([DNA.decode(row) for row in x])
        with torch.inference_mode():
            found = module(points).numpy()
        np.testing.assert_allclose(found, model.logits(x), atol=1e-5)
        assert ("network.keras" in made) == (name == "conv10w-bn10-fc5")
        if "network.keras" in made:
            network = tensorflow.keras.models.load_model(tmp_path / name / "network.keras")
            np.testing.assert_allclose(
                network(points.numpy().transpose(0, 2, 1)), model.logits(x), atol=1e-6
            )
