"""Every public name of MLX is here or said to be missing, and the table in docs is fresh."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tools"))
import mlx_names  # noqa: E402
from alias import core_is_mlx  # noqa: E402

pytestmark = pytest.mark.skipif(core_is_mlx(), reason="the core is MLX's own")


@pytest.mark.parametrize("name", mlx_names.names())
def test_name_is_here_or_said_to_be_missing(name):
    status, _ = mlx_names.notes().get(name, ("same", ""))
    assert status == "missing" or mlx_names.exists(name)


def test_the_table_is_fresh():
    assert mlx_names.TABLE.read_text() == mlx_names.table(), "run tools/mlx_names.py"


def test_notes_name_what_there_is(tmp_path, monkeypatch):
    for line, sentence in (
        ("better mlx.core.none : x", "MLX has no name"),
        ("better mlx.core.sum", "needs"),
        ("worse mlx.core.sum : x", "needs"),
    ):
        (tmp_path / "notes.txt").write_text(line + "\n")
        monkeypatch.setattr(mlx_names, "NOTES", tmp_path / "notes.txt")
        with pytest.raises(ValueError, match=sentence):
            mlx_names.notes()
