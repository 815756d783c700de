"""The evaluation results of a model card's metadata, made from a result file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from zsl_bench.errors import one_line
from zsl_bench.workflows.publish.evidence import conditions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from zsl_bench.workflows.publish.evidence import Evidence

_TITLES = {
    "top1": "top-1 accuracy, %",
    "top5": "top-5 accuracy, %",
    "mean_per_class": "mean per-class accuracy, %",
}


def measured(evidence: Evidence, repo: str, folder: str, *, branch: str) -> Iterator[Any]:
    """Yield the Hub's ``EvalResult`` of every figure of every protocol of a result.

    Values are percent. ``verified`` is false: it is the Hub's own word for what it measured itself.
    The Hub's client puts figures of one data set, configuration, split and revision together, so
    that the configuration names the result beside the protocol. The address of the source is that
    of the public Hub, whichever the client is told to use.

    Args:
        evidence: A complete result.
        repo: ``org/repo``, where the result file will be.
        folder: Its folder there.
        branch: Its branch.
    """
    from huggingface_hub import EvalResult, constants

    result, how = evidence.result, conditions(evidence)
    identity, data = result.identity, one_line(result.dataset)
    file = f"{repo}/blob/{quote(branch, safe='')}/{folder}/{result.stem}.json"
    for name, scores in result.scores.items():
        for kind, title, value, std in _figures(scores):
            yield EvalResult(
                task_type="video-classification",
                task_name="zero-shot action recognition",
                dataset_type=data,
                dataset_name=f"{data}, protocol {name} v{scores['version']}, {how}",
                dataset_config=f"{name}, result {result.sha256[:12]}",
                dataset_split=identity["manifest"]["videos"],
                dataset_revision=identity["manifest"]["digest"],
                dataset_args=_arguments(evidence, name, how),
                metric_type=kind,
                metric_name=title,
                metric_value=round(100 * value, 4),
                metric_args={"std": round(100 * std, 4), "trials": len(scores["trials"])}
                if std is not None and len(scores["trials"]) > 1
                else None,
                verified=False,
                source_name="zsl-bench result file",
                source_url=f"{constants.HUGGINGFACE_CO_URL_HOME}{file}",
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


def _arguments(evidence: Evidence, name: str, how: str) -> dict[str, Any]:
    result = evidence.result
    scores = result.scores[name]
    verdict = scores["verdicts"][0]
    return {
        "protocol": name,
        "conditions": how,
        "classes": scores["trials"][0]["num_classes"],
        "videos": result.coverage["scored"],
        "clip_policy": result.identity["clip_policy"],
        "precision": result.identity["precision"],
        "word_vectors": result.identity["class_vectors"]["digest"],
        "protocol_sha256": scores["sha256"],
        "zero_shot": f"{verdict['finding']} ({verdict['rule']})",
        "identity_sha256": result.sha256,
    }
