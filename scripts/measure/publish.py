"""Replaces the results in docs/performance.md with those of `prompter bench`.

python scripts/measure/publish.py RESULT.json ...      as bench/results/*/result.json
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "backend"))

from app.bench.report import format_run, read_run  # noqa: E402  # the path above comes first

PAGE = ROOT / "docs" / "performance.md"
BETWEEN = re.compile(r"(<!-- results -->\n).*(<!-- end of results -->)", re.S)


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    runs = [format_run(read_run(Path(name))) for name in sys.argv[1:]]
    # Two levels lower: on the page a run is one section of many.
    sections = [re.sub(r"^(#+ )", r"##\1", run, flags=re.M) for run in runs]
    page = PAGE.read_text(encoding="utf-8")
    filled, count = BETWEEN.subn(lambda found: f"{found[1]}\n{''.join(sections)}\n{found[2]}", page)
    if not count:
        sys.exit(f"{PAGE} has no place for results")
    PAGE.write_text(filled, encoding="utf-8")


if __name__ == "__main__":
    main()
