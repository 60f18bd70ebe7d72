"""Files that may come from anybody: tensors are read, everything else is refused without being run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from osteon.errors import BundleError, InputError, LimitError
from osteon.training import plain_tensors
from osteon.training.plain_tensors import read_plain_tensors

if TYPE_CHECKING:
    from pathlib import Path

TENSORS = {
    "a.weight": torch.arange(6, dtype=torch.float32).view(2, 3),
    "a.half": torch.ones(3, dtype=torch.float16),
    "a.count": torch.tensor(7),
}


class Bomb:
    """Leaves a file behind if it is ever unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.path,)


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return set(found) == set(expected) and all(torch.equal(found[name], expected[name]) for name in expected)


def test_a_dictionary_of_tensors_is_read(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "plain.pt")
    assert same(read_plain_tensors(tmp_path / "plain.pt"), TENSORS)


def test_a_state_dict_of_a_network_is_read(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    torch.save(network.state_dict(), tmp_path / "state.pt")
    assert same(read_plain_tensors(tmp_path / "state.pt"), network.state_dict())
    torch.save(OrderedDict(network.named_parameters()), tmp_path / "parameters.pt")
    assert same(read_plain_tensors(tmp_path / "parameters.pt"), dict(network.named_parameters()))


def test_safetensors_are_read(tmp_path: Path) -> None:
    save_file(TENSORS, tmp_path / "plain.safetensors")
    assert same(read_plain_tensors(tmp_path / "plain.safetensors"), TENSORS)
    (tmp_path / "bad.safetensors").write_bytes(b"no tensors")
    with pytest.raises(BundleError, match=r"bad\.safetensors"):
        read_plain_tensors(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("hidden", ["beside", "inside", "alone"])
def test_a_pickle_that_would_run_something_is_refused_and_not_run(tmp_path: Path, hidden: str) -> None:
    bomb = Bomb(tmp_path / "exploded")
    content: Any = {"beside": {**TENSORS, "x": bomb}, "inside": {"a": [bomb, TENSORS]}, "alone": bomb}[hidden]
    torch.save(content, tmp_path / "bad.pt")
    with pytest.raises(InputError, match="would run 'posix mkdir', which is never done"):
        read_plain_tensors(tmp_path / "bad.pt")
    assert not (tmp_path / "exploded").exists()
    torch.load(tmp_path / "bad.pt", weights_only=False)  # the bomb is a real one
    assert (tmp_path / "exploded").exists()


def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(pickle.dumps(Bomb(tmp_path / "exploded")))
    with pytest.raises(InputError, match="neither safetensors nor"):
        read_plain_tensors(tmp_path / "bad.pt")
    assert not (tmp_path / "exploded").exists()


def test_a_whole_model_is_refused_with_what_to_do(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "model.pt")
    with pytest.raises(InputError, match=r"torch\.nn\.modules\.linear Linear.*state_dict"):
        read_plain_tensors(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"epoch": 3, **TENSORS}, "'epoch' is a int"),
        ({"model": TENSORS}, "'model' is a dict"),
        ({3: TENSORS["a.count"]}, "'3' is a Tensor"),
        ([TENSORS["a.count"]], "holds a list"),
        ({}, "holds a dict"),
        ({"name": "a text"}, "'name' is a str"),
        ({"n": np.ones(3)}, "numpy"),
    ],
)
def test_what_is_no_tensor_is_named(tmp_path: Path, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "odd.pt")
    with pytest.raises(InputError, match=words):
        read_plain_tensors(tmp_path / "odd.pt")


def test_archives_that_torch_does_not_write_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(TENSORS, buffer)
    with zipfile.ZipFile(buffer) as good:
        entries = {info.filename: good.read(info) for info in good.infolist()}
    cases: list[tuple[dict[str, bytes], int, str]] = [
        (entries, zipfile.ZIP_DEFLATED, "compressed"),
        ({**entries, "archive/code/x.py": b""}, zipfile.ZIP_STORED, "TorchScript"),
        ({**entries, "archive/constants.pkl": b""}, zipfile.ZIP_STORED, "torch.save makes"),
        ({name: text for name, text in entries.items() if not name.endswith(".pkl")}, 0, "torch.save makes"),
        ({name: b"\x80\x02\xff" if name.endswith(".pkl") else t for name, t in entries.items()}, 0, "damaged"),
        ({name: b"\x80\x04\x8c\x01a\x8c\x01b\x93." if name.endswith(".pkl") else t for name, t in entries.items()},
         0, "STACK_GLOBAL"),
    ]  # fmt: skip
    for number, (files, compression, words) in enumerate(cases):
        path = tmp_path / f"{number}.pt"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        with pytest.raises(InputError, match=words):
            read_plain_tensors(path)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    torch.save(TENSORS, tmp_path / "whole.pt")
    content = (tmp_path / "whole.pt").read_bytes()
    for keep in (0, 10, len(content) // 2, len(content) - 5):
        (tmp_path / "cut.pt").write_bytes(content[:keep])
        with pytest.raises(InputError, match=r"cut\.pt"):
            read_plain_tensors(tmp_path / "cut.pt")
    with pytest.raises(InputError, match="no such file"):
        read_plain_tensors(tmp_path / "missing.pt")


def test_a_file_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(TENSORS, tmp_path / "large.pt")
    monkeypatch.setattr(plain_tensors, "LARGEST_BYTES", 100)
    with pytest.raises(LimitError, match=r"large\.pt"):
        read_plain_tensors(tmp_path / "large.pt")
