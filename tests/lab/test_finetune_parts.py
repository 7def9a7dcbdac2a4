"""What fine-tuning is made of: splits without leaks, batches, losses, figures."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.errors import UsageError
from lab.finetune.learner import starting_head
from lab.finetune.losses import TEMPERATURE, loss_of
from lab.finetune.measure import measure
from lab.finetune.split import split_images
from lab.finetune.training import batches

LABELS = st.lists(st.integers(0, 12), min_size=1, max_size=120).map(
    lambda values: np.array(values, np.int64)
)


@given(LABELS, st.integers(0, 5), st.sampled_from([0.0, 0.2, 0.5]))
def test_a_split_leaks_nothing_and_loses_nothing(
    labels: NDArray[np.int64], seed: int, share: float
) -> None:
    if np.bincount(labels).max() < 3:
        with pytest.raises(UsageError, match="two images left to train on"):
            split_images(labels, seed=seed, classes=share)
        return
    try:
        split = split_images(labels, seed=seed, classes=share)
    except UsageError:  # all labels with three images were held out
        return
    parts = [split.train, split.validation, split.seen, split.unseen]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(labels)))
    kept, held_out = set(labels[split.train]), set(labels[split.unseen])
    assert not kept & held_out
    assert set(labels[split.validation]) | set(labels[split.seen]) <= kept
    assert len(held_out) != 1
    for label in kept:
        assert (labels[split.seen] == label).sum() == (labels == label).sum() // 2
        assert (labels[split.validation] == label).sum() != 1
    again = split_images(labels, seed=seed, classes=share)
    assert all(
        np.array_equal(one, other) for one, other in zip(parts, vars(again).values(), strict=True)
    )


def test_a_fifth_of_the_classes_and_half_of_the_other_images_are_held_out() -> None:
    labels = np.repeat(np.arange(20), 20)
    split = split_images(labels, seed=0, classes=0.2)
    assert len(np.unique(labels[split.unseen])) == 4
    assert [len(part) for part in (split.train, split.validation, split.seen)] == [128, 32, 160]
    other = split_images(labels, seed=1, classes=0.2)
    assert not np.array_equal(split.unseen, other.unseen)


@given(LABELS, st.integers(1, 40), st.integers(0, 5))
def test_batches_hold_every_image_once(labels: NDArray[np.int64], size: int, seed: int) -> None:
    rows = np.flatnonzero(labels > 2)
    if not len(rows):
        return
    made = list(batches(labels, rows, size, np.random.default_rng(seed)))
    assert np.array_equal(np.sort(np.concatenate(made)), rows)
    assert {len(batch) for batch in made[:-1]} <= {size}


def test_a_batch_of_many_labels_still_has_two_images_of_each() -> None:
    labels = np.repeat(np.arange(500), 2)
    made = list(batches(labels, np.arange(1000), 50, np.random.default_rng(0)))
    assert all(np.unique(labels[batch], return_counts=True)[1].min() == 2 for batch in made)


def test_the_contrastive_loss_is_that_of_the_paper() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0], [1, 1], [0, 1]]), dim=1)
    cosine = math.sqrt(0.5)
    # The first two are alike; the third has none of its label and does not count.
    first = -math.log(math.exp(cosine / TEMPERATURE) / (math.exp(cosine / TEMPERATURE) + 1))
    second = math.log(2)
    labels = torch.tensor([0, 0, 1])
    loss = loss_of("metric", vectors, labels)(vectors, labels)
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-5)


@pytest.mark.parametrize("labels", [[0], [0, 1]])
def test_a_batch_in_which_no_two_are_alike_teaches_nothing(labels: list[int]) -> None:
    vectors = torch.eye(2)[: len(labels)].requires_grad_()
    loss = loss_of("metric", vectors, torch.tensor(labels))(vectors, torch.tensor(labels))
    loss.backward()
    assert loss.item() == 0
    assert vectors.grad is not None
    assert (vectors.grad == 0).all()


def test_proxies_begin_at_the_mean_of_their_class() -> None:
    vectors = torch.tensor([[1.0, 0], [0, 1], [0, 1]])
    loss = loss_of("classification", vectors, torch.tensor([0, 1, 1]))
    (proxies,) = loss.parameters()
    assert torch.equal(proxies.T, torch.eye(2))
    expected = math.log(1 + math.exp(-1 / TEMPERATURE))
    assert loss(vectors[:1], torch.tensor([0])).item() == pytest.approx(expected, rel=1e-2)


def test_figures_rank_all_others_and_leave_out_who_is_alone() -> None:
    angles = np.array([0.0, 0.1, 0.25, 1.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    figures = measure(vectors, np.array([0, 1, 0, 7]))
    assert figures.queries == 2
    # Image 0 finds 1, then 2; image 2 finds 1, then 0: right at the second place, both times.
    assert figures.mean_average_precision == pytest.approx(0.5)
    assert figures.precision_at_5 == pytest.approx(1 / 5)
    alone = measure(vectors, np.arange(4))
    assert (alone.queries, alone.mean_average_precision) == (0, None)
    assert measure(np.empty((0, 2), np.float32), np.empty(0, np.int64)).queries == 0


def test_the_head_begins_as_the_centred_principal_components() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(200, 6)) * [5, 1, 1, 1, 1, 0.1] + [0, 9, 0, 0, 0, 0]
    units = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    whole, short = starting_head(units, 6), starting_head(units, 1)
    projected = units @ whole.weight.detach().numpy().T + whole.bias.detach().numpy()
    centred = units - units.mean(axis=0)
    np.testing.assert_allclose(projected @ projected.T, centred @ centred.T, atol=1e-5)
    assert abs(short.weight.detach().numpy()[0, 0]) > 0.9
