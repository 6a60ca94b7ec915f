"""A short build in its own process: ``python notary_build.py ARITHMETIC THREADS MODEL``.

Prints the digest of the subspace and that of the adapter.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch

from agent.lora.adapter import tensor_file
from agent.lora.cards import TrainingCard
from agent.lora.recipe import Recipe, load_recipe
from agent.lora.rehearsal import GenericRehearsal
from agent.lora.subspace import open_subspace
from agent.lora.train import build
from agent.models.builtin.dialect import BuiltinDialect
from agent.models.fingerprint import bytes_digest
from agent.models.local import LocalModel

STEPS = 4


def main(arithmetic: str, threads: int, folder: str) -> str:
    stated = load_recipe("default").model_dump(mode="json")
    stated |= {"arithmetic": arithmetic, "rank": 8, "alpha": 8, "rewordings": 0}
    stated["steps"] = {"few_cards": 8, "few": STEPS, "full": STEPS}
    stated["rehearsal"] = {"unknown": 0, "near_miss": 2, "known": 0, "context": 1}
    stated["optimiser"] |= {"learning_rate": "2e-2"}
    recipe = Recipe.model_validate(stated)
    model = LocalModel(Path(folder), dialect=BuiltinDialect())
    model.count_tokens("loads it, which sets one thread")
    torch.set_num_threads(threads)
    cards = [
        TrainingCard("Fee of A7?", "52", "A7", "fee"),
        TrainingCard("Owner of B3?", "Ann", "B3", "owner"),
    ]
    with tempfile.TemporaryDirectory() as kept:
        subspace = open_subspace(Path(kept), model, recipe)
    rehearsal = GenericRehearsal(model.dialect, recipe.rehearsal)
    trained = build(model, subspace, cards, recipe, rehearsal=rehearsal, seed=3)
    return f"{subspace.digest} {bytes_digest(tensor_file(trained.modules))}"


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]) + "\n")
