"""How a network's feature map becomes a vector: part of the model's name."""

import pytest

from app.embed import MODELS, model_named, pooled_name
from app.errors import UsageError


def test_pooling_is_part_of_the_name() -> None:
    plain, gem = model_named("efficientnet_lite0"), model_named("efficientnet_lite0.gem")
    assert (plain.pool, gem.pool) == ("avg", "gem")
    assert gem.name == "efficientnet_lite0.gem"
    assert (gem.entry, gem.weights, gem.dim) == (plain.name, plain.weights, plain.dim)
    assert model_named("efficientnet_lite0.avg") == plain


def test_the_networks_that_end_in_a_feature_map_can_be_pooled() -> None:
    pooled = {name for name, model in MODELS.items() if model.pool}
    assert pooled == {
        name for name in MODELS if name.startswith(("resnet", "mobilenet", "efficientnet"))
    }


@pytest.mark.parametrize("name", ["vgg16.gem", "clip_vit_b_32.max", "mean_colour.avg"])
def test_a_network_without_a_feature_map_is_refused_with_those_that_have_one(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        model_named(name)
    entry, _, pool = name.partition(".")
    for word in (entry, pool, "efficientnet_lite0"):
        assert word in str(refused.value)


@pytest.mark.parametrize("name", ["resnet18.mean", "resnet18.gem.max", "resnet18.", "nothing.gem"])
def test_a_pooling_that_there_is_not_is_no_model(name: str) -> None:
    with pytest.raises(UsageError) as refused:
        model_named(name)
    assert repr(name) in str(refused.value)
    assert "choose one of" in str(refused.value)


def test_the_option_pool_makes_the_name() -> None:
    assert pooled_name("resnet18", "gem") == "resnet18.gem"
    assert pooled_name("resnet18.gem", "gem") == "resnet18.gem"
    assert pooled_name("resnet18", "avg") == "resnet18"
    with pytest.raises(UsageError, match=r"resnet18\.max.* --pool gem"):
        pooled_name("resnet18.max", "gem")
    with pytest.raises(UsageError, match=r"'my\.v2'"):
        pooled_name("my.v2", "gem")
    with pytest.raises(UsageError, match=r"'mean': .* avg, max, gem"):
        pooled_name("resnet18", "mean")
