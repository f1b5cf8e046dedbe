"""verl's `core_algos.py`, from its unpacked wheel.

`import verl` asks for Ray and a configuration framework, which its arithmetic doesn't use. Its
packages are therefore entered without their `__init__`, and the configuration classes, which only
appear in annotations, are empty.
"""

import importlib
import sys
from types import ModuleType, SimpleNamespace

from common import PEERS

RELEASE = "0.9.1"
FOLDER = PEERS / f"verl-{RELEASE}" / "verl"


def empty(name, *classes):
    module = ModuleType(name)
    for item in classes:
        setattr(module, item, type(item, (), {}))
    sys.modules[name] = module


def package(name):
    module = ModuleType(name)
    module.__path__ = [str(FOLDER.joinpath(*name.split(".")[1:]))]
    sys.modules[name] = module
    return module


def load():
    assert FOLDER.is_dir(), f"{FOLDER} is missing, see README.md"
    for name in ["verl", "verl.trainer", "verl.trainer.ppo", "verl.workers"]:
        package(name)
    utils = package("verl.utils")
    empty("omegaconf", "DictConfig")
    empty("tensordict", "TensorDict")
    empty("verl.trainer.config", "AlgoConfig")
    empty("verl.workers.config", "ActorConfig")
    groupwise = importlib.import_module("verl.utils.groupwise")
    utils.as_torch_index = groupwise.as_torch_index
    utils.group_mean_std = groupwise.group_mean_std
    return importlib.import_module("verl.trainer.ppo.core_algos")


class Config(SimpleNamespace):
    """An actor's settings; verl reads some with `get`."""

    def get(self, key, default=None):
        return getattr(self, key, default)


ABOUT = {
    "peer": "verl",
    "release": f"PyPI verl {RELEASE}",
    "source_file": "verl/trainer/ppo/core_algos.py",
}
