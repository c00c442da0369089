"""The built pages: links lead somewhere, and all shows in a browser.

They are looked at where SKEMB_SITE names their folder, as after::

    python -m sphinx -W docs docs/_build && SKEMB_SITE=docs/_build python -m pytest
"""

import json
import os
import re
import shutil
import subprocess
import threading
from functools import cache, partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

SITE = Path(os.environ.get("SKEMB_SITE", "nowhere")).resolve()
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(
    "SKEMB_SITE" not in os.environ, reason="SKEMB_SITE does not name built pages"
)
LOOKED_AT = [
    "index.html",
    "bipartite.html",
    "scaling.html",
    "api/skemb.GraphEmbedder.html",
    "gallery/index.html",
    "gallery/plot_digits_graph.html",
]


class Page(HTMLParser):
    """The anchors and the links of a page."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("id", "name"):
                self.anchors.add(value)
            elif name in ("href", "src") and value:
                self.links.add(value)


page_of = cache(Page)


def test_links_lead_somewhere():
    assert SITE.is_dir()
    pages = sorted(set(SITE.rglob("*.html")) - set(SITE.glob("_static/**/*")))
    assert len(pages) > 30
    lost = []
    for path in pages:
        for link in page_of(path).links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve()
            target = target if parts.path else path
            anchor = unquote(parts.fragment)
            is_there = target.is_file() and (
                not anchor
                or target.suffix != ".html"
                or anchor in page_of(target).anchors
            )
            if not is_there:
                lost.append((path.relative_to(SITE).as_posix(), link))
    assert not lost


class Server(ThreadingHTTPServer):
    """Serves the pages, and one that looks at them from within a frame."""

    found = None

    def __init__(self):
        super().__init__(("127.0.0.1", 0), partial(Handler, directory=str(SITE)))
        self.has_found = threading.Event()


class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path != "/look":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(LOOK.replace("PAGES", json.dumps(LOOKED_AT)).encode())

    def do_POST(self):
        self.server.found = json.loads(
            self.rfile.read(int(self.headers["Content-Length"]))
        )
        self.send_response(204)
        self.end_headers()
        self.server.has_found.set()

    def log_message(self, *arguments):
        pass


LOOK = """<!DOCTYPE html><title>look</title>
<iframe id="frame" width="1200" height="900"></iframe><script>
const frame = document.getElementById("frame"), found = {};
const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));
async function open(page) {
  await new Promise(done => { frame.onload = done; frame.src = page; });
  return frame.contentDocument;
}
(async () => {
  for (const page of PAGES) {
    const shown = await open(page);
    for (const image of shown.images) image.loading = "eager";
    await Promise.all([...shown.images].map(image => image.decode().catch(() => 0)));
    found[page] = {
      heading: shown.querySelector("h1")?.textContent,
      words: shown.body.innerText.split(/\\s+/).length,
      images: shown.images.length,
      broken: [...shown.images].filter(i => !i.naturalWidth).map(i => i.src),
      wide: shown.documentElement.scrollWidth > 1210,
    };
  }
  const search = await open("search.html?q=temperature");
  for (let k = 0; k < 50 && !search.querySelector(".search li"); k++) await wait(100);
  await wait(500);
  found["search"] = search.querySelectorAll(".search li").length;
  console.log("looked");
  await fetch("/found", {method: "POST", body: JSON.stringify(found)});
})();
</script>"""


@pytest.fixture(scope="module")
def looked(tmp_path_factory):
    """Return what a browser found on the pages, and what its console says."""
    if BROWSER is None:
        pytest.skip("Chromium is not installed")
    folder = tmp_path_factory.mktemp("browser")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
        "--remote-debugging-port=0",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}",
    ]
    with Server() as server, open(folder / "log", "w+", encoding="utf-8") as log:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/look"
        with subprocess.Popen([BROWSER, *options, address], stderr=log) as browser:
            server.has_found.wait(timeout=120)
            browser.kill()
        server.shutdown()
        log.seek(0)
        console = re.findall(r"CONSOLE.*?\] (.*)", log.read())
    assert server.found, "the browser did not come to an end"
    return server.found, console


def test_pages_show_in_a_browser(looked):
    found, _ = looked
    for page in LOOKED_AT:
        seen = found[page]
        assert seen["heading"], page
        assert seen["words"] > 40, page
        assert seen["broken"] == [], page
        assert not seen["wide"], page
    with_images = ("bipartite.html", "scaling.html", "gallery/plot_digits_graph.html")
    assert all(found[page]["images"] for page in with_images)


def test_search_finds(looked):
    assert looked[0]["search"] > 3


def test_console_has_no_errors(looked):
    assert any("looked" in line for line in looked[1])
    errors = [line for line in looked[1] if re.search("Uncaught|rror|Failed", line)]
    # Formulas are set by a script from elsewhere, which needs the internet.
    assert [line for line in errors if "cdn" not in line] == []
