"""Make data/course-sans-sc.otf, a subset of Noto Sans CJK SC, from the PyPI package mplfonts.

    pip download --no-deps mplfonts==0.0.11
    pip install fonttools==4.68.0
    python data/make/font.py mplfonts-0.0.11-py3-none-any.whl

Kept: the characters of GB 2312, those of the reviews and of the simplified poems, and the letters
and signs that figures use, as far as the font has them. Run it after reviews.py and poems.py.
The licence reserves no font name, but Noto is a trademark, and Matplotlib picks a font by its name:
the subset is called Course Sans SC, so that it is never taken for a full Noto that is installed.
"""

import argparse
import hashlib
import importlib.metadata
import io
import lzma
import zipfile
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

PACKAGE_SHA256 = "b5e05ba7fd9a59cae48d1db41f657f50e6765e6f04b8d78504438b93a66b6e13"
FONTTOOLS_VERSION = "4.68.0"
MEMBER = "mplfonts/fonts/NotoSansCJKsc-Regular.otf"
DATA = Path(__file__).resolve().parent.parent
OUTPUT = DATA / "course-sans-sc.otf"

# Latin, Greek, punctuation, super- and subscripts, arrows, operators, shapes, kana, full width.
RANGES = [(0x20, 0x17F), (0x370, 0x3FF), (0x2010, 0x209F), (0x2190, 0x22FF), (0x2500, 0x27BF)]
RANGES += [(0x3000, 0x30FF), (0xFF01, 0xFFEE)]


def wanted() -> set[int]:
    """Return the code points that the course may show."""
    points = {point for first, last in RANGES for point in range(first, last + 1)}
    for high in range(0xA1, 0xF8):  # GB 2312: two bytes, each from 0xA1
        for low in range(0xA1, 0xFF):
            points.update(map(ord, bytes([high, low]).decode("gb2312", errors="ignore")))
    for row in lzma.decompress((DATA / "reviews.tsv.xz").read_bytes()).decode().splitlines():
        points.update(map(ord, row))
    for row in lzma.decompress((DATA / "poems.tsv.xz").read_bytes()).decode().splitlines():
        points.update(map(ord, "".join(row.split("\t")[:3])))
    return points


def rename(font: TTFont, family: str) -> None:
    """Give the font another name wherever it is shown; copyright and licence stay."""
    postscript = f"{family.replace(' ', '')}-Regular"
    names = {1: family, 3: f"1.004;{postscript}", 4: f"{family} Regular", 6: postscript}
    for record in list(font["name"].names):
        if record.nameID in names:
            record.string = names[record.nameID]
        elif record.nameID not in (0, 2, 5, 7, 8, 9, 13, 14):
            font["name"].removeNames(nameID=record.nameID)
    cff = font["CFF "].cff
    cff.fontNames = [postscript]
    cff.topDictIndex[0].FamilyName = family
    cff.topDictIndex[0].FullName = f"{family} Regular"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="mplfonts-0.0.11-py3-none-any.whl")
    package = parser.parse_args().package
    if hashlib.sha256(package.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise SystemExit(f"{package} is not the wheel of mplfonts 0.0.11")
    if importlib.metadata.version("fonttools") != FONTTOOLS_VERSION:
        raise SystemExit(
            f"another fontTools cuts otherwise: install fonttools=={FONTTOOLS_VERSION}"
        )

    source = io.BytesIO(zipfile.ZipFile(package).read(MEMBER))
    font = TTFont(source, recalcTimestamp=False)
    options = subset.Options(layout_features=[], hinting=False, name_IDs=["*"])
    options.drop_tables += ["GSUB", "GPOS", "BASE", "VORG", "vhea", "vmtx", "DSIG"]
    cutter = subset.Subsetter(options)
    asked, has = wanted(), set(font.getBestCmap())
    cutter.populate(unicodes=asked & has)
    cutter.subset(font)
    rename(font, "Course Sans SC")
    font.save(OUTPUT)

    without = sorted(point for point in asked - has if chr(point).isalpha())
    print(f"{len(asked & has):,} characters; letters without a glyph: {len(without):,}")
    digest = hashlib.sha256(OUTPUT.read_bytes()).hexdigest()
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
