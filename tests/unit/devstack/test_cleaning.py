"""`make clean` removes what the development stack makes, and nothing else."""

import re

from devstack import cleaning
from devstack.cache import REPO


def test_every_folder_in_the_cache_that_the_code_names_is_removed() -> None:
    folders = [REPO / name for name in ("devstack", "tests", "benchmarks")]
    text = "".join(path.read_text() for folder in folders for path in folder.rglob("*.py"))
    named = set(re.findall(r'CACHE / "([a-z-]+)"', text))
    assert {"image", "venvs"} <= named
    assert named <= set(cleaning._OURS)


def test_what_somebody_else_keeps_in_the_cache_folder_stays(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cleaning, "CACHE", tmp_path)
    for name in ("image", "run", "somebody-elses"):
        (tmp_path / name).mkdir()
    cleaning.remove_cache()
    assert [path.name for path in tmp_path.iterdir()] == ["somebody-elses"]
