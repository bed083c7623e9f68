"""Profiles of plans and of training steps: every step is there, the times add up, and nothing is changed by looking."""

import numpy as np
import pytest
from tolerance import assert_same_bits

import fastconv as fc
from fastconv import nn, training

SHAPE = (1, 28, 28)


def images(count, shape=SHAPE, dtype=np.float32):
    return np.random.default_rng(0).random((count, *shape), dtype)


def assert_adds_up(profile):
    assert all(row.seconds >= 0 for row in profile.rows)
    assert profile.seconds > 0
    assert sum(row.seconds for row in profile.rows) >= 0.99 * profile.seconds


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 4, 19])
@pytest.mark.parametrize("kind", ["book", "relu"])
def test_a_plan_names_all_its_steps(kind, batch, dtype):
    plan = fc.compile(fc.models.lenet(kind, seed=0, dtype=dtype), SHAPE, batch=batch)
    x = images(batch, dtype=dtype)
    before = plan(x)
    profile = plan.profile(x, 0.01)
    assert profile.images == batch
    assert profile.rows[-1].name == "the rest"
    named = {part for row in profile.rows for part in row.name.split(" + ")}
    computing = {part for step in plan.steps if step.dataflow != "view" for part in step.name.split(" + ")}
    assert computing <= named
    assert sum(row.flops for row in profile.rows) == 2 * batch * sum(step.macs for step in plan.steps)
    assert_adds_up(profile)
    assert_same_bits(plan(x), before)


def test_one_image_without_a_batch():
    plan = fc.compile(fc.models.lenet(seed=0), SHAPE)
    assert plan.profile(images(1)[0], 0.01).images == 1


def test_steps_that_python_computes_are_timed_too():
    net = nn.Sequential(nn.Conv2d(1, 4, 3, seed=0), nn.LocalResponseNorm(3), nn.ReLU())
    profile = fc.compile(net, (1, 9, 9), batch=3).profile(images(3, (1, 9, 9)), 0.01)
    assert [row.name for row in profile.rows] == ["0 Conv2d", "1 LocalResponseNorm", "2 ReLU", "the rest"]


def test_a_profile_reads_as_a_table():
    text = str(fc.compile(fc.models.lenet(seed=0), SHAPE, batch=8).profile(images(8), 0.01))
    lines = text.splitlines()
    assert "8 images" in lines[0]
    assert "images/s" in lines[0]
    assert any(line.startswith("0 Conv2d + 1 ReLU") for line in lines)
    assert any(line.startswith("whole call") for line in lines)


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf"), "1", True])
def test_wrong_seconds(wrong):
    plan = fc.compile(fc.models.lenet(seed=0), SHAPE)
    with pytest.raises((TypeError, ValueError), match="seconds"):
        plan.profile(images(1), wrong)


def test_no_images():
    with pytest.raises(ValueError, match="at least one image"):
        fc.compile(fc.models.lenet(seed=0), SHAPE).profile(images(0), 0.01)


@pytest.mark.parametrize("make", [lambda: fc.models.lenet(seed=0), lambda: fc.models.mlp(seed=0)])
def test_a_training_step(make):
    net, data = make(), training.load_data("digits")
    before = net.state_dict()
    profile = training.profile(net, data, 24, seconds=0.01)
    names = [row.name for row in profile.rows]
    assert profile.images == 24
    assert {"loading", "loss", "optimizer", "the rest"} <= set(names)
    forward = [name.removesuffix(" forward") for name in names if name.endswith(" forward")]
    backward = [name.removesuffix(" backward") for name in names if name.endswith(" backward")]
    assert forward == backward[::-1]
    assert_adds_up(profile)
    after = net.state_dict()
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert net.training


def test_no_more_images_than_there_are():
    data = training.Dataset("few", training.Split(np.zeros((3, *SHAPE), np.uint8), np.zeros(3, np.int64)))
    assert training.profile(fc.models.lenet(seed=0), data, 100, seconds=0.01).images == 3


def test_lane_profiles_leave_gradients_alone():
    net, data = fc.models.lenet(seed=0), training.load_data("digits")
    training.fit(net, data, optimizer=training.SGD(net, 0.1), epochs=1, batch_size=512)
    before = {key: array.copy() for key, array in net.gradients().items()}
    training.profile(net, data, 16, seconds=0.01)
    assert all(np.array_equal(before[key], array) for key, array in net.gradients().items())
