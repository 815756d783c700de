"""Spellings of data sets: what a class set understands, a data set does too."""

from __future__ import annotations

import pytest

from zsl_bench.classes import bundled_class_sets, bundled_name, class_set
from zsl_bench.datasets import dataset_name

SHORT = {
    "ucf": "ucf101",
    "UCF-101": "ucf101",
    "hmdb": "hmdb51",
    "k400": "kinetics400",
    "Kinetics-700-2020": "kinetics700",
    "activitynet": "activitynet200",
    "ActivityNet_1.3": "activitynet200",
    "sun": "sun397",
}


@pytest.mark.parametrize(("spelling", "name"), SHORT.items())
def test_short_names_are_known(spelling, name):
    assert dataset_name(spelling) == bundled_name(spelling) == name


@pytest.mark.parametrize("name", bundled_class_sets())
def test_full_names_stand_for_themselves(name):
    assert dataset_name(name) == bundled_name(name) == class_set(name).dataset == name


@pytest.mark.parametrize("name", ["mine", "ucf50", "k4000"])
def test_other_names_stay_as_they_are(name):
    assert dataset_name(name) == name
    assert bundled_name(name) is None
    assert bundled_name("") is None
