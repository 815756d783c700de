"""Models of transformers against the library itself, called directly on the same pixels."""

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from zsl_bench import class_vectors, load_model
from zsl_bench.adapters.transformers import load
from zsl_bench.adapters.video_text import VideoTextModel, XClipModel
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ModelError
from zsl_bench.model import LoadOptions, is_scoring
from zsl_bench.model_digest import weights_digest
from zsl_bench.testing import check_model
from zsl_bench.video.transform import transform_frames

IMAGE_KINDS = (
    "clip",
    "siglip",
    "siglip2",
    "metaclip_2",
    "altclip",
    "chinese_clip",
    "align",
    "blip",
)
CLASSIFIERS = ("videomae", "timesformer", "vivit", "vjepa2", "videoprism_classifier")
CLASSES = class_set_from_names(
    ("yoga", "juggling balls", "riding a bike", "sky diving"), dataset="mine", source="test"
)
SIDE = 32
PADDED = ("siglip", "siglip2", "align", "videoprism")


@pytest.fixture
def templates(tmp_path):
    """A file of three templates."""
    path = tmp_path / "three.txt"
    path.write_text("{label}\na video of {label}.\nsomeone does {label}\n")
    return str(path)


def _model(saved, kind, **settings):
    options = LoadOptions(allow_approximate=True, settings=settings)
    return load(str(saved(kind)), options)


def _clips(model, count=2):
    spec = model.card.clip
    shape = (count, spec.frames, 3, spec.size, spec.size)
    levels = np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)
    return torch.from_numpy(levels)


def _pictures(clip):
    return [Image.fromarray(frame.permute(1, 2, 0).numpy()) for frame in clip]


def _pooled(output):
    vectors = output if isinstance(output, torch.Tensor) else output.pooler_output
    return vectors.reshape(len(vectors), -1)


def _unit(vectors):
    return vectors / vectors.norm(dim=-1, keepdim=True)


def _texts_one_by_one(kind, folder, network, texts):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    rows = []
    for text in texts:
        more = {"padding": "max_length", "max_length": 64} if kind in PADDED else {}
        tokens = tokenizer(
            text.lower() if kind.startswith("siglip") else text,
            return_tensors="pt",
            return_token_type_ids=False,
            **more,
        )
        rows.append(_pooled(network.get_text_features(**tokens))[0])
    return _unit(torch.stack(rows))


@torch.no_grad()
@pytest.mark.parametrize("kind", IMAGE_KINDS)
def test_frames_are_embedded_one_by_one_and_averaged(saved, kind):
    model = _model(saved, kind, frames="3")
    network = transformers.AutoModel.from_pretrained(saved(kind)).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(saved(kind))
    clips = _clips(model)
    expected = []
    for clip in clips:
        vectors = []
        for picture in _pictures(clip):
            patched = {} if kind == "siglip2" else {"do_resize": False}
            pixels = processor(images=picture, return_tensors="pt", **patched)
            vectors.append(_unit(_pooled(network.get_image_features(**pixels)))[0])
        expected.append(torch.stack(vectors).mean(dim=0))
    assert model.card.clip.frames == 3
    assert model.card.policy == "uniform-3"
    torch.testing.assert_close(
        model.embed_clips(clips), torch.stack(expected), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
@pytest.mark.parametrize("kind", [*IMAGE_KINDS, "videoprism"])
def test_classes_are_embedded_as_the_library_embeds_their_texts(saved, kind):
    model = _model(saved, kind)
    network = transformers.AutoModel.from_pretrained(saved(kind)).eval()
    texts = [f"a video of {label}." for label in CLASSES.labels]
    expected = _texts_one_by_one(kind, saved(kind), network, texts)
    got = model.embed_classes(CLASSES)
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert model.card.settings["prompts"] == "video-of"
    assert (got[:1] - got[1:]).norm(dim=-1).min() > 0.05


@torch.no_grad()
def test_several_templates_are_averaged(saved, templates):
    model = _model(saved, "clip", prompts=templates)
    network = transformers.AutoModel.from_pretrained(saved("clip")).eval()
    total = torch.zeros(len(CLASSES), 24)
    for template in model.prompts.templates:
        texts = [template.replace("{label}", label) for label in CLASSES.labels]
        total += _texts_one_by_one("clip", saved("clip"), network, texts)
    torch.testing.assert_close(model.embed_classes(CLASSES), _unit(total), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_x_clip_gives_the_librarys_logits(saved):
    model = _model(saved, "xclip")
    folder = saved("xclip")
    network = transformers.AutoModel.from_pretrained(folder).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    clips = _clips(model, 3)
    videos = [_pictures(clip) for clip in clips]
    pixels = processor(videos, return_tensors="pt", do_resize=False)
    texts = [f"a video of {label}." for label in CLASSES.labels]
    tokens = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    expected = network(**pixels, **tokens).logits_per_video
    got = model.score(clips, CLASSES)
    assert isinstance(model, XClipModel)
    assert is_scoring(model)
    assert model.card.scores == "logits"
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert expected.std(dim=0).min() > 0.01


@torch.no_grad()
@pytest.mark.parametrize(
    ("changes", "counts", "shape"),
    [
        ({"prompt_layers": 2, "prompt_num_attention_heads": 4}, (8, 3, 5), (60, 90)),
        ({"prompt_layers": 3, "prompt_alpha": 0.1}, (3, 2, 7), (121, 53)),
        ({"prompt_layers": 1, "prompt_alpha": 1.0}, (1, 3, 5), (37, 37)),
    ],
)
def test_x_clip_of_other_shapes_gives_the_librarys_logits(
    saved, tiny_transformers, tmp_path, changes, counts, shape
):
    frames, videos, classes = counts
    folder = saved("xclip")
    config = transformers.AutoConfig.from_pretrained(folder)
    config.vision_config.num_frames = frames
    for key, value in changes.items():
        setattr(config, key, value)
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    made = transformers.XCLIPModel(config)
    model = load(str(tiny_transformers.save(tmp_path, made, processor=processor)))
    network = transformers.AutoModel.from_pretrained(tmp_path).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    labels = load_class_set("hmdb51").select(load_class_set("hmdb51").names[:classes])
    texts = [f"a video of {label}." for label in labels.labels]
    tokens = tokenizer(texts, padding=True, return_tensors="pt", return_token_type_ids=False)
    rng = np.random.default_rng(8)
    raw = rng.integers(0, 256, (videos, frames, *shape, 3), dtype=np.uint8)
    clips = torch.from_numpy(np.stack([transform_frames(each, model.card.clip) for each in raw]))
    seen = [processor(list(each), return_tensors="pt")["pixel_values"] for each in raw]
    pixels = torch.stack([each.reshape(frames, 3, SIDE, SIDE) for each in seen])
    expected = network(pixel_values=pixels, **tokens).logits_per_video
    got = model.score(clips, labels)
    assert got.shape == (videos, classes)
    torch.testing.assert_close(got, expected, atol=2e-4, rtol=2e-4)
    torch.testing.assert_close(model.score(clips[1:2], labels), got[1:2], atol=1e-4, rtol=1e-4)
    assert expected.std(dim=0).min() > 0.01
    assert expected.std(dim=1).min() > 0.01


@torch.no_grad()
def test_x_clip_scores_in_float32_under_autocast(saved):
    model = _model(saved, "xclip")
    clips = _clips(model, 3)
    exact = model.score(clips, CLASSES)
    with torch.autocast("cpu", torch.bfloat16):
        got = model.score(clips, CLASSES)
    assert got.dtype == torch.float32
    assert not torch.equal(got, got.bfloat16().float())
    torch.testing.assert_close(got, exact, atol=0.2, rtol=0.1)


def test_frames_cut_otherwise_than_by_the_library_are_said_to_be(saved):
    said = "of a frame its central square, where the library keeps the whole frame"
    assert said in _model(saved, "siglip2").card.description
    assert said not in _model(saved, "clip").card.description


def test_a_file_where_a_folder_is_wanted_is_said_to_be_one(saved):
    file = saved("clip") / "model.safetensors"
    with pytest.raises(ModelError, match=r"a file where a folder is wanted.*lies in: .*clip$"):
        load_model(f"transformers:{file}")


@torch.no_grad()
def test_x_clip_encodes_the_texts_of_a_class_set_once(saved, templates, monkeypatch):
    model = _model(saved, "xclip", prompts=templates)
    calls = []
    counting = CountingTextModel(model.network.text_model, calls)
    monkeypatch.setattr(model.network, "text_model", counting)
    first = model.score(_clips(model), CLASSES)
    again = model.score(_clips(model), CLASSES)
    other = model.score(_clips(model), CLASSES.select(CLASSES.names[1:]))
    assert len(calls) == 2 * 3
    torch.testing.assert_close(first, again, atol=0, rtol=0)
    torch.testing.assert_close(first[:, 1:], other, atol=1e-5, rtol=1e-5)


class CountingTextModel(torch.nn.Module):
    def __init__(self, module, calls):
        super().__init__()
        self.module = module
        self.calls = calls

    def forward(self, **given):
        self.calls.append(len(given["input_ids"]))
        return self.module(**given)


@torch.no_grad()
def test_videoprism_embeds_whole_clips(saved):
    model = _model(saved, "videoprism")
    network = transformers.AutoModel.from_pretrained(saved("videoprism")).eval()
    processor = transformers.AutoVideoProcessor.from_pretrained(saved("videoprism"))
    clips = _clips(model)
    pixels = processor(list(clips), return_tensors="pt", do_resize=False, do_sample_frames=False)
    expected = _pooled(network.get_video_features(**pixels))
    assert isinstance(model, VideoTextModel)
    assert model.card.clip.frames == 4
    torch.testing.assert_close(model.embed_clips(clips), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("kind", CLASSIFIERS)
def test_classifiers_become_zero_shot(saved, tiny_transformers, kind):
    model = _model(saved, kind, top_k="1")
    folder = saved(kind)
    network = transformers.AutoModelForVideoClassification.from_pretrained(folder).eval()
    clips = _clips(model, 6)
    if kind in ("vjepa2", "videoprism_classifier"):
        processor = transformers.AutoVideoProcessor.from_pretrained(folder)
        more = {"do_sample_frames": False, "do_resize": False}
        pixels = processor(list(clips), return_tensors="pt", **more)
    else:
        processor = transformers.AutoImageProcessor.from_pretrained(folder)
        videos = [_pictures(clip) for clip in clips]
        pixels = processor(videos, return_tensors="pt", do_resize=False)
    logits = network(**pixels).logits.reshape(6, -1)
    labels = class_set_from_names(tiny_transformers.LABELS, dataset="labels", source="test")
    expected = torch.from_numpy(class_vectors(labels, allow_approximate=True).matrix.copy())
    torch.testing.assert_close(
        model.embed_clips(clips), expected[logits.argmax(dim=1)], atol=1e-5, rtol=1e-5
    )
    assert model.card.clip.frames == 4
    assert [set(one.labels) for one in model.card.trained_on] == [set(labels.labels)]
    assert model.card.pretrained_on is None


@pytest.mark.parametrize("kind", [*IMAGE_KINDS, "xclip", "videoprism", *CLASSIFIERS])
def test_every_kind_keeps_the_rules(saved, kind):
    settings = {"top_k": "2"} if kind in CLASSIFIERS else {}
    check_model(_model(saved, kind, **settings))


def test_by_reference_with_its_source_and_a_digest_of_its_weights(saved):
    folder = str(saved("clip"))
    model = load_model(f"transformers:{folder}")
    assert model.source == folder
    assert model.card.name == "clip"
    assert model.card.revision is None
    assert weights_digest(model).startswith("sha256:")
    assert model.card.trained_on is None
    assert model.card.pretrained_on is None


def test_tokeniser_and_processor_are_part_of_what_a_number_depends_on(saved, tmp_path):
    copy = tmp_path / "clip"
    copy.mkdir()
    for path in saved("clip").iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "README.md").write_text("read me")
    before, same = _model(saved, "clip"), load(str(copy))
    tokenizer = copy / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text() + " ")
    assert before.card.settings == same.card.settings
    assert load(str(copy)).card.settings != same.card.settings


def test_half_precision_weights_are_read_as_float32(saved, tmp_path):
    network = transformers.AutoModel.from_pretrained(saved("clip")).half()
    for path in saved("clip").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    network.save_pretrained(tmp_path)
    model = load(str(tmp_path))
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}
    with torch.no_grad():
        assert model.embed_clips(_clips(model)).dtype == torch.float32


@pytest.mark.parametrize(
    ("kind", "wrapper", "parts"),
    [
        ("clip", "CLIPProcessor", {"image_processor": "AutoImageProcessor"}),
        ("siglip2", "Siglip2Processor", {"image_processor": "AutoImageProcessor"}),
        ("xclip", "XCLIPProcessor", {"image_processor": "AutoImageProcessor"}),
        ("videoprism", "VideoPrismProcessor", {"video_processor": "AutoVideoProcessor"}),
    ],
)
def test_processors_saved_in_one_file(saved, tmp_path, kind, wrapper, parts):
    folder = saved(kind)
    made = {
        part: getattr(transformers, auto).from_pretrained(folder) for part, auto in parts.items()
    }
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    getattr(transformers, wrapper)(**made, tokenizer=tokenizer).save_pretrained(tmp_path)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    assert not list(tmp_path.glob("*preprocessor_config.json"))
    assert load(str(tmp_path)).card.clip == _model(saved, kind).card.clip


def test_settings_are_checked(saved):
    for settings, said in (
        ({"prompt": "video-of"}, "did you mean 'prompts'"),
        ({"prompts": "video-off"}, "did you mean 'video-of'"),
        ({"frames": "0"}, "no number of frames"),
        ({"top_k": "3"}, "the setting 'top_k'"),
    ):
        with pytest.raises(ModelError, match=said):
            _model(saved, "clip", **settings)
    with pytest.raises(ModelError, match="the setting 'frames'"):
        _model(saved, "xclip", frames="8")
    with pytest.raises(ModelError, match="the setting 'frames'"):
        _model(saved, "videomae", frames="8")


@torch.no_grad()
def test_all_labels_of_ucf101_keep_their_place(saved):
    model = _model(saved, "siglip2")
    classes = load_class_set("ucf101")
    some = classes.select(classes.names[::-7])
    torch.testing.assert_close(
        model.embed_classes(classes)[[classes.index(name) for name in some.names]],
        model.embed_classes(some),
        atol=1e-5,
        rtol=1e-5,
    )
