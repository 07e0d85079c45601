"""A report as HTML in a browser: `report_page.py FILE [SCREENSHOTS]`.

On a narrow screen nothing is wider than it, and the labels of the y axis stay while a chart scrolls;
in print the closed tables are open. With SCREENSHOTS, a folder, it also writes pictures and a PDF
there, to be looked at.
"""

import base64
import pathlib
import sys

from docs_site import Browser

CHARTS = "[...document.querySelectorAll('figure.wide')]"
# The labels of the y axis that can be seen, and the left edge of the figure that they are in.
AXES = f"{CHARTS}.map(f => [f.querySelector('.axis').getBoundingClientRect().left, f.getBoundingClientRect().left])"
TABLES = "[...document.querySelectorAll('details table')]"
SEEN = f"{TABLES}.filter(t => t.checkVisibility({{contentVisibilityAuto: true}}) && t.offsetHeight > 100).length"


def check(page, url):
    page.size(1400, 900)
    page.open(url)
    charts = page.js(f"{CHARTS}.length")
    assert charts >= 2, charts
    assert page.js(f"{CHARTS}.every(f => getComputedStyle(f.querySelector('.axis')).display === 'none')")
    tables = page.js(f"{TABLES}.length")
    assert tables >= 2 and page.js(SEEN) == 0, tables

    for width in [360, 390, 768, 1280]:
        page.size(width, 800)
        wide = page.js("document.documentElement.scrollWidth")
        assert wide <= width, (width, wide)

    page.size(390, 800)
    page.open(url)
    # A chart is scrolled to its latest end. Its axis is at the left edge there, and at every place.
    for place in ["f.scrollLeft", "-200", "-10000"]:
        page.js(f"{CHARTS}.forEach(f => f.scrollLeft = {place})")
        for axis, figure in page.js(AXES):
            assert abs(axis - figure) < 1, (place, axis, figure)
    assert page.js(f"{CHARTS}.every(f => f.scrollWidth > f.clientWidth)")
    labels = page.js(f"{CHARTS}.map(f => [...f.querySelectorAll('.axis text')].map(t => t.textContent))")
    assert all(len(texts) >= 2 and texts[0] == "0" for texts in labels), labels

    page.size(1000, 800)
    page.media("print")
    assert page.js(SEEN) == tables, (page.js(SEEN), tables)
    page.media()
    assert page.js(SEEN) == 0
    pdf = base64.b64decode(page.call("Page.printToPDF")["data"])
    assert pdf.startswith(b"%PDF")


def pictures(page, url, to):
    for name, width, height, dark in [
        ("wide", 1400, 2400, False), ("dark", 1400, 2400, True), ("narrow", 390, 2400, False),
        ("narrow-dark", 390, 900, True),
    ]:
        page.size(width, height)
        page.media(dark=dark)
        page.open(url)
        page.picture(to / f"{name}.png")
    page.media()
    pdf = page.call("Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69)
    (to / "print.pdf").write_bytes(base64.b64decode(pdf["data"]))


def main():
    url = pathlib.Path(sys.argv[1]).resolve().as_uri()
    page = Browser()
    try:
        if len(sys.argv) > 2:
            pictures(page, url, pathlib.Path(sys.argv[2]))
        else:
            check(page, url)
    finally:
        page.close()


if __name__ == "__main__":
    main()
