"""The page in a real browser: it renders, turns, stays quiet and fits on a phone."""

import pytest

import measurelp as mlp

from .browser import Browser

CAMERA = (
    "const eye = document.getElementById('landscape')._fullLayout.scene._scene.getCamera().eye;"
    "return [eye.x, eye.y, eye.z]"
)
# Pixels of the WebGL canvas that are neither white nor transparent, as a share.
PAINTED = """
const canvas = document.querySelector('#landscape canvas'), copy = document.createElement('canvas');
document.getElementById('landscape')._fullLayout.scene._scene.glplot.redraw();
copy.width = canvas.width; copy.height = canvas.height;
const context = copy.getContext('2d', {willReadFrequently: true});
context.drawImage(canvas, 0, 0);
const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
let painted = 0;
for (let k = 0; k < pixels.length; k += 4)
  if (pixels[k + 3] > 128 && pixels[k] + pixels[k + 1] + pixels[k + 2] < 720) painted += 1;
return painted / (pixels.length / 4)
"""


@pytest.fixture(scope="module")
def page(plane, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "report.html"
    mlp.write_report(plane, file, uniqueness=mlp.uniqueness(plane))
    return file


@pytest.fixture
def opened(chromedriver, page):
    """A function that opens the page in a window of a given size, and waits until it is drawn."""
    windows = []

    def at(width, height):
        window = Browser(chromedriver, width=width, height=height)
        windows.append(window)
        window.open("data:,")
        window.requests(), window.console()
        window.open(page.as_uri())
        window.wait(
            "const all = [...document.querySelectorAll('.js-plotly-plot')];"
            "return all.length === 3 && all.every(one => one._fullLayout)"
            " && !!document.getElementById('landscape')._fullLayout.scene._scene"
        )
        return window

    yield at
    for window in windows:
        window.close()


def assert_quiet(browser, page):
    """Nothing but the page was asked for, and nothing went wrong."""
    asked = [url for url in browser.requests() if not url.startswith(("data:", "blob:"))]
    assert asked == [page.as_uri()]
    # What the browser says of its own graphics driver is not about the page.
    own = ("GL Driver Message", "Canvas2D")
    assert [line for line in browser.console() if not any(word in line for word in own)] == []


def test_the_page_renders_and_turns(opened, page, plane):
    browser = opened(1000, 800)
    browser.wait(PAINTED.replace("return painted", "return 0.03 < painted"))
    assert float(browser.run("return document.querySelector('#primal data').value")) == (
        plane.certificate.primal_value
    )
    facts = browser.run("return JSON.parse(document.getElementById('facts').textContent)")
    assert facts["verdict"] == "OPTIMAL"
    before = browser.run(CAMERA)
    browser.drag("#landscape", 90, 50)
    moved = "Math.hypot(eye.x - arguments[0], eye.y - arguments[1], eye.z - arguments[2])"
    turned = CAMERA.replace("[eye.x, eye.y, eye.z]", f"{moved} > 0.1")
    browser.wait(turned, *before)
    assert_quiet(browser, page)


def test_the_page_fits_on_a_phone(opened, page):
    browser = opened(390, 844)
    assert browser.run("return innerWidth") == 390
    assert browser.run("return document.documentElement.scrollWidth") <= 390
    # Nothing but what may scroll by itself sticks out, and text is large enough to read.
    assert (
        browser.run(
            "return [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > 391"
            " && !e.closest('.scroll, pre, .picture')).map(e => e.outerHTML.slice(0, 80))"
        )
        == []
    )
    assert browser.run("return parseFloat(getComputedStyle(document.body).fontSize)") >= 14
    assert_quiet(browser, page)
    # Whatever got into the page could not ask for anything: its policy forbids it.
    browser.run("new Image().src = 'http://127.0.0.1:9/x.png'")
    assert any("Content Security Policy" in line for line in browser.console())


def test_the_checks_can_fail(chromedriver, tmp_path):
    file = tmp_path / "wide.html"
    file.write_text(
        "<meta name=viewport content=width=device-width><p style=width:900px>wide</p>"
        "<script>console.error('mine')</script><img src=http://127.0.0.1:9/x.png>"
    )
    browser = Browser(chromedriver, width=390, height=844)
    try:
        browser.open(file.as_uri())
        assert browser.run("return document.documentElement.scrollWidth") > 390
        assert any("mine" in line for line in browser.console())
        assert "http://127.0.0.1:9/x.png" in browser.requests()
    finally:
        browser.close()
