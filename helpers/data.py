"""The course's data: each set is loaded from data/ and checked against data/SHA256SUMS.

Where each file comes from, its licence and its faults: data/README.md. Nothing here fetches
anything but `load_minilm()`, where it is called.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import lzma
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from helpers.minilm import load_minilm

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

__all__ = [
    "FASHION_MNIST_CLASSES",
    "classifier_path",
    "encoder_path",
    "font_path",
    "load_distillation_runs",
    "load_fashion_mnist",
    "load_fine_tuning_runs",
    "load_gan_runs",
    "load_gpt_runs",
    "load_minilm",
    "load_poems",
    "load_reviews",
    "load_scaling_runs",
    "review_classifier_weights",
    "verify",
]

DATA = Path(__file__).resolve().parent.parent / "data"
SUMS = "SHA256SUMS"
REVIEWS = "reviews.tsv.xz"
POEMS = "poems.tsv.xz"
FASHION_MNIST = "fashion_mnist.xz"
GAN_RUNS = "gan_runs.tsv"
FINE_TUNING_RUNS = "fine_tuning_runs.tsv"
GPT_RUNS = "gpt_runs.tsv"
DISTILLATION_RUNS = "distillation_runs.tsv"
SCALING_RUNS = "scaling_runs.tsv"
CLASSIFIER = "fashion_classifier.keras"
REVIEW_CLASSIFIER = "review_classifier.npz"
FONT = "course-sans-sc.otf"
ENCODER = "encoder"

FASHION_MNIST_CLASSES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def load_reviews() -> pd.DataFrame:
    """Return the 35,124 Chinese reviews as found, with their duplicates and contradictions.

    Returns:
        Columns `text` (str) and `label` (int8: 1 positive, 0 negative), in the source's order: the
        positives, then the negatives. No column says what a review is about: the source does not.
    Raises:
        OSError, ValueError: the file is missing, unreadable, damaged or of another version; the
            message says how to restore it. All loaders of this module raise these two.
    """
    import pandas as pd

    with _reading(REVIEWS) as content:
        rows = lzma.decompress(content).decode().removesuffix("\n").split("\n")
        labels, texts = zip(*(row.split("\t") for row in rows), strict=True)
        return pd.DataFrame({"text": texts, "label": pd.Series(labels).astype("int8")})


def load_poems() -> pd.DataFrame:
    """Return the 36,161 Tang poems of 4 or 8 lines, all of 5 or all of 7 characters.

    Returns:
        Columns `text`, `author`, `title` (str, simplified characters), `text_traditional`,
        `author_traditional`, `title_traditional` (str, as in the source), `width` (int8: 5 or 7
        characters a line) and `lines` (int8: 4 or 8). Each line of a text is closed by one mark,
        so line i is `text[i * (width + 1) : (i + 1) * (width + 1)]`.
    """
    import pandas as pd

    columns = ["text", "author", "title"]
    columns += [f"{column}_traditional" for column in columns]
    with _reading(POEMS) as content:
        rows = lzma.decompress(content).decode().removesuffix("\n").split("\n")
        fields = zip(*(row.split("\t") for row in rows), strict=True)
        poems = pd.DataFrame(dict(zip(columns, fields, strict=True)))
        length = poems["text"].str.len()  # 24 or 48 with lines of 5 and a mark, else 32 or 64
        width = (length % 6).map({0: 5, 2: 7, 4: 7}).astype("int8")
        return poems.assign(width=width, lines=(length // (width + 1)).astype("int8"))


def load_fashion_mnist() -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return 20,000 training and 5,000 test images of Fashion-MNIST, each class equally often.

    Returns:
        `(train_images, train_labels), (test_images, test_labels)`, as Keras returns the full set:
        images (n, 28, 28) uint8 from 0 to 255, labels (n,) uint8, an index into
        `FASHION_MNIST_CLASSES`.
    """
    import numpy as np

    with _reading(FASHION_MNIST) as content:
        stream = io.BytesIO(lzma.decompress(content))
        arrays = [np.load(stream, allow_pickle=False) for _ in range(4)]
        return tuple(arrays[:2]), tuple(arrays[2:])


def load_gan_runs() -> pd.DataFrame:
    """Return the recorded comparison of generative models: a row for each look at a run.

    Returns:
        Columns `experiment`, `contender` (str), `seed`, `seconds` (of training so far), `steps`
        (int), and what notebook 04 measures: `distance`, `precision`, `recall`, `coverage` (float).
    """
    return _recorded(GAN_RUNS)


def load_fine_tuning_runs() -> pd.DataFrame:
    """Return the recorded runs of fine-tuning: a row for each.

    Returns:
        Columns `experiment` ("recipes" or "labels"), `name` (of the recipe, or of the way to
        classify), `labels`, `seed` (int), `accuracy` and `loss` (nats), on the validation reviews.
    """
    return _recorded(FINE_TUNING_RUNS)


def load_gpt_runs() -> pd.DataFrame:
    """Return the recorded training runs of small language models: a row for each thing measured.

    Returns:
        Columns `experiment`, `contender` (str), `seed` (int), `measure` (str) and its `value`
        (float), as notebook 06 measures it.
    """
    return _recorded(GPT_RUNS)


def load_scaling_runs() -> pd.DataFrame:
    """Return the grid of small GPTs to which notebook 06 fits a scaling law, a row for each run.

    Returns:
        Columns `role` (str: "grid", or "larger" for the run to be forecast), `width`, `asked`
        (tokens that were to be read), `seed`, `parameters`, `tokens` (that were read) (int), and
        `loss` (float: nats per character on the validation poems).
    """
    return _recorded(SCALING_RUNS)


def load_distillation_runs() -> pd.DataFrame:
    """Return the recorded runs of distillation: a row for each.

    Returns:
        Columns `way` (str: "labels alone" or "teacher"), `seed` (int), and on the validation
        reviews `accuracy`, `loss` (nats) and `agreement` (the share of the teacher's decisions).
    """
    return _recorded(DISTILLATION_RUNS)


def classifier_path() -> str:
    """Return the path of the classifier of Fashion-MNIST, for Keras to load, once it is verified.

    It takes images (n, 28, 28, 1) from −1 to 1 and gives logits (n, 10). Its layer "features",
    64 numbers an image, is what generated images are measured in.
    """
    _verified(CLASSIFIER)
    return str(DATA / CLASSIFIER)


def review_classifier_weights() -> list[np.ndarray]:
    """Return the weights of the fine-tuned encoder, float16, in the order of `set_weights`;
    `helpers.pretraining.load_classifier` builds the model around them."""
    import numpy as np

    with _reading(REVIEW_CLASSIFIER) as content:
        return list(np.load(io.BytesIO(content), allow_pickle=False).values())


def font_path() -> str:
    """Return the path of the course's font with Chinese characters, once it is verified."""
    _verified(FONT)
    return str(DATA / FONT)


def encoder_path() -> str:
    """Return the folder of the pretrained Chinese encoder, a KerasHub preset, once it is verified.

    Raises:
        FileNotFoundError: this copy of the course holds no encoder.
    """
    names = [name for name in _digests() if name.startswith(f"{ENCODER}/")]
    if not names:
        raise FileNotFoundError(
            f"data/{SUMS} names no file of data/{ENCODER}: this copy of the course holds no "
            f"pretrained encoder, or the list is damaged. {_restore(ENCODER, SUMS)}"
        )
    for name in names:
        _verified(name)
    return str(DATA / ENCODER)


def verify() -> list[str]:
    """Check every file that ships in data/ and return their names; raise at the first bad one."""
    names = list(_digests())
    for name in names:
        _verified(name)
    return names


def _recorded(name: str) -> pd.DataFrame:
    """A file of recorded training runs, which is tab-separated."""
    import pandas as pd

    with _reading(name) as content:
        return pd.read_csv(io.BytesIO(content), sep="\t")


@contextlib.contextmanager
def _reading(name: str) -> Iterator[bytes]:
    """Give the verified content of data/`name`; an error of its format becomes a clear one."""
    content = _verified(name)
    try:
        yield content
    except (lzma.LZMAError, ValueError, EOFError) as error:
        raise ValueError(
            f"data/{name} has the SHA-256 that data/{SUMS} says, but not the format that "
            f"helpers/data.py reads ({error}): they are of different versions of the course. "
            f"{_restore(name, SUMS)}"
        ) from error


def _verified(name: str) -> bytes:
    """Return the content of data/`name`, once its SHA-256 is the one in data/SHA256SUMS."""
    content, digests = _bytes(name), _digests()
    if name not in digests:
        raise ValueError(f"data/{SUMS} has no line for {name}. {_restore(SUMS)}")
    digest = hashlib.sha256(content).hexdigest()
    if digest != digests[name]:
        raise ValueError(
            f"data/{name} was cut short or altered: it has {len(content):,} bytes and the SHA-256 "
            f"{digest[:8]}…, not {digests[name][:8]}…. {_restore(name, SUMS)}"
        )
    return content


def _digests() -> dict[str, str]:
    """Return the digest of each file, by its name relative to data/."""
    digests = {}
    for number, line in enumerate(_bytes(SUMS).splitlines(), start=1):
        match = re.fullmatch(rb"([0-9a-f]{64}) [ *]([!-~]+)", line)
        if not match:
            raise ValueError(f"data/{SUMS}, line {number}, is damaged. {_restore(SUMS)}")
        digests[match[2].decode()] = match[1].decode()
    return digests


def _bytes(name: str) -> bytes:
    try:
        return (DATA / name).read_bytes()
    except FileNotFoundError as error:
        raise FileNotFoundError(f"data/{name} is missing. {_restore(name)}") from error
    except OSError as error:  # no permission, a folder in its place, a failing disk
        raise type(error)(
            f"data/{name} cannot be read ({error.strerror}). Make it readable, or move it away. "
            f"{_restore(name)}"
        ) from error


def _restore(*names: str) -> str:
    paths = " ".join(f"data/{name}" for name in names)
    return (
        f"To restore it, run `git checkout -- {paths}` in the course's folder; "
        "without git, download the course again."
    )
