"""The evaluation results of a model card's metadata, made from a result file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.results import EvaluationResult

_TITLES = {
    "top1": "top-1 accuracy, %",
    "top5": "top-5 accuracy, %",
    "mean_per_class": "mean per-class accuracy, %",
}


def measured(result: EvaluationResult, repo: str, folder: str) -> Iterator[Any]:
    """Yield the Hub's ``EvalResult`` of every figure of every protocol of a result.

    Values are percent. ``verified`` is false: it is the Hub's own word for what it measured itself.

    Args:
        result: A complete result.
        repo: ``org/repo``, where the result file will be.
        folder: Its folder there.
    """
    from huggingface_hub import EvalResult, constants

    identity = result.identity
    for name, scores in result.scores.items():
        for kind, title, value, std in _figures(scores):
            yield EvalResult(
                task_type="video-classification",
                task_name="zero-shot action recognition",
                dataset_type=result.dataset,
                dataset_name=f"{result.dataset}, protocol {name} v{scores['version']}",
                dataset_config=name,
                dataset_split=str(identity["manifest"]["videos"]),
                dataset_revision=str(identity["manifest"]["digest"]),
                dataset_args=_conditions(result, scores),
                metric_type=kind,
                metric_name=title,
                metric_value=round(100 * value, 4),
                metric_args={"std": round(100 * std, 4), "trials": len(scores["trials"])}
                if std is not None and len(scores["trials"]) > 1
                else None,
                verified=False,
                source_name="zsl-bench result file",
                source_url=f"{constants.ENDPOINT}/{repo}/blob/main/{folder}/{result.stem}.json",
            )


def _figures(scores: dict[str, Any]) -> Iterator[tuple[str, str, float, float | None]]:
    """Yield type, title, mean and deviation of every figure, the protocol's own first."""
    if "generalised" in scores:
        both = scores["generalised"]
        yield "harmonic_mean", "harmonic mean of seen and unseen, %", both["harmonic_mean"], None
        return
    names = sorted(_TITLES, key=lambda name: name != scores["metric"])
    for name in names:
        if scores["mean"][name] is not None:
            yield "accuracy", _TITLES[name], scores["mean"][name], scores["std"][name]


def _conditions(result: EvaluationResult, scores: dict[str, Any]) -> dict[str, Any]:
    verdict = scores["verdicts"][0]
    return {
        "classes": scores["trials"][0]["num_classes"],
        "videos": result.coverage["scored"],
        "clip_policy": result.identity["clip_policy"],
        "protocol_sha256": scores["sha256"],
        "zero_shot": f"{verdict['finding']} ({verdict['rule']})",
        "identity_sha256": result.sha256,
    }
