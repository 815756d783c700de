import gc
import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_weight, video

from zsl_bench.baselines.baseline import BaselineModel
from zsl_bench.baselines.networks import C3D, create_network
from zsl_bench.baselines.training.config import DataSettings, ModelSettings, TrainConfig
from zsl_bench.baselines.training.run import train
from zsl_bench.baselines.training.start import starting_network, union
from zsl_bench.baselines.weights import load_weights, save_weights
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ModelError, WeightsError
from zsl_bench.model import ModelCard
from zsl_bench.verdict import zero_shot_verdict

K400 = "R2Plus1D_18_Weights.KINETICS400_V1"
SWIM = class_set_from_names(["swimming"], dataset="pool", source="test")
RUN = class_set_from_names(["running"], dataset="track", source="test")


def config(**model):
    data = DataSettings(dataset="toy", path="nowhere")
    return TrainConfig(name="toy", data=data, model=ModelSettings(**model))


def start(dim=300, **model):
    return starting_network(config(**model), dim=dim)


def same(a, b):
    b = b if isinstance(b, dict) else b.state_dict()
    a = a if isinstance(a, dict) else a.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture(scope="module")
def torchvision_network():
    """R(2+1)D-18 as torchvision publishes it, classifier and all, with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return video.r2plus1d_18(weights=None)


@pytest.fixture
def served(torchvision_network, tmp_path, monkeypatch):
    """Let torchvision fetch those weights from this machine; return the folder that is served.

    The file's name carries the beginning of its digest, as torchvision's do, so that the check of
    the download is the real one.
    """
    site = tmp_path / "site"
    site.mkdir()
    torch.save(torchvision_network.state_dict(), site / "whole.pth")
    digest = hashlib.sha256((site / "whole.pth").read_bytes()).hexdigest()
    path = (site / "whole.pth").rename(site / f"r2plus1d_18-{digest[:8]}.pth")
    handler = partial(SimpleHTTPRequestHandler, directory=site)
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/{path.name}"
    monkeypatch.setattr(get_weight(K400).value, "url", url)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def test_without_weights_the_seed_decides(tiny):
    made = start(network="tiny", dropout=0.5, dim=7)
    assert same(made.network, create_network("tiny", seed=0, dim=7))
    assert made.pretrained_on == ()
    assert made.backbone is None
    assert made.network.dropout.p == 0.5
    assert made.network.training
    again = start(network="tiny", dim=7)
    assert again.digest == made.digest
    assert again.network.dropout.p == 0.05


def test_random_weights_have_nothing_to_declare(tiny):
    with pytest.raises(WeightsError, match="no weights to declare"):
        start(network="tiny", pretrained_on="kinetics400")


def test_torchvision_weights_by_name(served, torchvision_network, tmp_path, capsys):
    made = start(weights=K400)
    theirs = {k: v for k, v in torchvision_network.state_dict().items() if not k.startswith("fc.")}
    assert same(made.network.backbone, theirs)
    assert made.backbone == K400
    assert made.source == f"torchvision {K400}"
    assert made.known == ()
    (seen,) = made.pretrained_on
    assert seen == load_class_set("kinetics400")
    head = create_network("r2plus1d_18", seed=0).head
    assert same(made.network.head, head)

    (file,) = served.iterdir()
    file.unlink()
    assert start(weights="R2Plus1D_18_Weights.DEFAULT").digest == made.digest
    assert capsys.readouterr().out == ""


def test_a_frozen_model_on_torchvision_weights_comes_out_overlapping(served, tiny_config, tmp_path):
    config = tiny_config(
        model={"family": "frozen", "network": "r2plus1d_18", "weights": K400},
        audit={"allow_overlap": True},
        frozen={"views": 1},
        optimiser={"epochs": 1},
    )
    report = train(config, tmp_path / "run")
    model = load_weights(report.weights)
    assert (model.config.family, model.config.backbone) == ("frozen", K400)
    assert "archery" in model.card.pretrained_on[0].names
    verdict = zero_shot_verdict(model.card, load_class_set("ucf101"))
    assert verdict.finding == "overlapping"
    seen = {seen.name: seen for seen in verdict.seen}
    assert seen["PlayingGuitar"].declared_in == "pretrained_on"
    assert start(weights=str(report.weights)).backbone == K400


def test_a_download_that_fails_is_one_line_with_the_way_out(served):
    for path in served.iterdir():
        path.unlink()
    with pytest.raises(WeightsError, match="HTTP Error 404") as caught:
        start(weights=K400)
    assert "model.weights" in caught.value.fix
    assert get_weight(K400).url in caught.value.fix


@pytest.mark.filterwarnings("ignore:.*socket:pytest.PytestUnraisableExceptionWarning")
def test_a_download_that_is_another_file_is_refused(served):
    (path,) = served.iterdir()
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(WeightsError, match="invalid hash"):
        start(weights=K400)
    gc.collect()


def test_a_download_with_code_in_it_is_refused(served, monkeypatch):
    (path,) = served.iterdir()
    path.unlink()
    torch.save({"fc.weight": print}, served / "code.pth")
    digest = hashlib.sha256((served / "code.pth").read_bytes()).hexdigest()
    url = get_weight(K400).url.replace(path.name, f"code-{digest[:8]}.pth")
    (served / "code.pth").rename(served / f"code-{digest[:8]}.pth")
    monkeypatch.setattr(get_weight(K400).value, "url", url)
    with pytest.raises(WeightsError, match="code in it"):
        start(weights=K400)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"weights": "R3D_18_Weights.KINETICS400_V1"}, "another network"),
        ({"weights": K400, "network": "r3d_18"}, "R3D_18_Weights.KINETICS400_V1"),
        ({"weights": K400, "network": "c3d"}, "weights folder or file"),
        ({"weights": "ResNet50_Weights.IMAGENET1K_V1"}, "another network"),
        ({"weights": "R2Plus1D_18_Weights.KINETICS"}, "none of that name"),
        ({"weights": "Nothing_Weights.V1"}, "none of that name"),
        ({"weights": K400, "pretrained_on": "open"}, "say what they have seen"),
        ({"weights": "no/such/folder"}, "no such file"),
    ],
)
def test_names_that_do_not_fit(model, said):
    with pytest.raises(WeightsError, match=said):
        start(**model)


def test_an_unknown_network(tiny):
    with pytest.raises(ModelError, match="no network of that name"):
        start(network="tyni")


def folder_of(tiny, path, *, trained_on, pretrained_on=()):
    card = ModelCard(name="before", trained_on=trained_on, pretrained_on=pretrained_on)
    return save_weights(BaselineModel(tiny.network, config=tiny.config, card=card), path)


@pytest.mark.parametrize("place", ["folder", "folder/model.safetensors", "one.safetensors"])
def test_a_whole_network_with_all_that_it_has_seen(tiny, tmp_path, place):
    target = tmp_path / place.removesuffix("/model.safetensors")
    folder_of(tiny, target, trained_on=(SWIM,), pretrained_on=(RUN, SWIM))
    made = start(network="tiny", weights=str(tmp_path / place))
    assert same(made.network, tiny.network)
    assert made.network.training
    assert [one.dataset for one in made.pretrained_on] == ["pool", "track"]
    assert made.known == ()
    assert made.source == str(tmp_path / place)


def test_a_card_may_not_be_contradicted(tiny, tmp_path):
    folder = folder_of(tiny, tmp_path / "w", trained_on=(SWIM,))
    with pytest.raises(WeightsError, match="whose card says it"):
        start(network="tiny", weights=str(folder), pretrained_on="kinetics400")


def test_what_a_card_leaves_undeclared_can_be_declared(tiny, tmp_path):
    folder = folder_of(tiny, tmp_path / "w", trained_on=(SWIM,), pretrained_on=None)
    silent = start(network="tiny", weights=str(folder))
    assert silent.pretrained_on is None
    assert silent.known == (SWIM,)
    declared = start(network="tiny", weights=str(folder), pretrained_on="hmdb51")
    assert [one.dataset for one in declared.pretrained_on] == ["pool", "hmdb51"]
    web = start(network="tiny", weights=str(folder), pretrained_on="open")
    assert (web.pretrained_on, web.known) == ("open", (SWIM,))


def test_weights_of_another_network_or_size(tiny, tmp_path):
    folder = folder_of(tiny, tmp_path / "w", trained_on=())
    with pytest.raises(WeightsError, match="tiny with 300 outputs"):
        start(weights=str(folder))
    with pytest.raises(WeightsError, match="tiny with 300 outputs"):
        start(network="tiny", weights=str(folder), dim=8)


def test_a_file_without_a_card_must_be_declared(tiny, tmp_path):
    path = tmp_path / "plain.pth"
    torch.save(tiny.network.state_dict(), path)
    with pytest.raises(WeightsError, match="does not say what it has seen"):
        start(network="tiny", weights=str(path))
    for value, seen in (
        ("undeclared", None),
        ("open", "open"),
        ("tp1", ("kinetics700-tp1",)),
    ):
        made = start(network="tiny", weights=str(path), pretrained_on=value)
        assert same(made.network, tiny.network)
        declared = made.pretrained_on
        assert (
            tuple(s.dataset for s in declared) if isinstance(declared, tuple) else declared
        ) == (seen)
        assert made.known == ()


def test_a_bare_backbone_with_its_classifier(tiny, tmp_path):
    state = {key: tensor + 1 for key, tensor in tiny.network.backbone.state_dict().items()}
    whole = {**state, "fc.weight": torch.ones(4, 8), "fc.bias": torch.ones(4)}
    torch.save({f"module.{key}": tensor for key, tensor in whole.items()}, tmp_path / "a.pth")
    save_file(whole, tmp_path / "b.safetensors")
    for name in ("a.pth", "b.safetensors"):
        made = start(network="tiny", weights=str(tmp_path / name), pretrained_on="open")
        assert same(made.network.backbone, state)
        assert same(made.network.head, create_network("tiny", seed=0).head)
    counter = next(key for key in whole if key.endswith("num_batches_tracked"))
    torch.save({key: tensor for key, tensor in whole.items() if key != counter}, tmp_path / "c.pth")
    made = start(network="tiny", weights=str(tmp_path / "c.pth"), pretrained_on="open")
    assert same(made.network.backbone, {**state, counter: torch.tensor(0)})


def test_a_backbone_that_does_not_fit_is_refused(tiny, tmp_path):
    state = tiny.network.backbone.state_dict()
    first, *_ = state
    torch.save({key: state[key] for key in state if key != first}, tmp_path / "short.pth")
    with pytest.raises(WeightsError, match="1 keys missing"):
        start(network="tiny", weights=str(tmp_path / "short.pth"), pretrained_on="open")
    torch.save({**state, "stem.weight": torch.ones(1)}, tmp_path / "long.pth")
    with pytest.raises(WeightsError, match="1 unexpected keys"):
        start(network="tiny", weights=str(tmp_path / "long.pth"), pretrained_on="open")
    (tmp_path / "notes.txt").write_text("no weights")
    with pytest.raises(WeightsError, match="another kind"):
        start(network="tiny", weights=str(tmp_path / "notes.txt"))


def test_c3d_of_sports_1m_loses_its_last_two_layers(tmp_path):
    with torch.device("meta"):
        theirs = C3D()
        theirs.fc7, theirs.fc8 = nn.Linear(4096, 2), nn.Linear(2, 487)
    theirs.to_empty(device="cpu")
    for number, tensor in enumerate(theirs.parameters()):
        nn.init.constant_(tensor, number / 7)
    torch.save(theirs.state_dict(), tmp_path / "c3d.pth")
    made = start(network="c3d", weights=str(tmp_path / "c3d.pth"), pretrained_on="open")
    del theirs.fc7, theirs.fc8
    assert same(made.network.backbone, theirs)
    assert made.pretrained_on == "open"


def test_the_union_is_as_silent_as_its_most_silent_part():
    assert union((), ()) == ((), ())
    assert union((SWIM,), (RUN, SWIM)) == ((SWIM, RUN), ())
    assert union((SWIM,), "open") == ("open", (SWIM,))
    assert union("open", None, (RUN,)) == (None, (RUN,))
    assert union(None) == (None, ())
