"""What makes a cached thing outdated, and what does not."""

from pathlib import Path

from devstack.cache import digest, replace_folder, tree_digest


def addon(folder: Path) -> Path:
    (folder / "models").mkdir(parents=True)
    (folder / "tests").mkdir()
    (folder / "models" / "order.py").write_text("one")
    (folder / "tests" / "test_order.py").write_text("two")
    return folder


def test_a_digest_keeps_its_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a", "b") != digest("b", "a")


def test_a_tree_is_its_names_and_contents(tmp_path: Path) -> None:
    folder = addon(tmp_path / "addon")
    before = tree_digest([folder])

    (folder / "models" / "order.py").write_text("changed")
    changed = tree_digest([folder])
    (folder / "models" / "order.py").rename(folder / "models" / "sale.py")

    assert len({before, changed, tree_digest([folder])}) == 3


def test_compiled_files_and_named_subfolders_do_not_count(tmp_path: Path) -> None:
    folder = addon(tmp_path / "addon")
    before = tree_digest([folder], without=["tests"])

    (folder / "models" / "__pycache__").mkdir()
    (folder / "models" / "__pycache__" / "order.cpython-311.pyc").write_text("compiled")
    (folder / "tests" / "test_order.py").write_text("changed")

    assert tree_digest([folder], without=["tests"]) == before


def test_the_place_of_a_tree_does_not_count(tmp_path: Path) -> None:
    assert tree_digest([addon(tmp_path / "a" / "addon")]) == tree_digest(
        [addon(tmp_path / "b" / "addon")]
    )


def test_a_folder_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    old, new = addon(tmp_path / "target"), tmp_path / "new"
    new.mkdir()
    (new / "file").write_text("new")

    replace_folder(new, old)

    assert [path.name for path in old.iterdir()] == ["file"]
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
