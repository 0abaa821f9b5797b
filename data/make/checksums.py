"""Write the digests of the files in data/ into data/SHA256SUMS and the table of data/README.md.

    python data/make/checksums.py

Run it after another script has made a file anew. helpers/data.py verifies each file against
data/SHA256SUMS, and so does `sha256sum -c SHA256SUMS` inside data/.
"""

import hashlib
import re
from pathlib import Path

DATA = Path(__file__).resolve().parent.parent
PATTERNS = ["*.xz", "*.otf", "*.keras", "*.npz", "*.tsv", "encoder/**/*"]
TABLE = re.compile(r"(?<=<!-- checksums -->\n).*?(?=<!-- end -->)", flags=re.DOTALL)


def main() -> None:
    files = sorted(path for pattern in PATTERNS for path in DATA.glob(pattern) if path.is_file())
    sums, table = "", "| file | bytes | SHA-256 |\n|---|---:|---|\n"
    for path in files:
        name = path.relative_to(DATA).as_posix()
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        sums += f"{digest}  {name}\n"
        table += f"| `{name}` | {path.stat().st_size:,} | `{digest}` |\n"
    (DATA / "SHA256SUMS").write_text(sums, encoding="utf-8", newline="\n")
    readme = DATA / "README.md"
    text, found = TABLE.subn(table, readme.read_text(encoding="utf-8"))
    if found != 1:
        raise SystemExit(f"{readme} needs one table between <!-- checksums --> and <!-- end -->")
    readme.write_text(text, encoding="utf-8", newline="\n")
    print(sums, end="")


if __name__ == "__main__":
    main()
