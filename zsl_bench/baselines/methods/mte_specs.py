"""What ``mte`` and its weighted variants say of themselves."""

from __future__ import annotations

from zsl_bench.baselines.methods.spec import UNIT_CLASSES, UNIT_VIDEOS, MethodSpec

_XU = "Xu, Hospedales, Gong, ECCV 2016: abstract, notes on its data and a summary by others"

MTE = MethodSpec(
    name="mte",
    title="multi-task embedding (Xu et al., 2016)",
    fidelity="close",
    sources=(_XU,),
    assumed=(
        UNIT_VIDEOS,
        UNIT_CLASSES,
        "ridge on both factors (remembered)",
        "rank: by class-wise validation among 20, 40, 60 and 100",
        "regularisers: by class-wise validation among 10^-4 to 10^0",
        "regularisers: one for both factors, as only their product matters at the optimum",
        "rounds: 50, fewer once the objective falls by less than a millionth",
        "S starts at Gaussian x 0.1",
        "match: word; latent_floor: 10^-6 in the latent match (its formula is remembered)",
    ),
)
_WEIGHTS = (
    *MTE.assumed,
    "weights are those of KLIEP with 100 centres, width by likelihood cross-validation",
    "validation weighs every video 1",
)
MTE_IW_SEEN = MethodSpec(
    name="mte+iw",
    title="the same with auxiliary videos weighted by seen videos of the target data set",
    fidelity="close",
    side_data=("other action data sets",),
    sources=(_XU,),
    assumed=(*_WEIGHTS, "weighting by seen videos: our inductive variant"),
)
MTE_IW_NAMES = MethodSpec(
    name="mte+iw",
    title="the same with auxiliary videos weighted by the names of the test classes",
    fidelity="close",
    needs_unseen_names=True,
    side_data=("other action data sets", "names of the test classes"),
    sources=(_XU,),
    assumed=(*_WEIGHTS, "weighting by names: a variant of the original (remembered)"),
)
MTE_IW_VIDEOS = MethodSpec(
    name="mte+iw",
    title="the same with training videos weighted by test videos (Xu et al., 2016)",
    fidelity="close",
    transductive=True,
    side_data=("unlabelled test videos",),
    sources=(_XU,),
    assumed=(*_WEIGHTS, "with no auxiliary classes named, all training videos are weighted"),
)
SPECS = {"none": MTE, "seen": MTE_IW_SEEN, "names": MTE_IW_NAMES, "videos": MTE_IW_VIDEOS}
"""By what weighs the videos."""
