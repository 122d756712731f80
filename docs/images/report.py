"""Draws report.png: the top of the report on house prices, as Chromium shows it.

python docs/images/report.py   (needs Matplotlib, Pillow and Chromium)
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from PIL import Image

import pellucid

SEED = 3452928530  # of the run that the README shows
SIZE = (1000, 1255)


def main() -> None:
    out = Path(__file__).with_name("report.png")
    with tempfile.TemporaryDirectory() as folder:
        page, shot = Path(folder, "report.html"), Path(folder, "shot.png")
        model = pellucid.TableModel.train(pellucid.datasets.housing(), "median_house_value", seed=SEED, verbose=0)
        model.report(command="pellucid train housing.csv --target median_house_value").save(page)
        browser = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        frame = [f"--window-size={SIZE[0]},{SIZE[1]}", f"--user-data-dir={folder}/profile", f"--screenshot={shot}"]
        subprocess.run([*browser, *frame, page.as_uri()], check=True, capture_output=True, timeout=120)
        Image.open(shot).convert("RGB").quantize(64).save(out, optimize=True)
    print(f"wrote {out}")


if __name__ == "__main__":
    main()
