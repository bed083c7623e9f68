"""100 training steps beside PyTorch's, from the same weights and batches: live where torch is, else stored.

The rates are moderate on purpose. Each rounding error of a step is multiplied by the steps that follow, and with ReLU,
max pooling and a learning rate at which a network learns fast (SGD with momentum 0.9, or Adam at 0.002) those multiply
it so often that PyTorch's own run in float32 leaves its run in float64 by half of the loss and more. Such a run tells
nothing of who is right. With the rates below both float32 runs stay within 5e-7 of PyTorch's in float64, those in
float64 within 1e-15 of each other, and the loss of "relu" falls by a quarter (SGD) and a half (Adam).
"""

import numpy as np
import pytest

from fastconv import functional, models
from fastconv.training import SGD, Adam

STEPS, BATCH, BATCHES = 100, 16, 2
TOLERANCE = {np.float32: 1e-4, np.float64: 1e-12}  # relative, of the loss at each step
# In float64 another machine's sine differs in the last bit: `scattered` makes 1e-11 of it, the steps up to 2e-11
STORED_TOLERANCE = {np.float32: 1e-4, np.float64: 1e-9}

OPTIMIZERS = {
    "sgd": (SGD, {"lr": 0.02, "momentum": 0.5, "weight_decay": 1e-3}),
    "adam": (Adam, {"lr": 5e-4, "eps": 1e-3, "weight_decay": 1e-3}),
}

# Losses, made by losses_of_torch() below with torch 2.13.0 in float64 on one thread.
STORED_STEPS = (0, 20, 40, 60, 80, 98)  # all on the first batch
STORED = {
    ("book", "sgd"): (2.553041281461, 2.296978396599, 2.296010963354, 2.293088234541, 2.289977296259, 2.28700546381),
    ("book", "adam"): (2.553041281461, 2.266040925849, 2.290731365796, 2.270377291047, 2.258101660304, 2.246028473398),
    ("relu", "sgd"): (2.296211709842, 2.262259389937, 2.209283503238, 2.089932837874, 2.048031653813, 1.658997447399),
    ("relu", "adam"): (2.296211709842, 2.218954489319, 2.06345137154, 1.83417275819, 1.545494522655, 1.278813077606),
}


def scattered(count, stream):
    """Values between -1 and 1 without a pattern, from a formula: the same on every machine, whatever its generators."""
    return np.modf(np.sin(np.arange(1, count + 1) * 12.9898 + stream) * 43758.5453)[0]


def batches(dtype):
    """BATCHES batches: images of waves, as long as the class says, with noise so that no pixels tie; labels."""
    labels = np.arange(BATCHES * BATCH) * 7 % 10
    rows, columns = np.mgrid[:28, :28]
    phase = np.arange(len(labels))[:, None, None]
    waves = np.sin(rows * (0.15 + 0.1 * labels[:, None, None]) + phase) * np.cos(columns * 0.2 + 0.5 * phase)
    images = (0.5 + 0.3 * waves + 0.2 * scattered(waves.size, 0).reshape(waves.shape))[:, None].astype(dtype)
    return [(images[i : i + BATCH], labels[i : i + BATCH]) for i in range(0, len(labels), BATCH)]


def weights(variant, dtype):
    """Starting values of the usual size."""
    state = {}
    gain = 4 if variant == "book" else 1  # sigmoids of small sums would stand still for 100 steps
    for position, (key, shape) in enumerate(models.lenet(variant).parameter_shapes().items()):
        count = int(np.prod(shape))
        fan_in = int(np.prod(shape[1:])) or 1
        size = gain * np.sqrt(3 / fan_in) if len(shape) > 1 else 0.05
        state[key] = (scattered(count, position) * size).reshape(shape).astype(dtype)
    return state


def losses_of_fastconv(variant, optimizer, dtype):
    net = models.lenet(variant, dtype=dtype)
    net.load_state_dict(weights(variant, dtype))
    kind, options = OPTIMIZERS[optimizer]
    stepper = kind(net, **options)
    data = batches(dtype)
    losses = []
    for step in range(STEPS):
        images, labels = data[step % BATCHES]
        logits = net(images)
        losses.append(float(functional.cross_entropy(logits, labels)))
        net.backward(functional.cross_entropy_backward(np.ones((), dtype), logits, labels), need_input_grad=False)
        stepper.step()
    return losses


def losses_of_torch(torch, variant, optimizer, dtype):
    from torch import nn

    activation, pooling = (nn.Sigmoid, nn.AvgPool2d) if variant == "book" else (nn.ReLU, nn.MaxPool2d)
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        activation(),
        pooling(2),
        nn.Conv2d(6, 16, 5),
        activation(),
        pooling(2),
        nn.Flatten(),
        nn.Linear(400, 120),
        activation(),
        nn.Linear(120, 84),
        activation(),
        nn.Linear(84, 10),
    )
    start = weights(variant, dtype)
    net = net.to(getattr(torch, np.dtype(dtype).name))
    net.load_state_dict({key: torch.from_numpy(array) for key, array in start.items()})
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    stepper = kind(net.parameters(), **OPTIMIZERS[optimizer][1])
    data = [(torch.from_numpy(images), torch.from_numpy(labels)) for images, labels in batches(dtype)]
    losses = []
    for step in range(STEPS):
        images, labels = data[step % BATCHES]
        stepper.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        losses.append(loss.item())
        loss.backward()
        stepper.step()
    return losses


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("variant", ["book", "relu"])
def test_follows_the_stored_trajectory(variant, optimizer, dtype):
    losses = losses_of_fastconv(variant, optimizer, dtype)
    expected = STORED[variant, optimizer]
    np.testing.assert_allclose([losses[step] for step in STORED_STEPS], expected, rtol=STORED_TOLERANCE[dtype])
    assert losses[98] < losses[0]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("variant", ["book", "relu"])
def test_follows_torch(variant, optimizer, dtype):
    torch = pytest.importorskip("torch")
    expected = losses_of_torch(torch, variant, optimizer, dtype)
    np.testing.assert_allclose(losses_of_fastconv(variant, optimizer, dtype), expected, rtol=TOLERANCE[dtype])
