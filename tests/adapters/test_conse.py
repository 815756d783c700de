"""ConSE against a plain reading of the paper's formula, in float64 and without torch."""

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from zsl_bench.adapters.conse import (
    Classifier,
    ConseModel,
    WordConseModel,
    WordEmbedder,
    conse_model,
)
from zsl_bench.classes import class_set_from_names, load_class_set
from zsl_bench.errors import ModelError, WordVectorError
from zsl_bench.model import LoadOptions, ModelCard, UsesWordVectors
from zsl_bench.testing import check_model
from zsl_bench.video import ClipSpec
from zsl_bench.wordvectors import class_vectors

NAMES = ("archery", "bowling", "crying", "jogging", "knitting", "sailing", "yoga")
CLASSES = class_set_from_names(NAMES, dataset="training", source="test")
CARD = ModelCard(
    name="conse",
    clip=ClipSpec(frames=2, size=4, short_side=4),
    policy="uniform-2",
    licence="MIT",
    description="a classifier for tests",
)
WORDS = WordEmbedder()
TABLE = class_vectors(CLASSES).matrix


class TinyClassifier(nn.Module):
    """Colours of a clip to logits."""

    def __init__(self, classes):
        super().__init__()
        generator = torch.Generator().manual_seed(1)
        self.head = nn.Linear(3, classes)
        self.head.weight.data.normal_(generator=generator)
        self.head.bias.data.normal_(generator=generator)

    def forward(self, clips):
        return self.head(clips.float().mean(dim=(1, 3, 4)) / 255)


def classifier(classes=CLASSES):
    network = TinyClassifier(len(classes))
    return Classifier(network=network, logits=network, classes=classes, source="made up")


@cache
def model(*, top_k):
    return WordConseModel(classifier(), card=CARD, embedder=WORDS, top_k=top_k)


def combine_by_hand(logits, table, top):
    """Return the convex combination of each row, term by term as the paper writes it."""
    rows = []
    for row in np.asarray(logits, np.float64):
        probabilities = [float(np.exp(value - row.max())) for value in row]
        total = sum(probabilities)
        order = sorted(range(len(row)), key=lambda c: -probabilities[c])[:top]
        vector, share = np.zeros(table.shape[1]), 0.0
        for c in order:
            vector += probabilities[c] / total * table[c]
            share += probabilities[c] / total
        rows.append(vector / share)
    return np.stack(rows)


@pytest.mark.parametrize("top", [1, 3, 7])
def test_it_is_the_papers_formula(top):
    logits = 4 * torch.randn(20, 7, generator=torch.Generator().manual_seed(top))
    ours = model(top_k=top).combine(logits)
    assert ours.dtype == torch.float32
    assert np.abs(ours.numpy() - combine_by_hand(logits, TABLE, top)).max() < 1e-6


def test_under_autocast_it_is_combined_in_float32():
    logits = 4 * torch.randn(20, 7, generator=torch.Generator().manual_seed(2))
    with torch.autocast("cpu", torch.bfloat16):
        ours = model(top_k=3).combine(logits)
        of_half = model(top_k=3).combine(logits.bfloat16())
    assert torch.equal(ours, model(top_k=3).combine(logits))
    assert of_half.dtype == torch.float32
    assert torch.equal(of_half, model(top_k=3).combine(logits.bfloat16().float()))


def test_clip_vectors_go_through_the_network_in_evaluation_mode():
    given_classifier = classifier()
    given_classifier.network.train()
    ours = ConseModel(given_classifier, card=CARD, embedder=WORDS, top_k=2)
    assert not given_classifier.network.training
    clips = torch.randint(0, 256, (3, 2, 3, 4, 4), dtype=torch.uint8)
    with torch.no_grad():
        expected = combine_by_hand(given_classifier.network(clips), TABLE, 2)
        assert np.abs(ours.embed_clips(clips).numpy() - expected).max() < 1e-6
    assert ours.source == "made up"
    assert set(ours.state_dict()) == {"head.weight", "head.bias"}


SEEDS = st.integers(0, 2**31)


@given(SEEDS)
def test_one_class_gives_its_vector_exactly(seed):
    logits = torch.randn(5, 7, generator=torch.Generator().manual_seed(seed))
    expected = torch.from_numpy(TABLE.copy())[logits.argmax(dim=-1)]
    assert torch.equal(model(top_k=1).combine(logits), expected)


@given(SEEDS, st.integers(1, 7), st.integers(-8, 8))
def test_a_constant_added_to_all_logits_changes_nothing(seed, top, shift):
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(seed))
    ours = model(top_k=top)
    assert torch.allclose(ours.combine(logits), ours.combine(logits + shift), atol=1e-5)


@settings(max_examples=25)
@given(SEEDS, st.integers(1, 7), st.permutations(range(7)))
def test_the_order_of_the_training_classes_does_not_count(seed, top, order):
    logits = torch.randn(4, 7, generator=torch.Generator().manual_seed(seed))
    turned = CLASSES.select(NAMES[i] for i in order)
    other = ConseModel(classifier(turned), card=CARD, embedder=WORDS, top_k=top)
    assert torch.allclose(
        model(top_k=top).combine(logits), other.combine(logits[:, order]), atol=1e-6
    )


@given(SEEDS, st.integers(1, 7))
def test_the_vector_is_no_longer_than_the_class_vectors(seed, top):
    logits = 5 * torch.randn(4, 7, generator=torch.Generator().manual_seed(seed))
    assert model(top_k=top).combine(logits).norm(dim=-1).max() <= 1 + 1e-5


def made(classes=CLASSES, **options):
    settings = options.pop("settings", {})
    return conse_model(
        classifier(classes),
        card=CARD,
        options=LoadOptions(settings=settings, **options),
        asked="model 'x'",
    )


def test_words_are_recorded_and_named_in_the_card():
    ours = made(settings={"top_k": "3"})
    assert isinstance(ours, UsesWordVectors)
    assert dict(ours.card.settings) == {"top_k": 3, "text": "words", "without_vector": "keep"}
    other = load_class_set("hmdb51").select(["clap", "walk"])
    assert ours.class_vectors(other).source == "bundled GoogleNews subset"
    assert np.array_equal(ours.embed_classes(other).numpy(), class_vectors(other).matrix)


def test_the_conformance_suite_passes():
    check_model(made(settings={"top_k": "2"}))


GAPPY = class_set_from_names(("archery", "zumba", "bowling"), dataset="gappy", source="test")


def test_training_classes_without_a_vector_are_refused_with_the_ways_out():
    with pytest.raises(WordVectorError, match=r"zumba.*--set without_vector=drop"):
        made(GAPPY, settings={"top_k": "2"})


def test_a_hash_stands_in_where_that_is_allowed():
    ours = made(GAPPY, settings={"top_k": "1"}, allow_approximate=True)
    expected = class_vectors(GAPPY, allow_approximate=True).matrix
    assert np.array_equal(ours.combine(torch.eye(3)).numpy(), expected)


def test_classes_without_a_vector_are_dropped_from_the_sum():
    ours = made(GAPPY, settings={"top_k": "2", "without_vector": "drop"})
    assert ours.training_classes.names == ("archery", "bowling")
    assert ours.card.settings["without_vector"] == "drop"
    logits = torch.tensor([[1.0, 9.0, 2.0]])
    kept = class_vectors(GAPPY.select(["archery", "bowling"])).matrix
    expected = combine_by_hand(logits[:, [0, 2]], kept, 2)
    assert np.abs(ours.combine(logits).numpy() - expected).max() < 1e-6


def test_logits_of_another_network_are_refused():
    with pytest.raises(ModelError, match="8 logits for 7 classes"):
        model(top_k=2).combine(torch.zeros(1, 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"top_k": "0"}, r"top_k=0.*7 training classes.*from 1 to 7"),
        ({"top_k": "8"}, r"top_k=8.*7 training classes"),
        ({"top_k": "many"}, "no whole number"),
        ({"top_k": "2", "without_vector": "skip"}, "no such choice"),
        ({"top_k": "2", "prompts": "bare"}, "the setting prompts without a text encoder"),
        ({"top_k": "2", "text": "bert:x"}, "unknown kind 'bert'"),
    ],
)
def test_settings_that_make_no_sense(settings, message):
    with pytest.raises(ModelError, match=message):
        made(settings=settings)


@pytest.fixture(scope="module")
def sentence_folder(tmp_path_factory):
    """Save a sentence-transformers model with random weights, of the library's own parts."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    vocabulary = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        *letters,
        *(f"##{c}" for c in letters),
    ]
    (folder / "vocab.txt").write_text("\n".join(vocabulary))
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    torch.manual_seed(0)
    BertModel(config).save_pretrained(folder / "bert")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    word_model = Transformer(str(folder / "bert"))
    SentenceTransformer(modules=[word_model, Pooling(16)]).save(str(folder / "sentences"))
    return folder / "sentences"


def test_class_vectors_of_a_text_encoder(sentence_folder):
    from sentence_transformers import SentenceTransformer

    text = f"sentence-transformers:{sentence_folder}"
    ours = made(settings={"top_k": "1", "text": text, "prompts": "video-of"})
    assert not isinstance(ours, UsesWordVectors)
    assert ours.card.settings["prompts"] == "video-of"
    assert str(ours.card.settings["text_digest"]).startswith("sha256:")
    library = SentenceTransformer(str(sentence_folder), device="cpu")
    expected = library.encode([f"a video of {label}." for label in CLASSES.labels])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert np.abs(ours.combine(100 * torch.eye(7)).numpy() - expected).max() < 1e-5
    assert np.abs(ours.embed_classes(CLASSES).numpy() - expected).max() < 1e-5


def test_prompts_are_bare_unless_said(sentence_folder):
    ours = made(settings={"top_k": "1", "text": f"sentence-transformers:{sentence_folder}"})
    assert ours.card.settings["prompts"] == "bare"


def test_a_text_encoder_has_no_words_to_drop(sentence_folder):
    settings = {"text": f"sentence-transformers:{sentence_folder}", "without_vector": "drop"}
    with pytest.raises(ModelError, match="the setting without_vector with a text encoder"):
        made(settings=settings)
