"""Clip features of real videos: equal to a plain loop, resumed, refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zsl_bench import evaluate
from zsl_bench.datasets import open_dataset
from zsl_bench.errors import DatasetError, ModelError, VideoError
from zsl_bench.evaluation.extract import extract
from zsl_bench.video import clip_policy, load_clips


def looped(model, folder):
    """Return for each video the model's output on every clip of the policy, one clip at a time."""
    manifest, policy = open_dataset("colours", folder), clip_policy(model.card.policy)
    found = {}
    for video in manifest.videos:
        clips = load_clips(manifest.resolve(video), policy, model.card.clip)
        rows = []
        for clip, weight in zip(clips.assemble(), clips.weights.tolist(), strict=True):
            rows += [model.embed_clips(torch.from_numpy(clip[None]))[0].numpy()] * weight
        found[video.id] = np.stack(rows)
    return found


def run(model, folder, out, **settings):
    return extract(
        model, data=("colours", folder), out=out, workers=0, batch_size=4, device="cpu", **settings
    )


def test_features_are_those_of_a_loop_over_clips(colour_model, colour_folder, tmp_path):
    model = colour_model(trained_on=["abseiling"])
    file = run(model, colour_folder, tmp_path / "f.safetensors")
    expected = looped(model, colour_folder)
    assert file.features.shape == (15, 25, 3)
    assert file.lengths.tolist() == [25] * 15
    for i, name in enumerate(file.ids):
        assert np.allclose(file.features[i], expected[name], atol=1e-3)
        assert name.startswith(file.classes.names[file.labels[i]])
    about = file.backbone
    assert about.output == "embed_clips"
    assert about.weights["weights"] == "1"
    assert about.reference is None
    assert about.card.trained_on[0].names == ("abseiling",)
    assert file.run["clip_policy"] == about.card.policy == "paper-25"
    assert file.run["manifest"]["digest"] == open_dataset("colours", colour_folder).digest
    assert file.versions["zsl-bench"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.safetensors", "videos"]


def test_their_mean_is_the_vector_that_evaluate_scores(colour_model, colour_folder, tmp_path):
    file = run(colour_model(), colour_folder, tmp_path / "f.safetensors")
    (result,) = evaluate(
        colour_model(), data={"colours": colour_folder}, out=tmp_path / "r", workers=0, device="cpu"
    )
    with np.load(tmp_path / "r" / f"{result.stem}.npz") as arrays:
        assert arrays["video_ids"].tolist() == list(file.ids)
        means = np.array(file.features, dtype=np.float64).mean(axis=1)
        assert np.allclose(arrays["video_vectors"], means, atol=1e-4)


def test_a_stopped_run_goes_on_and_gives_the_same_bytes(colour_model, colour_folder, tmp_path):
    whole, stopped = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    model = colour_model()
    run(model, colour_folder, whole)
    dying = colour_model()
    dying.dies_after = 60
    with pytest.raises(ModelError):
        run(dying, colour_folder, stopped)
    assert not stopped.exists()
    again = colour_model()
    run(again, colour_folder, stopped)
    assert again.clips_run < model.clips_run
    assert stopped.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_features_before_the_last_layer_are_preferred(colour_model, colour_folder, tmp_path):
    class Deeper(colour_model):
        def features(self, clips):
            return clips.float().mean(dim=(1, 3, 4)).repeat(1, 2)

    file = run(Deeper(), colour_folder, tmp_path / "f.safetensors")
    assert file.backbone.output == "features"
    assert file.features.shape[2] == 6


def test_a_layer_called_features_is_no_method(colour_model, colour_folder, tmp_path):
    model = colour_model()
    model.features = torch.nn.Identity()
    assert run(model, colour_folder, tmp_path / "f").backbone.output == "embed_clips"


def test_unreadable_videos_are_listed_and_have_no_row(colour_model, colour_folder, tmp_path):
    (colour_folder / "red thing" / "clip0.avi").write_text("no video")
    with pytest.raises(VideoError, match="1 of 15 videos are unreadable"):
        run(colour_model(), colour_folder, tmp_path / "f")
    file = run(colour_model(), colour_folder, tmp_path / "f", allow_unreadable=True)
    assert len(file) == 14
    ((name, why),) = file.unreadable
    assert name not in file.ids
    assert name.startswith("red thing")
    assert why


def test_float16_and_a_users_declaration(colour_model, colour_folder, tmp_path):
    model = colour_model(pretrained_on=None)
    file = run(model, colour_folder, tmp_path / "f", dtype="float16", pretrained_on=("k400",))
    assert file.features.dtype == np.float16
    assert file.backbone.declared_by_user == ("pretrained_on",)
    assert file.declared.pretrained_on[0].dataset == "kinetics400"


def test_what_cannot_be_extracted_is_refused(colour_model, colour_folder, tmp_path):
    taken = tmp_path / "taken"
    taken.write_text("precious")
    with pytest.raises(DatasetError, match="a file or folder of that name"):
        run(colour_model(), colour_folder, taken)
    assert taken.read_text() == "precious"
    with pytest.raises(DatasetError, match="did you mean"):
        run(colour_model(), colour_folder, tmp_path / "f", dtype="float61")
    with pytest.raises(DatasetError, match="several processes"):
        run(colour_model(), colour_folder, tmp_path / "f", share=True)

    class Scorer:
        card = colour_model().card

        def score(self, clips, classes):
            return torch.zeros(len(clips), len(classes))

    with pytest.raises(ModelError, match="gives no vectors"):
        run(Scorer(), colour_folder, tmp_path / "f")


def test_nothing_but_unreadable_videos_make_no_file(colour_model, tmp_path):
    (tmp_path / "v" / "red thing").mkdir(parents=True)
    (tmp_path / "v" / "red thing" / "a.avi").write_text("no video")
    with pytest.raises(DatasetError, match="no readable video"):
        run(colour_model(), tmp_path / "v", tmp_path / "f", allow_unreadable=True)
    assert not (tmp_path / "f").exists()
