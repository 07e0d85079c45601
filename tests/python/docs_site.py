"""The pages of `headcount docs` in a browser: `docs_site.py FOLDER [SCREENSHOTS]`.

Headless Chromium opens the pages from the file system, and is driven through a pipe. With SCREENSHOTS, a
folder, it also writes pictures and a PDF there, to be looked at.
"""

import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

NAMES = ["chromium", "chromium-browser", "google-chrome"]
HELP = "this test needs Chromium: `apt-get install chromium`, or CHROMIUM=/path/to/it"


class Browser:
    """One page in headless Chromium."""

    def __init__(self):
        program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
        if program is None:
            sys.exit(HELP)
        self.home = tempfile.TemporaryDirectory()
        to_read, self.output = os.pipe()
        self.input, to_write = os.pipe()

        def pipes():
            # It reads from 3 and writes to 4. The copies keep one from overwriting the other.
            reader, writer = os.dup(to_read), os.dup(to_write)
            os.dup2(reader, 3)
            os.dup2(writer, 4)

        flags = ["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu",
                 "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
                 f"--user-data-dir={self.home.name}"]
        self.process = subprocess.Popen(
            [program, *flags], preexec_fn=pipes, close_fds=False,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_read)
        os.close(to_write)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Network", "Log"]:
            self.call(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.home.cleanup()

    def call(self, method, **params):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.output, json.dumps(message).encode() + b"\0")
        while True:
            answer = self.receive()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer)
                return answer["result"]
            self.events.append(answer)

    def receive(self):
        while b"\0" not in self.buffer:
            more = os.read(self.input, 1 << 20)
            assert more, "Chromium has ended"
            self.buffer += more
        message, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(message)

    def open(self, url):
        # A fragment alone would not load the page again.
        self.call("Page.navigate", url="about:blank")
        self.wait_for("Page.loadEventFired")
        self.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired")

    def wait_for(self, method):
        while True:
            for at, event in enumerate(self.events):
                if event.get("method") == method:
                    del self.events[at]
                    return
            self.events.append(self.receive())

    def js(self, expression):
        # The page has handled what came before when two frames have been drawn.
        frames = "new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(r))))"
        answer = self.call("Runtime.evaluate", awaitPromise=True, returnByValue=True,
                           expression=f"{frames}.then(() => ({expression}))")
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key):
        codes = {"/": 191, "Escape": 27, "Enter": 13, "ArrowDown": 40, "ArrowUp": 38, "Tab": 9,
                 "Home": 36, "End": 35}
        text = {"Enter": "\r", "/": "/"}.get(key, "")
        params = {"key": key, "code": "Slash" if key == "/" else key, "text": text,
                  "windowsVirtualKeyCode": codes[key]}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", **params)
        self.call("Input.dispatchKeyEvent", type="keyUp", **params)

    def type(self, text):
        self.call("Input.insertText", text=text)

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)

    def media(self, media="", dark=False):
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", media=media, features=[scheme])

    def picture(self, file):
        data = self.call("Page.captureScreenshot", format="png")["data"]
        file.write_bytes(base64.b64decode(data))


ROWS = "[...document.querySelectorAll('#dictionary tbody tr:not(.kind)')]"
SHOWN = f"{ROWS}.filter(row => row.offsetParent !== null)"
FOCUS = "document.activeElement.id || document.activeElement.textContent"


def color(css):
    """Brightness of `rgb(1, 2, 3)`, 0 to 255."""
    return sum(float(part) for part in css[css.index("(") + 1:-1].split(",")[:3]) / 3


def check(page, index, names):
    all_rows = page.js(f"{SHOWN}.length")
    assert all_rows == page.js(f"{ROWS}.length") == len(names), (all_rows, len(names))
    assert page.js("document.getElementById('count').textContent") == str(all_rows)

    # `/` focuses the search, every word must occur, and the address follows.
    page.press("/")
    assert page.js(FOCUS) == "q"
    assert page.js("document.getElementById('q').value") == ""
    page.type("Mail incoming")
    shown = page.js(f"{SHOWN}.map(row => row.querySelector('code').textContent)")
    expected = [name for name, text in names if "mail" in text and "incoming" in text]
    assert shown == expected and shown, (shown, expected)
    assert page.js("location.hash") == "#q=Mail+incoming", page.js("location.hash")
    assert page.js("document.getElementById('count').textContent") == f"{len(shown)} of {all_rows}"

    # Escape clears.
    page.press("Escape")
    assert page.js(f"{SHOWN}.length") == all_rows
    assert page.js("location.hash") == ""

    # Arrows move between rows, and back to the search.
    page.press("ArrowDown")
    assert page.js(FOCUS) == names[0][0]
    outline = page.js("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid", outline
    page.press("ArrowDown")
    assert page.js(FOCUS) == names[1][0]
    page.press("ArrowUp")
    page.press("ArrowUp")
    assert page.js(FOCUS) == "q"
    page.press("ArrowDown")
    page.press("Escape")
    assert page.js(FOCUS) == "q"

    # A filter.
    page.js("(() => { const s = document.querySelector('select[name=kind]'); s.value = 'stage';"
            " s.dispatchEvent(new Event('input', {bubbles: true})); })()")
    stages = page.js(f"{SHOWN}.map(row => row.dataset.kind)")
    assert stages and set(stages) == {"stage"}, stages
    assert page.js("location.hash") == "#kind=stage"

    # Nothing matches: the page says so.
    page.press("/")
    page.type("no such thing")
    assert page.js(f"{SHOWN}.length") == 0
    assert page.js("document.getElementById('nothing').offsetParent !== null")
    page.press("Escape")
    page.press("Escape")
    assert page.js(f"{SHOWN}.length") == all_rows

    # An address reproduces search, filters and columns.
    page.open(f"{index}#q=guides&kind=metric&stage=documentation&columns=all")
    shown = page.js(f"{SHOWN}.map(row => row.querySelector('code').textContent)")
    expected = [name for name, text in names if "documentation.change_guides" in name]
    assert shown == expected and len(shown) == 1, (shown, expected)
    assert page.js("document.getElementById('q').value") == "guides"
    assert page.js("document.querySelector('select[name=stage]').value") == "documentation"
    assert page.js("document.querySelector('td.sql').offsetParent !== null")
    # One of hostile text changes nothing else.
    page.open(f"{index}#q=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E&kind=%22%3E")
    assert page.js(f"{SHOWN}.length") == 0
    assert page.js("document.querySelectorAll('img').length") == 0

    # Enter goes to the first row, and opens it.
    page.open(f"{index}#q=guides&kind=metric")
    page.press("/")
    page.press("Enter")
    page.press("Enter")
    page.wait_for("Page.loadEventFired")
    assert page.js("document.querySelector('h1').textContent") == expected[0]
    assert page.js("document.querySelectorAll('pre').length") == 1
    assert page.js("document.querySelectorAll('script').length") == 0

    # Without JavaScript everything is there, and no control that does nothing.
    page.call("Emulation.setScriptExecutionDisabled", value=True)
    page.open(index)
    assert page.js(f"{SHOWN}.length") == all_rows
    assert page.js("document.getElementById('search').offsetParent === null")
    page.call("Emulation.setScriptExecutionDisabled", value=False)

    # Dark and light, and print.
    background = "getComputedStyle(document.body).backgroundColor"
    ink = "getComputedStyle(document.body).color"
    page.open(index)
    for dark in [False, True]:
        page.media(dark=dark)
        assert (color(page.js(background)) < 100) == dark, page.js(background)
        assert (color(page.js(ink)) > 150) == dark, page.js(ink)
    page.media(media="print", dark=True)
    assert color(page.js(ink)) == 0
    assert page.js("document.getElementById('search').offsetParent === null")
    assert page.js(f"{SHOWN}.length") == all_rows
    pdf = base64.b64decode(page.call("Page.printToPDF", landscape=True)["data"])
    assert pdf.startswith(b"%PDF")
    page.media()

    # Narrow: nothing is wider than the screen.
    for width in [360, 768, 1280, 1920]:
        page.size(width, 800)
        wide = page.js("document.documentElement.scrollWidth")
        assert wide <= width, (width, wide)
    for event in page.events:
        if event.get("method") == "Network.requestWillBeSent":
            url = event["params"]["request"]["url"]
            assert url.startswith(("file://", "data:", "about:")), url
        assert event.get("method") not in ["Runtime.exceptionThrown", "Log.entryAdded"], event


def pictures(page, folder, to):
    index = (folder / "index.html").as_uri()
    metric = next((folder / "metrics").glob("*change_guides.html")).as_uri()
    event = next((folder / "events").glob("*.html")).as_uri()
    stage = next((folder / "stages").glob("data.html")).as_uri()
    privacy = (folder / "privacy.html").as_uri()
    for name, url, width, height, dark in [
        ("index", index, 1400, 1000, False), ("index-dark", index, 1400, 1000, True),
        ("index-filter", f"{index}#q=guides", 1400, 800, False),
        ("index-columns", f"{index}#columns=all", 1400, 900, False),
        ("index-narrow", index, 390, 900, False), ("metric", metric, 1200, 1700, False),
        ("metric-dark", metric, 1200, 1200, True), ("metric-narrow", metric, 390, 1500, False),
        ("event", event, 1200, 1500, False), ("stage", stage, 1200, 1300, False),
        ("privacy", privacy, 1200, 1300, False),
    ]:
        page.size(width, height)
        page.media(dark=dark)
        page.open(url)
        page.picture(to / f"{name}.png")
    page.media()
    page.open(index)
    pdf = page.call("Page.printToPDF", landscape=True, printBackground=False)["data"]
    (to / "index.pdf").write_bytes(base64.b64decode(pdf))
    page.open(metric)
    (to / "metric.pdf").write_bytes(base64.b64decode(page.call("Page.printToPDF")["data"]))


def main():
    folder = pathlib.Path(sys.argv[1]).resolve()
    table = json.loads((folder / "dictionary.json").read_text())
    words = ["name", "title", "description", "definition", "section", "stage", "group", "personal_data"]
    names = [(row["name"], " ".join(row[word] or "" for word in words).lower()) for row in table]
    page = Browser()
    try:
        page.size(1400, 900)
        if len(sys.argv) > 2:
            pictures(page, folder, pathlib.Path(sys.argv[2]))
        else:
            index = (folder / "index.html").as_uri()
            page.open(index)
            check(page, index, names)
    finally:
        page.close()


main()
