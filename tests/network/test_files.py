"""Folders: exact numbers, whole or nothing, and damage that is noticed."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from measurelp.errors import InvalidFile
from measurelp.measure import Skip
from measurelp.network import (
    ReluNetwork,
    check_new_folder,
    load_network,
    parts_from_network,
    read_folder,
    write_folder,
)
from measurelp.network import files as files_module
from measurelp.status import Verdict

DOCUMENT = {
    "value": 0.1 + 0.2,
    "tiny": 5e-324,
    "count": np.int64(3),
    "single": np.float64(1 / 3),
    "flag": np.bool_(True),
    "nothing": None,
    "unknown": float("nan"),
    "endless": float("inf"),
    "verdict": Verdict.OPTIMAL,
    "list": [1, (2.5, "ü")],
}
ARRAYS = {
    "a": np.array([[1.0, np.nan], [np.inf, 1 / 3]]),
    "empty": np.zeros((0, 4)),
    "i": np.arange(3),
}


@pytest.fixture
def saved(tmp_path):
    write_folder(tmp_path / "out", DOCUMENT, ARRAYS, kind="network")
    return tmp_path / "out"


def test_round_trip_is_exact(saved):
    document, arrays = read_folder(saved, kind="network")
    assert document == {
        "value": 0.1 + 0.2, "tiny": 5e-324, "count": 3, "single": 1 / 3, "flag": True,
        "nothing": None, "unknown": None, "endless": None, "verdict": "OPTIMAL",
        "list": [1, [2.5, "ü"]],
    }  # fmt: skip
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype
    assert sorted(os.listdir(saved.parent)) == ["out"]
    assert sorted(os.listdir(saved)) == ["arrays.npz", "measurelp.json"]


def test_equal_content_gives_equal_bytes(tmp_path, saved):
    write_folder(tmp_path / "again", DOCUMENT, ARRAYS, kind="network")
    for name in os.listdir(saved):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_an_existing_folder_is_not_overwritten_unless_asked(saved):
    before = (saved / "measurelp.json").read_bytes()
    with pytest.raises(InvalidFile, match="exists already"):
        write_folder(saved, {}, {}, kind="network")
    assert (saved / "measurelp.json").read_bytes() == before
    write_folder(saved, {"new": 1}, {}, kind="network", overwrite=True)
    assert read_folder(saved) == ({"new": 1}, {})
    assert sorted(os.listdir(saved.parent)) == ["out"]


def test_a_folder_with_other_files_is_never_overwritten(saved):
    (saved / "diary.txt").write_text("mine")
    with pytest.raises(InvalidFile, match=r"diary\.txt"):
        write_folder(saved, {}, {}, kind="network", overwrite=True)
    assert (saved / "diary.txt").read_text() == "mine"
    read_folder(saved)


def test_a_file_or_a_link_is_never_overwritten(tmp_path, saved):
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to(saved)
    for name in ("file", "link"):
        with pytest.raises(InvalidFile, match="not a folder"):
            check_new_folder(tmp_path / name, overwrite=True)


def test_a_missing_parent_is_refused_before_any_work(tmp_path):
    with pytest.raises(InvalidFile, match="does not exist"):
        check_new_folder(tmp_path / "no" / "where")
    with pytest.raises(InvalidFile, match="empty"):
        check_new_folder("")
    assert check_new_folder(tmp_path / "fine") == tmp_path / "fine"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("failing", ["_write_and_sync", "_sync_folder", "rename"])
def test_a_failure_leaves_what_was_there(tmp_path, monkeypatch, failing, overwrite):
    if overwrite:
        write_folder(tmp_path / "out", {"old": 1}, {}, kind="network")
    rename = os.rename

    def fail(*args):
        if failing == "rename" and not str(args[0]).endswith(".part"):
            return rename(*args)
        raise OSError("the disk is full")

    if failing == "rename":
        monkeypatch.setattr(files_module.os, "rename", fail)
    else:
        monkeypatch.setattr(files_module, failing, fail)
    with pytest.raises(InvalidFile, match="disk is full"):
        write_folder(tmp_path / "out", {"new": 1}, {}, kind="network", overwrite=overwrite)
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path)) == (["out"] if overwrite else [])
    if overwrite:
        assert read_folder(tmp_path / "out")[0] == {"old": 1}


@pytest.mark.parametrize("bad", [{"a": np.zeros(2)}, {"a": object()}, {1: 2}, {"a": {2: 3}}])
def test_what_is_not_plain_data_is_refused_before_writing(tmp_path, bad):
    with pytest.raises(TypeError):
        write_folder(tmp_path / "out", bad, {}, kind="network")
    assert list(tmp_path.iterdir()) == []


def test_arrays_of_objects_are_refused_before_writing(tmp_path):
    with pytest.raises(TypeError, match="'a'"):
        write_folder(tmp_path / "out", {}, {"a": np.array([None, {}])}, kind="network")
    assert list(tmp_path.iterdir()) == []


def edit(folder, change):
    envelope = json.loads((folder / "measurelp.json").read_text())
    change(envelope)
    (folder / "measurelp.json").write_text(json.dumps(envelope))


def cut(file: Path, keep: int) -> None:
    file.write_bytes(file.read_bytes()[:keep])


def flip(file: Path, position: int) -> None:
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(bytes(content))


DAMAGE = {
    "value changed": (lambda f: edit(f, lambda e: e["document"].update(value=0.5)), "SHA-256"),
    "kind changed": (lambda f: edit(f, lambda e: e.update(kind="solution")), "SHA-256"),
    "document gone": (lambda f: edit(f, lambda e: e.pop("document")), "SHA-256"),
    "sum gone": (lambda f: edit(f, lambda e: e.pop("document_sha256")), "SHA-256"),
    "infinite number": (lambda f: edit(f, lambda e: e["document"].update(value=1e999)), "JSON"),
    "other format": (lambda f: edit(f, lambda e: e.update(format="zip")), "not a document"),
    "newer version": (lambda f: edit(f, lambda e: e.update(format_version=2)), "version 2"),
    "json a list": (lambda f: (f / "measurelp.json").write_text("[]"), "not a document"),
    "json cut": (lambda f: cut(f / "measurelp.json", 100), "not valid JSON"),
    "json empty": (lambda f: cut(f / "measurelp.json", 0), "not valid JSON"),
    "json binary": (
        lambda f: (f / "measurelp.json").write_bytes(b"\xff\xfe\x00"),
        "not valid JSON",
    ),
    "json deep": (lambda f: (f / "measurelp.json").write_text("[" * 10**5), "not valid JSON"),
    "json gone": (lambda f: (f / "measurelp.json").unlink(), "missing"),
    "npz cut": (lambda f: cut(f / "arrays.npz", 100), "SHA-256"),
    "npz flipped": (lambda f: flip(f / "arrays.npz", 150), "SHA-256"),
    "npz gone": (lambda f: (f / "arrays.npz").unlink(), "missing"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_noticed(saved, name):
    damage, words = DAMAGE[name]
    damage(saved)
    with pytest.raises(InvalidFile, match=words):
        read_folder(saved)


def test_reading_names_what_is_wrong_with_the_path(tmp_path, saved):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidFile, match="does not exist"):
        read_folder(tmp_path / "nothing")
    with pytest.raises(InvalidFile, match="is a file"):
        read_folder(tmp_path / "file")
    with pytest.raises(InvalidFile, match="holds a network, but a solution"):
        read_folder(saved, kind="solution")


def network():
    rng = np.random.default_rng(3)
    return ReluNetwork(
        rng.normal(size=(4, 2)), rng.normal(size=4), output_weights=rng.normal(size=4),
        output_bias=0.1, skip=Skip(rng.normal(size=2)), bias="free",
    )  # fmt: skip


def assert_same(one, other):
    for name in ("hidden_weights", "hidden_bias", "output_weights", "output_bias"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.skip.linear, other.skip.linear)


def test_networks_come_back_exactly(tmp_path):
    network().save(tmp_path / "net")
    back = load_network(tmp_path / "net")
    assert_same(back, network())
    assert back.bias == "free"
    with pytest.raises(InvalidFile, match="exists"):
        network().save(tmp_path / "net")
    network().balanced().save(tmp_path / "net", overwrite=True)
    assert_same(load_network(tmp_path / "net"), network().balanced())


def test_assert_same_can_fail():
    with pytest.raises(AssertionError):
        assert_same(network(), network().balanced())


def test_networks_are_read_from_a_bare_npz(tmp_path):
    arrays = parts_from_network(network())[1]
    np.savez(tmp_path / "net.npz", **arrays)
    assert_same(load_network(tmp_path / "net.npz"), network())
    arrays["output_weights"] = arrays["output_weights"][None, :]  # as torch and sklearn store it
    arrays["output_bias"] = arrays["output_bias"].reshape(1)
    np.savez(tmp_path / "torch.npz", **arrays)
    assert_same(load_network(tmp_path / "torch.npz"), network())


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"output_weights": np.ones(1)}, "'hidden_weights' is missing"),
        ({"hidden_weights": np.ones((1, 2))}, "'output_weights' is missing"),
        ({"hidden_weights": np.ones((1, 2)), "output_weights": np.ones(2)}, "output_weights"),
        ({"hidden_weights": np.full((1, 2), np.nan), "output_weights": np.ones(1)}, "finite"),
        ({"hidden_weights": np.array([["a"]]), "output_weights": np.ones(1)}, "numbers"),
        (
            {
                "hidden_weights": np.ones((1, 2)),
                "output_weights": np.ones(1),
                "output_bias": np.ones(2),
            },
            "output_bias",
        ),
    ],
)
def test_a_bad_npz_is_refused(tmp_path, arrays, words):
    np.savez(tmp_path / "net.npz", **arrays)
    with pytest.raises(InvalidFile, match=words):
        load_network(tmp_path / "net.npz")


def test_files_that_are_no_npz_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("hello")
    (tmp_path / "empty.npz").write_bytes(b"")
    np.save(tmp_path / "one.npy", np.ones(3))
    np.savez(tmp_path / "cut.npz", hidden_weights=np.ones((1, 2)))
    cut(tmp_path / "cut.npz", 80)
    np.savez(tmp_path / "pickle.npz", hidden_weights=np.array([{}, None]))
    for name in ("text.npz", "empty.npz", "one.npy", "cut.npz", "pickle.npz", "missing.npz"):
        with pytest.raises(InvalidFile, match=name):
            load_network(tmp_path / name)
