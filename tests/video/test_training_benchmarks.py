from __future__ import annotations

import numpy as np
import pytest

from zsl_bench.video import scale_image


@pytest.mark.parametrize("frames", [7, 40])
@pytest.mark.parametrize("size", [(160, 120), (180, 161)])
def test_plain_loops_make_our_training_clips(frames, size, load_benchmark, make_video):
    script = load_benchmark("training_clips")
    path = make_video("plain.avi", codec="mpeg4", frames=frames, size=size)
    assert script.largest_difference(path) <= script.TOLERANCE


def test_training_clips_are_measured(load_benchmark, make_video):
    script = load_benchmark("training_clips")
    ways = script.measure(make_video("plain.avi", codec="mpeg4"), runs=2, clips=1)
    assert ways["ours"]["ratio"] == 1
    assert set(ways) == {"ours", "released", "whole", "sparing"}
    assert all(seen["clips_per_s"] > 0 for seen in ways.values())


def test_pillow_makes_our_ken_burns_clips(load_benchmark, tmp_path):
    from PIL import Image

    script = load_benchmark("ken_burns")
    image = script.scene(640, 540)
    path = tmp_path / "scene.jpg"
    Image.fromarray(image).save(path)
    for ways in (script.crop_ways(scale_image(image), 3), script.file_ways(path)):
        mean, largest = script.differences(ways, range(3))
        assert mean <= script.MEAN
        assert largest <= script.LARGEST
    seen = script.measure(script.crop_ways(scale_image(image), 2), runs=2, clips=1)
    assert seen["ours"]["ratio"] == 1
    assert np.isfinite(seen["pillow"]["ratio"])
