"""``uma.mlx``: programs written for MLX get uma's modules."""

import alias

IDENTITIES = """
import sys, importlib.util, importlib.metadata
import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
from mlx.utils import tree_flatten
from mlx.nn.layers.distributed import shard_linear
import mlx.nn.losses, mlx.core.random, mlx.nn.layers.linear
from mlx.optimizers.schedulers import cosine_decay
import uma.core, uma.nn, uma.optimizers, uma.utils, uma.nn.layers.linear
assert mx is uma.core and nn is uma.nn and optim is uma.optimizers
assert mlx.core.random is uma.core.random and sys.modules["mlx.core.random"] is uma.core.random
assert mlx.nn.layers.linear is uma.nn.layers.linear and nn.Linear is uma.nn.layers.linear.Linear
assert tree_flatten is uma.utils.tree_flatten and cosine_decay is uma.optimizers.cosine_decay
assert uma.nn.__name__ == "uma.nn" and uma.nn.__spec__.name == "uma.nn"
assert importlib.util.find_spec("mlx") is not None and importlib.util.find_spec("mlx.nn") is not None
assert importlib.metadata.version("mlx") == "0.32.4"
"""


def test_modules_are_umas():
    code = "import uma.mlx\n" + IDENTITIES + "print(nn.Linear(2, 3)(mx.ones((4, 2))).shape)"
    assert alias.inline(code) == "(4, 3)\n"


def test_command_runs_code_and_passes_its_arguments():
    code = IDENTITIES + "print(sys.argv, __name__)"
    assert alias.output("-c", code, "--lm", "-m", "x") == "['-c', '--lm', '-m', 'x'] __main__\n"


def test_command_runs_a_script_with_its_folder_on_the_path(tmp_path):
    (tmp_path / "beside.py").write_text("import mlx.nn\nname = mlx.nn.__name__\n")
    (tmp_path / "script.py").write_text("import sys, beside, uma.mlx\nprint(beside.name, sys.argv[1:], __name__)\n")
    assert alias.output(str(tmp_path / "script.py"), "-v", "1") == "uma.nn ['-v', '1'] __main__\n"


def test_command_runs_a_module_of_the_current_folder(tmp_path):
    folder = tmp_path / "tool"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "__main__.py").write_text("import sys, mlx.core\nprint(mlx.core.__name__, sys.argv[1:])\nsys.exit(3)\n")
    done = alias.run(alias.command("-m", "tool", "a"), cwd=tmp_path)
    assert done.returncode == 3 and done.stdout.endswith("core ['a']\n"), done.stderr


def test_wrong_use_is_exit_2_and_a_sentence():
    for args, text in (((), "is needed"), (("-m",), "needs an argument"), (("nothing.py",), "no such file")):
        done = alias.run(alias.command(*args))
        assert done.returncode == 2 and text in done.stderr, done.stderr
    done = alias.run(alias.command("--help"))
    assert done.returncode == 0 and "example: python -m uma.mlx" in done.stdout


def test_modules_that_uma_does_not_offer():
    code = "import uma.mlx\ntry:\n    import mlx.distributed_run\nexcept ModuleNotFoundError as e:\n    print(e)"
    assert alias.inline(code).startswith("uma offers no mlx.distributed_run, only mlx.core")


def test_an_mlx_imported_before_is_refused():
    code = (
        "import sys, types\nsys.modules['mlx'] = types.ModuleType('mlx')\n"
        "sys.modules['mlx.core'] = types.ModuleType('mlx.core')\n"
        "try:\n    import uma.mlx\nexcept ImportError as e:\n    print(e)"
    )
    assert alias.inline(code).startswith("mlx is already imported, from ")


def test_lm_is_offered_under_the_name_mlx_lm():
    code = (
        "import sys, types, uma\nsys.modules['uma.lm'] = uma.lm = types.ModuleType('uma.lm')\numa.lm.load = 7\n"
        "from uma.mlx import install\ninstall(lm=True)\nfrom mlx_lm import load\nprint(load)"
    )
    assert alias.inline(code) == "7\n"
