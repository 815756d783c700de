"""The rules for feature methods, each a function of a trial."""

from __future__ import annotations

from dataclasses import is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from zsl_bench.baselines.methods import FeatureMethod, FittedMethod, MethodSpec
from zsl_bench.baselines.methods.base import AdaptableMethod
from zsl_bench.errors import ZslBenchError, listing
from zsl_bench.testing.method_trial import MethodTrial, padded
from zsl_bench.testing.ruling import Seen, rule_maker
from zsl_bench.testing.trial import random_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    MethodRule: TypeAlias = Callable[[MethodTrial], None]

METHOD_TOLERANCE = 1e-5
"""Difference that two ways to one score may have, as a share of the largest score."""


def _name(trial: MethodTrial) -> str:
    return f"method {trial.name!r}"


_rule = rule_maker(_name)


@_rule
def interface_is_met(trial: MethodTrial) -> None:
    """A FeatureMethod with a spec and settings with defaults makes a FittedMethod of its name."""
    method = trial.method
    if not isinstance(method, FeatureMethod):
        raise Seen(
            f"a {type(method).__name__}", "derive it from zsl_bench.baselines.methods.FeatureMethod"
        )
    if not isinstance(getattr(method, "spec", None), MethodSpec):
        raise Seen("no spec", "say by a MethodSpec what it is")
    if not is_dataclass(getattr(method, "config", None)):
        raise Seen("settings that are no dataclass", "make config a dataclass")
    method.configured(None)
    if not isinstance(trial.fitted, FittedMethod):
        raise Seen(f"a {type(trial.fitted).__name__}", "return a FittedMethod from fitted")
    if trial.fitted.spec.name.partition("+")[0] != method.spec.name:
        raise Seen(
            f"a fitted {trial.fitted.spec.name!r}", "keep the name, or put '+' and a variant behind"
        )


@_rule
def spec_is_complete(trial: MethodTrial) -> None:
    """The spec has a title and sources, and what never saw a test video calls itself inductive."""
    spec = trial.method.spec
    empty = [name for name in ("title", "sources") if not getattr(spec, name)]
    if empty:
        raise Seen(f"no {' and no '.join(empty)}", "say what it is and where it was read")
    if spec.transductive or trial.fitted.spec.transductive:
        raise Seen("fit calls itself transductive", "leave that to what adapt returns")


@_rule
def shapes_are_right(trial: MethodTrial) -> None:
    """There is one finite floating-point score a video and a candidate."""
    unseen, scores = trial.world.unseen, np.asarray(trial.scores)
    expected = (len(unseen.labels), len(unseen.class_vectors))
    if scores.shape != expected or scores.dtype.kind != "f":
        raise Seen(
            f"{scores.dtype} of shape {scores.shape}", f"return floating point of shape {expected}"
        )
    if not np.isfinite(scores).all():
        raise Seen("scores that are not finite", "guard divisions and logarithms")


@_rule
def points_are_in_one_space(trial: MethodTrial) -> None:
    """Videos and candidates have points of one length, or neither of them has."""
    unseen = trial.world.unseen
    videos = trial.fitted.embed(unseen.features, unseen.lengths)
    classes = trial.fitted.class_points(unseen.class_vectors)
    if videos is None and classes is None:
        return
    if videos is None or classes is None:
        raise Seen("points of only one kind", "give points of videos and of classes, or None")
    counts = (len(videos), len(classes))
    if counts != trial.scores.shape or videos.shape[1:] != classes.shape[1:]:
        raise Seen(
            f"points of shapes {videos.shape} and {classes.shape}", "one row each, one space"
        )
    if not (np.isfinite(videos).all() and np.isfinite(classes).all()):
        raise Seen("points that are not finite", "guard divisions and logarithms")


@_rule
def padding_is_not_read(trial: MethodTrial) -> None:
    """What lies behind a video's length changes neither the fit nor a score."""
    for filling in (np.nan, 1e30):
        fitted = trial.fit(features=padded(trial.world.seen, filling))
        scores = trial.score(fitted, features=padded(trial.world.unseen, filling))
        _expect_equal(scores, trial.scores, f"with {filling:g} behind the lengths", "use lengths")


@_rule
def videos_are_scored_alone(trial: MethodTrial) -> None:
    """Neither the order of the videos nor the number scored at once changes a score."""
    unseen, fix = trial.world.unseen, "let no video look at the others that are scored with it"
    order = np.arange(len(unseen.labels))[::-1]
    turned = trial.score(
        trial.fitted, features=unseen.features[order], lengths=unseen.lengths[order]
    )
    _expect_equal(turned[order], trial.scores, "videos in reversed order", fix)
    singles = [
        trial.score(trial.fitted, features=unseen.features[[row]], lengths=unseen.lengths[[row]])
        for row in range(0, len(order), 5)
    ]
    _expect_equal(np.concatenate(singles), trial.scores[::5], "videos one by one", fix)


@_rule
def candidates_permute(trial: MethodTrial) -> None:
    """Reversing the candidates reverses the columns; of joint methods, it keeps the best one."""
    turned = trial.score(trial.fitted, class_vectors=trial.world.unseen.class_vectors[::-1])
    turned, fix = turned[:, ::-1], "treat the candidates as a set"
    if not trial.method.spec.jointly_embeds_classes:
        _expect_equal(turned, trial.scores, "reversed candidates", fix)
    _expect_same_best(turned, trial.scores, "reversed candidates", fix)


@_rule
def joint_embedding_is_declared(trial: MethodTrial) -> None:
    """Scores change with the other candidates if and only if ``jointly_embeds_classes`` says so."""
    fewer = trial.score(trial.fitted, class_vectors=trial.world.unseen.class_vectors[::2])
    difference = _difference(fewer, trial.scores[:, ::2])
    joint = trial.method.spec.jointly_embeds_classes
    if joint and difference <= METHOD_TOLERANCE:
        raise Seen("the same scores among fewer candidates", "leave jointly_embeds_classes out")
    if not joint and difference > METHOD_TOLERANCE:
        raise Seen(
            f"among fewer candidates scores differ by {difference:.2g} of the largest",
            "set jointly_embeds_classes, or score each candidate by itself",
        )


@_rule
def equal_seeds_repeat(trial: MethodTrial) -> None:
    """Two fits with one seed give the same bytes, and so do two scorings."""
    again, fix = trial.fit(), "draw from a generator made of seen.seed"
    first, second = trial.fitted.arrays(), again.arrays()
    different = [
        name
        for name in first.keys() | second.keys()
        if name not in first
        or name not in second
        or np.asarray(first[name]).tobytes() != np.asarray(second[name]).tobytes()
    ]
    if different:
        raise Seen(f"two fits with other {listing(sorted(different))}", fix)
    if trial.score(again).tobytes() != trial.scores.tobytes():
        raise Seen("other scores of two fits whose arrays are the same", fix)


@_rule
def random_state_is_untouched(trial: MethodTrial) -> None:
    """No global random generator is moved by a fit or a scoring."""
    before = random_states("cpu")
    trial.score(trial.fit())
    after = random_states("cpu")
    moved = [name for name in before if before[name] != after[name]]
    if moved:
        raise Seen(f"another state of {listing(moved)}", "draw from a generator made of seen.seed")


@_rule
def input_is_untouched(trial: MethodTrial) -> None:
    """Features, lengths, labels and class vectors are only read."""
    seen, unseen = trial.world.seen, trial.world.unseen
    handed = {name: array.copy() for name, array in vars(seen).items()}
    asked = {name: array.copy() for name, array in vars(unseen).items()}
    trial.score(trial.fit(**handed), **asked)
    changed = [
        name
        for given, kept in ((handed, seen), (asked, unseen))
        for name, array in given.items()
        if not np.array_equal(array, getattr(kept, name))
    ]
    if changed:
        raise Seen(f"changed {listing(changed)}", "use operations that are not in place")


@_rule
def saving_keeps_scores(trial: MethodTrial) -> None:
    """Saved as arrays and JSON and restored, it is of the same spec and gives the same scores."""
    restored = trial.reloaded(trial.fitted)
    if restored.spec != trial.fitted.spec:
        raise Seen("another spec", "restore it as what it was")
    fix = "hold all that was learned in arrays() and settings()"
    _expect_equal(trial.score(restored), trial.scores, "before and after saving", fix)


@_rule
def length_of_class_vectors_is_not_read(trial: MethodTrial) -> None:
    """All class vectors times 7, at the fit and at scoring, keep the best candidate."""
    fitted = trial.fit(class_vectors=7 * trial.world.seen.class_vectors)
    scores = trial.score(fitted, class_vectors=7 * trial.world.unseen.class_vectors)
    _expect_same_best(scores, trial.scores, "seven times the class vectors", "scale them first")


@_rule
def small_cases_work(trial: MethodTrial) -> None:
    """One clip a video, one candidate, and a class with a single video, work."""
    seen, unseen = trial.world.seen, trial.world.unseen
    single = {"features": seen.features[:, :1], "lengths": np.ones_like(seen.lengths)}
    kept = np.flatnonzero((seen.labels != 0) | (np.arange(len(seen.labels)) == 0))
    one_video = {name: getattr(seen, name)[kept] for name in ("features", "lengths", "labels")}
    cases = (
        ("one clip a video", trial.fit(**single), unseen.class_vectors),
        ("a class with one video", trial.fit(**one_video), unseen.class_vectors),
        ("one candidate", trial.fitted, unseen.class_vectors[:1]),
    )
    for what, fitted, vectors in cases:
        scores = trial.score(fitted, class_vectors=vectors)
        if scores.shape != (len(unseen.labels), len(vectors)) or not np.isfinite(scores).all():
            raise Seen(f"{what}: scores of shape {scores.shape}, or not finite", "guard this case")


@_rule
def bad_input_is_refused(trial: MethodTrial) -> None:
    """Broken features, lengths, labels, class vectors and settings give an error of the package."""
    for what, call in _bad_calls(trial):
        try:
            call()
        except ZslBenchError:
            continue
        raise Seen(f"no error for {what}", "call the checks of FeatureMethod and FittedMethod")


@_rule
def adapting_is_labelled(trial: MethodTrial) -> None:
    """What adapt returns is transductive, can be saved, and leaves the method as it was."""
    if not isinstance(trial.fitted, AdaptableMethod):
        return
    unseen = trial.world.unseen
    adapted = trial.fitted.adapt(unseen.features, unseen.lengths, unseen.class_vectors)
    if adapted.spec.name == trial.fitted.spec.name:
        raise Seen("an adapted method of the same name", "put '+' and a variant behind it")
    scores = trial.score(adapted)
    if scores.shape != trial.scores.shape or not np.isfinite(scores).all():
        raise Seen(f"scores of shape {scores.shape}, or not finite", "score as before adapting")
    fix = "hold all that was learned in arrays() and settings()"
    restored = trial.reloaded(adapted)
    if restored.spec != adapted.spec:
        raise Seen("another spec after saving", "restore it as what it was")
    _expect_equal(trial.score(restored), scores, "adapted, before and after saving", fix)
    fix = "return another method and leave this one alone"
    _expect_equal(trial.score(trial.fitted), trial.scores, "before and after adapting", fix)


METHOD_RULES: tuple[MethodRule, ...] = (
    interface_is_met,
    spec_is_complete,
    shapes_are_right,
    points_are_in_one_space,
    padding_is_not_read,
    videos_are_scored_alone,
    candidates_permute,
    joint_embedding_is_declared,
    equal_seeds_repeat,
    random_state_is_untouched,
    input_is_untouched,
    saving_keeps_scores,
    length_of_class_vectors_is_not_read,
    small_cases_work,
    bad_input_is_refused,
    adapting_is_labelled,
)
"""Every rule of the contract, in the order in which they are checked."""


def _bad_calls(trial: MethodTrial) -> Iterator[tuple[str, Callable[[], object]]]:
    seen, fitted = trial.world.seen, trial.fitted
    broken = seen.features.copy()
    broken[0, 0, 0] = np.nan
    zero = np.vstack([seen.class_vectors[:-1], np.zeros_like(seen.class_vectors[:1])])
    asked = replace(trial.world.unseen, features=broken, lengths=seen.lengths)
    longest = seen.features.shape[1]
    yield "a number that is not finite", lambda: trial.fit(features=broken)
    yield "a label out of range", lambda: trial.fit(labels=_with_first(seen.labels, len(zero)))
    yield "a negative label", lambda: trial.fit(labels=_with_first(seen.labels, -1))
    yield "a length of 0", lambda: trial.fit(lengths=_with_first(seen.lengths, 0))
    yield "too great a length", lambda: trial.fit(lengths=_with_first(seen.lengths, longest + 1))
    yield "a class vector of zeros", lambda: trial.fit(class_vectors=zero)
    yield "a candidate of zeros", lambda: trial.score(fitted, class_vectors=zero)
    yield (
        "a number that is not finite at scoring",
        lambda: trial.score(fitted, features=asked.features, lengths=asked.lengths),
    )
    unseen = trial.world.unseen
    yield (
        "features of another width at scoring",
        lambda: trial.score(fitted, features=unseen.features[:, :, :-1]),
    )
    yield (
        "candidates of another width",
        lambda: trial.score(fitted, class_vectors=unseen.class_vectors[:, :-1]),
    )
    yield "a setting that it lacks", lambda: trial.method.configured({"no such setting": 1})


def _with_first(values: NDArray[np.int64], first: int) -> NDArray[np.int64]:
    changed = values.copy()
    changed[0] = first
    return changed


def _expect_equal(seen: Any, expected: Any, what: str, fix: str) -> None:  # noqa: ANN401
    difference = _difference(seen, expected)
    if not difference <= METHOD_TOLERANCE:
        raise Seen(f"{what}: scores differ by {difference:.2g} of the largest", fix)


def _expect_same_best(seen: Any, expected: Any, what: str, fix: str) -> None:  # noqa: ANN401
    """Compare the best candidates, but for those that a rounding error may decide."""
    margins = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2]
    clear = margins > 10 * METHOD_TOLERANCE * np.abs(expected).max()
    changed = int((seen.argmax(axis=1) != expected.argmax(axis=1))[clear].sum())
    if changed:
        raise Seen(f"{what}: another best candidate for {changed} of {len(seen)} videos", fix)


def _difference(seen: NDArray[Any], expected: NDArray[Any]) -> float:
    if seen.shape != expected.shape:
        return float("inf")
    scale = max(float(np.abs(expected).max()), float(np.finfo(np.float32).tiny))
    return float(np.abs(seen - expected).max()) / scale
