"""Optimizers, recipes and the loop."""

import math
import os
import signal
import threading

import numpy as np
import pytest

import fastconv as fc
from fastconv import functional, models, nn, training
from fastconv.training import SGD, Adam, Callback, Dataset, Split
from fastconv.training.dataset import epoch_order


def small_net(seed=0, dtype=np.float32):
    return nn.Sequential(
        nn.Flatten(), nn.Linear(16, 12, dtype=dtype), nn.ReLU(), nn.Linear(12, 3, dtype=dtype), seed=seed
    )


def small_data(count=50, size=4, classes=3, seed=0):
    """Images whose brightest third tells the class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 100, (count, 1, size, size)).astype(np.uint8)
    images.reshape(count, -1)[np.arange(count), labels * 5] = 255
    split = Split(images, labels)
    return Dataset("small", split, split)


class FakeNet:
    """Parameters and gradients, and nothing behind them."""

    def __init__(self, dtype):
        rng = np.random.default_rng(0)
        self.arrays = {"a": rng.standard_normal((3, 4)).astype(dtype), "b": rng.standard_normal(5).astype(dtype)}
        self.draws = rng

    def parameters(self):
        return self.arrays

    def parameter_shapes(self):
        return {key: array.shape for key, array in self.arrays.items()}

    def state_layout(self):
        return {key: (array.shape, array.dtype) for key, array in self.arrays.items()}

    def gradients(self):
        return {key: self.draws.standard_normal(array.shape).astype(array.dtype) for key, array in self.arrays.items()}


class Recorded(FakeNet):
    """Keeps the gradients it gave."""

    def gradients(self):
        self.given = super().gradients()
        return self.given


def sgd_reference(p, v, g, step, lr, momentum=0.0, weight_decay=0.0):
    g = g + weight_decay * p
    v = momentum * v + g
    return p - lr * v, v


def adam_reference(p, state, g, step, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
    g = g + weight_decay * p
    m, v = state if np.ndim(state) > p.ndim else (np.zeros_like(p), np.zeros_like(p))
    m, v = betas[0] * m + (1 - betas[0]) * g, betas[1] * v + (1 - betas[1]) * g * g
    m_hat, v_hat = m / (1 - betas[0] ** step), v / (1 - betas[1] ** step)
    return p - lr * m_hat / (np.sqrt(v_hat) + eps), np.stack([m, v])


class TestOptimizers:
    @pytest.mark.parametrize(
        ("kind", "reference", "options"),
        [
            (SGD, sgd_reference, {"lr": 0.1}),
            (SGD, sgd_reference, {"lr": 0.1, "weight_decay": 0.01}),
            (SGD, sgd_reference, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
            (Adam, adam_reference, {"lr": 0.01}),
            (Adam, adam_reference, {"lr": 0.01, "betas": (0.8, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
        ],
    )
    def test_formulas(self, kind, reference, options, dtype):
        net = Recorded(dtype)
        optimizer = kind(net, **options)
        live = dict(net.arrays)
        expected = {key: array.astype(np.float64) for key, array in net.arrays.items()}
        state = {key: np.zeros_like(array) for key, array in expected.items()}
        for step in range(1, 8):
            optimizer.step()
            for key in expected:
                gradient = net.given[key].astype(np.float64)
                expected[key], state[key] = reference(expected[key], state[key], gradient, step, **options)
        for key, array in net.arrays.items():
            assert array is live[key]
            np.testing.assert_allclose(
                array, expected[key], rtol=30 * np.finfo(dtype).eps, atol=30 * np.finfo(dtype).eps
            )

    def test_gradients_are_left_alone(self):
        for kind in (lambda net: SGD(net, 0.1, 0.9, 0.1), lambda net: Adam(net, weight_decay=0.1)):
            net = Recorded(np.float32)
            optimizer = kind(net)
            fixed = {key: np.ones_like(array) for key, array in net.arrays.items()}
            net.gradients = lambda fixed=fixed: fixed
            optimizer.step()
            assert all((array == 1).all() for array in fixed.values())

    @pytest.mark.parametrize("make", [lambda net: SGD(net, 0.1, momentum=0.9), lambda net: Adam(net, 0.01)])
    def test_state_goes_on_exactly(self, make):
        straight, halves = FakeNet(np.float32), FakeNet(np.float32)
        optimizer = make(straight)
        for _ in range(4):
            optimizer.step()
        first = make(halves)
        first.step()
        first.step()
        second = make(halves)
        second.load_state_dict(first.state_dict())
        second.step()
        second.step()
        for key in straight.arrays:
            np.testing.assert_array_equal(straight.arrays[key], halves.arrays[key])

    def test_state_must_fit(self):
        net = FakeNet(np.float32)
        optimizer = Adam(net)
        state = optimizer.state_dict()
        with pytest.raises(ValueError, match="missing or unknown keys .*mean.a"):
            optimizer.load_state_dict({key: value for key, value in state.items() if key != "mean.a"})
        with pytest.raises(ValueError, match="mean.a has shape"):
            optimizer.load_state_dict(state | {"mean.a": np.zeros(2)})

    @pytest.mark.parametrize("bad", [-1, math.nan, math.inf, "0.1", None, True])
    def test_arguments(self, bad):
        net = FakeNet(np.float32)
        for make, name in (
            (lambda: SGD(net, bad), "lr"),
            (lambda: SGD(net, 0.1, momentum=bad), "momentum"),
            (lambda: Adam(net, weight_decay=bad), "weight_decay"),
            (lambda: Adam(net, eps=bad), "eps"),
            (lambda: Adam(net, betas=(0.9, bad)), "betas"),
        ):
            with pytest.raises(ValueError, match=name):
                make()
        with pytest.raises(ValueError, match="betas: 1.0, expected .* < 1"):
            Adam(net, betas=(0.9, 1.0))


class TestRecipes:
    def test_book_is_the_books(self):
        recipe = training.recipe("book", "fashion-mnist")
        assert (recipe.variant, recipe.epochs, recipe.batch_size) == ("book", 10, 128)
        assert (recipe.optimizer, recipe.lr, recipe.momentum, recipe.weight_decay) == ("sgd", 0.1, 0.0, 0.0)
        assert not recipe.standardise and recipe.schedule(7) == 1 and recipe.shift == 0

    def test_changes_and_other_optimizer(self):
        recipe = training.recipe("relu", "digits", epochs=3, lr=None, optimizer="sgd")
        assert recipe.epochs == 3 and recipe.momentum == 0.9
        assert isinstance(recipe.make_optimizer(FakeNet(np.float32)), SGD)
        assert training.recipe("relu", "digits", optimizer="sgd", lr=0.5).lr == 0.5
        with pytest.raises(ValueError, match="relu, book"):
            training.recipe("bread")

    def test_schedule_does_not_know_how_long_the_run_is(self):
        short, long = training.recipe("relu", epochs=1), training.recipe("relu", epochs=100)
        assert [short.schedule(epoch) for epoch in range(5)] == [long.schedule(epoch) for epoch in range(5)]


def weights_after(epochs, state=None, net=None, optimizer=None, **options):
    net = net or small_net()
    optimizer = optimizer or Adam(net, 0.01)
    history = training.fit(
        net,
        small_data(),
        optimizer=optimizer,
        epochs=epochs,
        batch_size=8,
        seed=3,
        shift=1,
        state=state,
        schedule=lambda epoch: 0.9**epoch,
        **options,
    )
    return net.state_dict(), history


def assert_same(a, b):
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key])


class TestFit:
    def test_learns_and_reports(self):
        seen = []
        net = small_net()
        history = training.fit(
            net, small_data(), optimizer=Adam(net, 0.02), epochs=12, batch_size=8, callbacks=[seen.append]
        )
        assert history == seen and [result.epoch for result in history] == list(range(1, 13))
        assert history[-1].validation_accuracy > 0.9 and history[-1].train_loss < history[0].train_loss
        assert all(result.images_per_second > 0 for result in history)

    def test_same_seed_same_bits(self):
        assert_same(weights_after(3)[0], weights_after(3)[0])

    def test_same_bits_at_any_thread_count(self, threads):
        results = []
        for count in (1, 2, 3):
            threads(count)
            net = models.lenet(seed=1)
            data = small_data(40, 28)
            history = training.fit(net, data, optimizer=SGD(net, 0.05, 0.9), epochs=1, batch_size=32)
            results.append((net.state_dict(), history[0].train_loss, history[0].validation_loss))
        for state, *losses in results[1:]:
            assert_same(results[0][0], state)
            assert losses == list(results[0][1:])

    def test_steps_are_what_they_say(self):
        """One epoch by hand: order, batches, smaller last batch, running means."""
        data, net, hand = small_data(), small_net(), small_net()
        result = training.fit(net, data, optimizer=SGD(net, 0.1), epochs=1, batch_size=16, seed=5)[0]
        optimizer, loss_sum, correct = SGD(hand, 0.1), 0.0, 0
        order = epoch_order(50, 5, 0)
        for start in range(0, 50, 16):
            chosen = order[start : start + 16]
            images = data.train.images[chosen] * np.float32(1 / 255)
            labels = data.train.labels[chosen]
            logits = hand(images)
            loss_sum += float(functional.cross_entropy(logits, labels)) * len(chosen)
            correct += (logits.argmax(1) == labels).sum()
            hand.backward(functional.cross_entropy_backward(np.ones((), np.float32), logits, labels))
            optimizer.step()
        assert_same(net.state_dict(), hand.state_dict())
        assert result.train_loss == loss_sum / 50 and result.train_accuracy == correct / 50

    def test_validation_is_the_whole_set_in_evaluation_mode(self):
        data, net = small_data(600), small_net()
        modes = []
        net.forward = lambda x, forward=net.forward: modes.append(net.training) or forward(x)
        loss, accuracy = training.evaluate(net, data.validation)
        assert modes == [False] * 3 and net.training
        logits = net(data.validation.images * np.float32(1 / 255))
        assert math.isclose(loss, functional.cross_entropy(logits, data.validation.labels), rel_tol=1e-5)
        assert accuracy == (logits.argmax(1) == data.validation.labels).mean()

    def test_squared_error(self):
        net = small_net()
        history = training.fit(net, small_data(), optimizer=Adam(net, 0.01), epochs=5, batch_size=8, loss="mse_loss")
        assert history[-1].train_loss < history[0].train_loss

    def test_arrays_instead_of_a_dataset(self):
        data, net = small_data(), small_net(dtype=np.float64)
        pair = data.train.images.astype(np.float64), data.train.labels
        history = training.fit(net, (pair,), optimizer=SGD(net, 1e-4), epochs=1, batch_size=8)
        assert history[0].validation_loss is None and history[0].validation_accuracy is None

    def test_learning_rate_follows_the_schedule_and_is_put_back(self):
        rates = []

        class Watch(Callback):
            def on_step(self, run):
                rates.append(run.optimizer.lr)

        net = small_net()
        optimizer = SGD(net, 0.5)
        training.fit(
            net,
            small_data(10),
            optimizer=optimizer,
            epochs=3,
            batch_size=10,
            schedule=lambda epoch: 0.5**epoch,
            callbacks=[Watch()],
        )
        assert rates == [0.5, 0.25, 0.125] and optimizer.lr == 0.5

    def test_stops_on_a_loss_that_is_not_finite(self):
        net = small_net()
        with pytest.raises(training.NonFiniteLoss, match=r"the loss became (nan|inf) in epoch 1, step \d") as caught:
            training.fit(net, small_data(), optimizer=SGD(net, 1e30), epochs=2, batch_size=8)
        assert caught.value.epoch == 1 and 2 <= caught.value.step <= 7
        bad = small_net()
        bad.parameters()["3.bias"][:] = np.nan
        with pytest.raises(training.NonFiniteLoss, match="epoch 1, step 1;"):
            training.fit(bad, small_data(), optimizer=SGD(bad, 0.1), epochs=1, batch_size=8)

    def test_arguments(self):
        net, data = small_net(), small_data()
        good = {"optimizer": SGD(net, 0.1), "epochs": 1, "batch_size": 8}
        for change, error, message in (
            ({"epochs": -1}, ValueError, "epochs: -1"),
            ({"batch_size": 0}, ValueError, "batch_size: 0"),
            ({"batch_size": 8.0}, TypeError, "batch_size: 8.0"),
            ({"seed": -1}, ValueError, "seed: -1"),
            ({"shift": True}, TypeError, "shift: True"),
            ({"loss": "hinge"}, ValueError, "loss: 'hinge'"),
            ({"callbacks": [3]}, TypeError, "callbacks: 3"),
        ):
            with pytest.raises(error, match=message):
                training.fit(net, data, **(good | change))


class PressCtrlC(Callback):
    """Presses Ctrl-C in the middle of step ``at``, counted over the whole run."""

    def __init__(self, at):
        self.at, self.steps, self.told = at, 0, 0

    def on_step(self, run):
        self.steps += 1
        if self.steps == self.at:
            os.kill(os.getpid(), signal.SIGINT)

    def on_interrupt(self, run):
        self.told += 1


@pytest.mark.skipif(os.name == "nt", reason="os.kill sends no Ctrl-C there")
class TestInterrupt:
    @pytest.mark.parametrize(
        "at", [1, 7, 10, 14]
    )  # 7 steps an epoch: in the middle, at the end, of the first and second
    def test_goes_on_bit_for_bit(self, at):
        expected, expected_history = weights_after(3)
        net = small_net()
        optimizer = Adam(net, 0.01)
        press = PressCtrlC(at)
        with pytest.raises(training.Interrupted) as caught:
            weights_after(3, net=net, optimizer=optimizer, callbacks=[press])
        assert press.told == 1
        state = caught.value.state
        assert 7 * state.epoch + state.step == at
        result, history = weights_after(3, state=state, net=net, optimizer=optimizer)
        assert_same(expected, result)
        assert [r.train_loss for r in history] == [r.train_loss for r in expected_history]
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_a_run_that_is_done_anyway_ends_well(self):
        _, history = weights_after(1, callbacks=[PressCtrlC(7)])
        assert len(history) == 1

    def test_twice_is_at_once(self):
        class Twice(Callback):
            def on_step(self, run):
                os.kill(os.getpid(), signal.SIGINT)
                os.kill(os.getpid(), signal.SIGINT)

        with pytest.raises(KeyboardInterrupt) as caught:
            weights_after(1, callbacks=[Twice()])
        assert not isinstance(caught.value, training.Interrupted)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def test_other_threads_train_without_touching_signals(self):
        results = []
        thread = threading.Thread(target=lambda: results.append(weights_after(1)[0]))
        thread.start()
        thread.join()
        assert_same(results[0], weights_after(1)[0])


class TestDigits:
    def test_lenet_reaches_97_percent(self, threads):
        """What ``fastconv train lenet`` does when nothing is said; on one thread, in case the machine is busy."""
        threads(1)
        data, recipe = training.load_data("digits").standardised(), training.recipe("relu", "digits")
        net = fc.models.lenet(seed=0)
        history = training.fit(
            net,
            data,
            optimizer=recipe.make_optimizer(net),
            epochs=recipe.epochs,
            batch_size=recipe.batch_size,
            shift=recipe.shift,
            schedule=recipe.schedule,
        )
        assert history[-1].validation_accuracy >= 0.97


def test_picture(tmp_path):
    pytest.importorskip("matplotlib")
    for count in (1, 3):
        history = [
            training.EpochResult(i + 1, 2 / (i + 1), 0.3 * i, 2.1 / (i + 1), 0.29 * i, 1e4) for i in range(count)
        ]
        training.plot_history(history, tmp_path / "curve.png", "LeNet")
        assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    training.plot_history([training.EpochResult(1, 1.0, 0.5, None, None, 1.0)], tmp_path / "curve.png")
    assert [file.name for file in tmp_path.iterdir()] == ["curve.png"]
