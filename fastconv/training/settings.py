"""All that defines a run, apart from the images: what a checkpoint says beside its arrays."""

import dataclasses
import math

from fastconv import models
from fastconv.training.errors import CheckpointError
from fastconv.training.recipes import OPTIMIZERS, RECIPES, Recipe

MOST_CLASSES = 256  # labels are bytes


@dataclasses.dataclass(frozen=True)
class Settings:
    """``model``: a name of models.names(). ``data``: what load_data was given; ``mean`` and ``std``: how its bytes were
    normalised; ``fingerprint``: Dataset.fingerprint() of it; ``class_names``: its words for the classes, or None."""

    model: str
    data: str
    recipe: Recipe
    seed: int
    classes: int
    mean: float
    std: float
    fingerprint: str
    class_names: list | None = None

    def build_network(self):
        """The network with the weights that the run began with."""
        if self.model == "lenet":
            options = {"variant": self.recipe.variant}
        elif self.model == "mlp":
            options = {}
        else:  # the others are one network, which the book begins otherwise
            options = {"init": "xavier" if self.recipe.variant == "book" else "torch"}
        return models.build(self.model, num_classes=self.classes, seed=self.seed, **options)

    def as_dict(self):
        """For JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values, path):
        """The opposite of ``as_dict``; CheckpointError, naming ``path``, for anything that it could not have given."""
        try:
            recipe = _typed(Recipe, values["recipe"])
            settings = _typed(cls, {"class_names": None, **values, "recipe": recipe})
            _check(settings)
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(f"{path}: broken checkpoint (settings: {error})") from None
        return settings


def _typed(kind, values):
    fields = {field.name: field.type for field in dataclasses.fields(kind)}
    if not isinstance(values, dict) or values.keys() != fields.keys():
        raise ValueError(f"expected the fields {', '.join(fields)}")
    for name, expected in fields.items():
        kinds = getattr(expected, "__args__", (expected,))  # list | None has two
        if type(values[name]) not in kinds or (expected is float and not math.isfinite(values[name])):
            raise ValueError(f"{name} is {values[name]!r:.40}")
    return kind(**values)


def _check(settings):
    recipe = settings.recipe
    is_valid = {
        "model": settings.model in models.names(),
        "classes": 1 <= settings.classes <= MOST_CLASSES,
        "seed": settings.seed >= 0,
        "std": settings.std > 0,
        "class_names": settings.class_names is None or _are_words(settings.class_names, settings.classes),
        "recipe": recipe.name in RECIPES,
        "variant": recipe.variant == RECIPES.get(recipe.name, recipe).variant,
        "optimizer": recipe.optimizer in OPTIMIZERS,
        "batch_size": recipe.batch_size >= 1,
        "epochs": recipe.epochs >= 0,
        "shift": recipe.shift >= 0,
        "lr": min(recipe.lr, recipe.lr_decay, recipe.momentum, recipe.weight_decay) >= 0,
    }
    for name, valid in is_valid.items():
        if not valid:
            raise ValueError(f"{name} is {getattr(settings, name, None) or getattr(recipe, name, None)!r:.40}")


def _are_words(names, classes):
    return len(names) >= classes and all(isinstance(name, str) and name.isprintable() for name in names)
