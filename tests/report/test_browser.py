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


@pytest.fixture(params=[(1100, 900), (390, 844)], ids=["desk", "phone"])
def browser(request, chromedriver, page):
    width, height = request.param
    window = Browser(chromedriver, width=width, height=height)
    try:
        window.open("data:,")
        window.requests(), window.console()
        window.open(page.as_uri())
        window.wait(
            "const all = [...document.querySelectorAll('.js-plotly-plot')];"
            "return all.length === 3 && all.every(one => one._fullLayout)"
            " && !!document.getElementById('landscape')._fullLayout.scene._scene"
        )
        yield window
    finally:
        window.close()


def test_the_page_renders_turns_and_stays_quiet(browser, page, plane):
    width = browser.run("return innerWidth")
    assert browser.run("return document.documentElement.scrollWidth") <= width
    browser.wait(PAINTED.replace("return painted", "return 0.03 < painted"))
    # Text is large enough to read, and the answer is what the certificate says.
    assert browser.run("return parseFloat(getComputedStyle(document.body).fontSize)") >= 14
    shown = browser.run("return document.querySelector('#primal data').value")
    assert float(shown) == plane.certificate.primal_value
    assert (
        browser.run("return JSON.parse(document.getElementById('facts').textContent).verdict")
        == "OPTIMAL"
    )

    before = browser.run(CAMERA)
    browser.drag("#landscape", 90, 50)
    browser.wait(CAMERA.replace("return [eye.x", f"const was = {before}; return [eye.x").replace(
        "[eye.x, eye.y, eye.z]",
        "Math.hypot(eye.x - was[0], eye.y - was[1], eye.z - was[2]) > 0.1"))  # fmt: skip
    assert browser.run(PAINTED) > 0.03

    asked = [url for url in browser.requests() if not url.startswith(("data:", "blob:"))]
    assert asked == [page.as_uri()]
    # What the browser says of its own graphics driver is not about the page.
    about = [
        line
        for line in browser.console()
        if "GL Driver Message" not in line and "Canvas2D" not in line
    ]
    assert about == []
