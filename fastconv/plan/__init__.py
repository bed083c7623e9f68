"""A network prepared for inference: weights packed, shapes and memory laid out once, and a call that only computes.

layers -- compile.py --> a graph of steps (data) -- arena.py --> where each reads and writes -- plan.py --> plan(x)
"""

from fastconv.plan.compile import compile
from fastconv.plan.plan import Plan
from fastconv.plan.profile import Profile
from fastconv.plan.steps import Step

__all__ = ["Plan", "Profile", "Step", "compile"]
