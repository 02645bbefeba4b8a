"""Write the half-megabyte language model that the tests use: `python scripts/make_tiny_gguf.py models/tiny.gguf`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "backend"))

from tests.support.tiny_llama import SENTENCE, write_tiny_llama


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    path = Path(sys.argv[1])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tiny_llama(path)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB; it knows one sentence: {SENTENCE!r}")


if __name__ == "__main__":
    main()
