"""Checkpoints that survive `kill -9`, a damaged file and a full disk.

A checkpoint is one file: a line with the SHA-256 of all that follows, a line of JSON, then the
bytes of the arrays. It is written under another name, flushed to the disk and renamed, so a file
under its own name is always whole; the digest finds what happens to it later.
"""

import contextlib
import hashlib
import json
import os
import warnings
from itertools import zip_longest
from pathlib import Path

import numpy as np


class CheckpointFolder:
    """The last two checkpoints of one training run.

    Args:
        folder: made at the first save. One run at a time may use it.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.last_good: Path | None = None  # written or read by this object, so known to be whole

    def save(self, step: int, facts: dict, arrays: list[tuple[str, object]]) -> None:
        """Write a checkpoint, then delete all but it and the last good one before it.

        Args:
            step: orders the checkpoints of the folder, and names the file.
            facts: anything that JSON can hold.
            arrays: pairs of a name and an array or a variable; names may repeat.

        Raises:
            FloatingPointError: a number is infinite or not a number.
            OSError: it could not be written. Earlier checkpoints are as they were.
        """
        path = self.folder / f"step-{step:09d}.checkpoint"
        if path == self.last_good:
            return
        arrays = [(name, np.asarray(value)) for name, value in arrays]
        broken = [name for name, value in arrays if not np.isfinite(value).all()]
        if broken:
            raise FloatingPointError(f"checkpoint of step {step} not written: not finite: {broken}")
        partial = path.with_suffix(".partial")
        layout = [(name, value.dtype.name, value.shape) for name, value in arrays]
        header = json.dumps({"facts": facts, "layout": layout}).encode()
        body = b"".join([header, b"\n", *(value.tobytes() for _, value in arrays)])
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(partial, "wb") as file:
                file.write(hashlib.sha256(body).hexdigest().encode() + b"\n")
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, path)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink()
            reason = f"checkpoint not written, earlier ones are untouched: {error.strerror}"
            raise OSError(error.errno, reason, str(path)) from error
        for old in self.folder.glob("step-*"):  # a kill may also have left a partial file
            if old not in (path, self.last_good):
                old.unlink()
        self.last_good = path

    def load(self) -> tuple[dict, list[tuple[str, np.ndarray]]] | None:
        """The facts and arrays of the newest checkpoint that is whole; None if there is none.

        Warns if a newer one is damaged.

        Raises:
            OSError: there are checkpoints, and all are damaged. Nothing is deleted.
        """
        damaged = []
        for path in sorted(self.folder.glob("step-*.checkpoint"), reverse=True):
            try:
                loaded = _read(path)
            except (OSError, ValueError) as error:
                damaged.append(f"{path.name}: {error}")
                continue
            if damaged:
                text = f"checkpoint damaged ({'; '.join(damaged)}); going on from {path.name}"
                warnings.warn(text, stacklevel=4)  # of whoever called fit
            self.last_good = path
            return loaded
        if damaged:
            raise OSError(
                f"no checkpoint in {self.folder} can be read ({'; '.join(damaged)}); nothing was "
                "deleted; to start anew, choose another folder"
            )
        return None


def assign(variables: list[tuple[str, object]], arrays: list[tuple[str, np.ndarray]]) -> None:
    """Give each variable its array, all of them or none.

    Raises:
        ValueError: they differ in number, shape or dtype.
    """
    for here, there in zip_longest(variables, arrays):
        values = [x and np.asarray(x[1]) for x in (here, there)]
        kinds = [x is not None and (x.shape, x.dtype.name) for x in values]
        if kinds[0] != kinds[1]:
            names = [x[0] if x else "nothing" for x in (here, there)]
            raise ValueError(
                "the checkpoint is of another model or optimizer: where this one has "
                f"{names[0]} {kinds[0] or ''}, it has {names[1]} {kinds[1] or ''}; choose another "
                "folder"
            )
    for (_, variable), (_, value) in zip(variables, arrays, strict=True):
        variable.assign(value)


def _read(path: Path) -> tuple[dict, list[tuple[str, np.ndarray]]]:
    """The facts and arrays of one file; ValueError if it is not what was written."""
    digest, _, body = path.read_bytes().partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("its SHA-256 does not match")
    header, _, data = body.partition(b"\n")
    header, offset, arrays = json.loads(header), 0, []
    for name, dtype, shape in header["layout"]:
        value = np.frombuffer(data, np.dtype(dtype), int(np.prod(shape)), offset).reshape(shape)
        arrays.append((name, value))
        offset += value.nbytes
    return header["facts"], arrays
