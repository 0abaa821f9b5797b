"""Make data/fashion_mnist.xz, a balanced part of Fashion-MNIST, from the Debian package.

    apt-get download dataset-fashion-mnist
    python data/make/fashion_mnist.py dataset-fashion-mnist_0.0~git20200523.55506a9-1_all.deb

Kept: the first 2,000 training images and the first 500 test images of each of the ten classes, in
the source's order. The file holds four NumPy arrays one after another (training images and labels,
test images and labels), compressed together. The script needs `dpkg-deb`, and NumPy.
"""

import argparse
import gzip
import hashlib
import io
import lzma
import subprocess
import tarfile
from pathlib import Path

import numpy as np

PACKAGE_SHA256 = "39e172fe32dd318ebb3e512220c3beea2fa47d7e20bab348fb4e0922d6beefc0"
FOLDER = "./usr/share/datasets/fashion-mnist"
PER_CLASS = {"train": 2_000, "t10k": 500}
OUTPUT = Path(__file__).resolve().parent.parent / "fashion_mnist.xz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", type=Path, help="dataset-fashion-mnist_….deb")
    package = parser.parse_args().package
    if hashlib.sha256(package.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise SystemExit(f"{package} is not the version that the course was made from")

    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    tar = io.BytesIO(subprocess.run(command, check=True, capture_output=True).stdout)
    stream = io.BytesIO()
    with tarfile.open(fileobj=tar) as archive:

        def read(name: str, header: int) -> np.ndarray:
            content = gzip.decompress(archive.extractfile(f"{FOLDER}/{name}").read())
            return np.frombuffer(content, np.uint8, offset=header)

        for part, per_class in PER_CLASS.items():
            images = read(f"{part}-images-idx3-ubyte.gz", header=16).reshape(-1, 28, 28)
            labels = read(f"{part}-labels-idx1-ubyte.gz", header=8)
            first = [np.flatnonzero(labels == label)[:per_class] for label in range(10)]
            chosen = np.sort(np.concatenate(first))
            np.save(stream, images[chosen])
            np.save(stream, labels[chosen])
            print(f"{part}: {len(chosen):,} images, a class {np.bincount(labels[chosen])}")

    OUTPUT.write_bytes(lzma.compress(stream.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    digest = hashlib.sha256(OUTPUT.read_bytes()).hexdigest()
    print(f"{OUTPUT.name}: {OUTPUT.stat().st_size:,} bytes, SHA-256 {digest}")


if __name__ == "__main__":
    main()
