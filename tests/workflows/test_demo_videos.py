from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import product

import av
import numpy as np
import pytest

import zsl_bench
from zsl_bench.errors import VideoError, ZslBenchError
from zsl_bench.video import probe
from zsl_bench.wordvectors import class_vectors, load_word_vectors
from zsl_bench.workflows.demo.backgrounds import TEXTURES, draw_background
from zsl_bench.workflows.demo.classes import COLOURS, MOTIONS, SHAPES, DemoClass, demo_classes
from zsl_bench.workflows.demo.plan import plan_demo, training_configs
from zsl_bench.workflows.demo.scenes import SceneSize, render_scene
from zsl_bench.workflows.demo.shapes import TEXTURE, shape_texture
from zsl_bench.workflows.demo.videos import _FORMATS, VideoSet, encode

SMALL = SceneSize(frames=10, side=48)


def one_of(classes, **wanted):
    return next(c for c in classes if all(getattr(c, k) == v for k, v in wanted.items()))


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_every_combination_is_seen_or_unseen_and_every_word_is_in_both(seed):
    made = demo_classes(seed)
    everything = {" ".join(words) for words in product(COLOURS, SHAPES, MOTIONS)}
    seen, unseen = ({c.name for c in part} for part in (made.seen, made.unseen))
    assert seen | unseen == everything
    assert not seen & unseen
    assert len(unseen) == 72
    for part, each in ((seen, 24), (unseen, 12)):
        words = Counter(word for name in part for word in name.split())
        assert words == dict.fromkeys((*COLOURS, *SHAPES, *MOTIONS), each)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        pairs = Counter((name.split()[first], name.split()[second]) for name in unseen)
        assert set(pairs.values()) == {2}
        assert len(pairs) == 36


def test_the_seed_decides_which_combinations_are_seen():
    assert demo_classes(3) == demo_classes(3)
    assert demo_classes(3).unseen != demo_classes(4).unseen


@pytest.mark.parametrize("seed", [0, 1, 7])
def test_the_audit_finds_the_classes_disjoint_by_exact_vectors(seed):
    made = demo_classes(seed)
    audit = zsl_bench.check_overlap(made.train, made.test)
    assert not audit.removed
    assert not audit.approximate_words
    assert not audit.duplicates
    assert min(n.distance for n in audit.neighbours) > 0.15


def test_every_word_keeps_its_meaning_and_stays_away_from_the_others_of_its_kind():
    made = demo_classes(0)
    vectors = load_word_vectors(words=())
    words = {word for classes in (made.train, made.test) for ws in classes.words for word in ws}
    assert len(words) == 18
    assert all(word in vectors for word in words)
    for position in range(3):
        kind = sorted({ws[position] for ws in made.train.words})
        matrix = np.stack([vectors.vector(word) for word in kind])
        assert (matrix @ matrix.T - np.eye(6)).max() < 0.36, kind
    assert not class_vectors(made.test).approximate_words


def test_videos_depend_on_nothing_but_seed_part_class_and_index(tmp_path):
    made = demo_classes(0)
    some = VideoSet(part="train", classes=made.seen[:4], each=2, seed=5, size=SMALL)
    last = replace(some, classes=made.seen[3:4], each=1)
    first = {p.relative_to(tmp_path / "a"): p.read_bytes() for p in some.write(tmp_path / "a")}
    alone = {p.relative_to(tmp_path / "b"): p.read_bytes() for p in last.write(tmp_path / "b")}
    assert len(first) == len(some) == 8
    assert len(set(first.values())) == 8
    ((name, data),) = alone.items()
    assert first[name] == data


@pytest.mark.parametrize("part", ["train", "test"])
def test_equal_frames_give_equal_bytes(part):
    classes = demo_classes(0).seen
    drawn = [render_scene(one, part, 0, seed=5, size=SMALL) for one in classes[:8]]
    with ThreadPoolExecutor(4) as pool:
        encoded = list(pool.map(lambda k: (k % 8, encode(drawn[k % 8], part)), range(96)))
    assert len(set(encoded)) == 8


@pytest.mark.parametrize("changed", ["seed", "part", "class", "index"])
def test_each_of_them_changes_the_pixels(changed):
    classes = demo_classes(0).seen
    arguments = {"one": classes[0], "part": "train", "index": 0, "seed": 0, "size": SMALL}
    other = {"seed": ("seed", 1), "part": ("part", "test"), "index": ("index", 1)}
    key, value = other.get(changed, ("one", classes[1]))
    one = render_scene(**arguments)
    two = render_scene(**{**arguments, key: value})
    assert one.shape == two.shape == (10, 48, 48, 3)
    assert (one != two).mean() > 0.3


@pytest.mark.parametrize(
    ("part", "suffix", "codec", "container"),
    [("train", ".mp4", "h264", "mp4"), ("test", ".avi", "mpeg4", "avi")],
)
def test_the_files_are_real_videos_that_decode_to_what_was_drawn(
    tmp_path, part, suffix, codec, container
):
    one = demo_classes(0).seen[10]
    videos = VideoSet(part=part, classes=(one,), each=1, seed=0, size=SMALL)
    (path,) = videos.write(tmp_path)
    assert path == tmp_path / one.name / f"000{suffix}"
    info = probe(path)
    assert (info.codec, info.frames, info.width, info.height) == (codec, 10, 48, 48)
    assert container in info.container
    with av.open(str(path)) as file:
        decoded = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    drawn = render_scene(one, part, 0, seed=0, size=SMALL)
    grain = 16 if part == "test" else 10
    assert np.abs(np.stack(decoded).astype(int) - drawn).mean() < grain
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_ffmpeg_without_the_encoder_is_one_line(part, monkeypatch):
    frames = render_scene(demo_classes(0).seen[0], part, 0, seed=0, size=SMALL)
    monkeypatch.setitem(_FORMATS, part, replace(_FORMATS[part], codec="libnothing"))
    with pytest.raises(VideoError, match="encode with libnothing: an FFmpeg without that encoder"):
        encode(frames, part)


def test_the_domains_differ():
    assert not set(TEXTURES["train"]) & set(TEXTURES["test"])
    one = demo_classes(0).seen[0]

    def grain(part):
        videos = [render_scene(one, part, i, seed=0, size=SMALL) for i in range(12)]
        return np.mean([np.median(np.abs(np.diff(v.astype(int), axis=0))) for v in videos])

    assert grain("test") > 1.5 * grain("train")


@pytest.mark.parametrize("part", ["train", "test"])
def test_backgrounds_are_greyish_and_say_nothing_of_the_class(part):
    rng = np.random.default_rng(0)
    grounds = np.stack([draw_background(part, 32, rng) for _ in range(30)])
    assert grounds.shape == (30, 32, 32, 3)
    assert grounds.min() >= 0
    assert grounds.max() <= 255
    colour = np.ptp(grounds.mean(axis=(1, 2)), axis=1)
    assert colour.max() < 50


def test_the_colour_is_the_words():
    for colour, levels in COLOURS.items():
        one = one_of(demo_classes(0).seen, colour=colour, shape="house")
        frames = render_scene(one, "train", 0, seed=0, size=SMALL).reshape(-1, 3).astype(int)
        close = np.abs(frames - levels).max(axis=1) < 45
        assert close.mean() > 0.03, colour


def test_shapes_differ_from_one_another_and_fill_their_square():
    covers = {shape: shape_texture(shape)[0] for shape in SHAPES}
    for shape, cover in covers.items():
        assert cover.shape == (TEXTURE, TEXTURE)
        assert 0.15 < cover.mean() < 0.7, shape
        assert (shape_texture(shape)[1] <= cover + 1e-6).all()
        assert cover[[0, -1]].mean() < 0.2, shape
    for a, b in product(SHAPES, SHAPES):
        if a < b:
            assert np.abs(covers[a] - covers[b]).mean() > 0.1, (a, b)


def shape_centres(motion):
    """Row and column of the moving shape's centre of mass, frame by frame, from pixels."""
    one = DemoClass(colour="gold", shape="star", motion=motion)
    found = []
    for index in range(8):
        frames = render_scene(one, "train", index, seed=2, size=SceneSize(frames=9, side=96))
        gold = np.abs(frames.astype(int) - COLOURS["gold"]).max(axis=-1) < 50
        rows, columns = np.arange(96)[None, :, None], np.arange(96)[None, None, :]
        mass = gold.sum(axis=(1, 2))
        found.append(
            [(gold * rows).sum(axis=(1, 2)) / mass, (gold * columns).sum(axis=(1, 2)) / mass]
        )
    return np.array(found)


def test_motions_move_as_they_are_called():
    steps = np.diff(shape_centres("falling"), axis=2)
    assert np.median(steps[:, 0]) > 3
    assert np.abs(np.median(steps[:, 1])) < 1
    steps = np.diff(shape_centres("flying"), axis=2)
    assert np.abs(np.median(steps[:, 0])) < 1
    assert np.median(np.abs(steps[:, 1])) > 3
    turns = np.diff(np.sign(np.diff(shape_centres("shaking")[:, 1], axis=1)), axis=1)
    assert (turns != 0).mean() > 0.3
    still = shape_centres("spinning")
    assert np.ptp(still, axis=2).max() < 8


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), 1e6])
def test_minutes_that_cannot_be_are_one_line(minutes):
    with pytest.raises(ZslBenchError, match="give more than 0 and at most 600"):
        plan_demo(minutes, seed=0, full=False)


def test_a_plan_is_a_fixed_function_of_the_minutes():
    plans = [plan_demo(m, seed=0, full=False) for m in (0.1, 0.5, 1, 2, 5, 20)]
    assert plans == [plan_demo(m, seed=0, full=False) for m in (0.1, 0.5, 1, 2, 5, 20)]
    assert plan_demo(seed=0, full=False) == plan_demo(2.0, seed=0, full=False)
    clips = [plan.epochs * len(plan.train) for plan in plans]
    assert clips == sorted(clips)
    assert (plans[0].epochs, plans[0].train_each, plans[0].test_each) == (1, 1, 1)
    with pytest.raises(ZslBenchError, match="give 0 or more"):
        plan_demo(seed=-1, full=False)


@pytest.mark.parametrize("full", [False, True])
def test_both_configurations_start_alike_and_never_select_by_the_unseen_classes(tmp_path, full):
    e2e, frozen = training_configs(plan_demo(seed=4, full=full), tmp_path)
    for config, family in ((e2e, "e2e"), (frozen, "frozen")):
        assert config.model.family == family
        assert config.name == f"demo-{family}"
        assert config.run.seed == 4
        assert config.validation.select == "last"
        assert not config.audit.allow_overlap
        assert config.audit.against == (str(tmp_path / "demo-unseen.txt"),)
        assert "test" not in config.data.path.removeprefix(str(tmp_path))
    assert e2e.data == frozen.data
    assert e2e.clips == frozen.clips
    assert e2e.model.network == ("r2plus1d_18" if full else "r2plus1d_tiny")
    assert frozen.optimiser.epochs == 2 * e2e.optimiser.epochs
    assert frozen.frozen.batch_norm == "eval"
