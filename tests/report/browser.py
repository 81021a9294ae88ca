"""Chromium driven over chromedriver's HTTP interface, with nothing but the standard library."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
DRIVER = shutil.which("chromedriver")
MISSING = None if CHROMIUM and DRIVER else "chromium and chromedriver are not installed"
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader", "--disable-quic",
    "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars",
)  # fmt: skip


class Browser:
    """One page of a headless browser."""

    def __init__(self, base: str, *, width: int, height: int) -> None:
        self._folder = tempfile.mkdtemp(prefix="profile-")
        # Without the emulation a window is at least 500 pixels wide.
        options = {
            "binary": CHROMIUM, "args": [*_FLAGS, f"--user-data-dir={self._folder}"],
            "mobileEmulation": {
                "deviceMetrics": {"width": width, "height": height, "pixelRatio": 1.0, "mobile": width < 500}
            },
        }  # fmt: skip
        wanted = {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        }  # fmt: skip
        self._base = base
        answer = _call(f"{base}/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"{base}/session/{answer['sessionId']}"

    def open(self, url: str) -> None:
        _call(f"{self._session}/url", {"url": url})

    def run(self, script: str, *arguments: object):
        """The value that a script returns."""
        return _call(f"{self._session}/execute/sync", {"script": script, "args": list(arguments)})

    def wait(self, script: str, *arguments: object, seconds: float = 90.0) -> None:
        """Until the script returns something true."""
        end = time.monotonic() + seconds
        while not self.run(script, *arguments):
            if time.monotonic() > end:
                raise AssertionError(f"still not true: {script}")
            time.sleep(0.2)

    def drag(self, selector: str, dx: int, dy: int) -> None:
        """Press the mouse in the middle of an element, move it, let it go."""
        box = self.run(
            "const e = document.querySelector(arguments[0]); e.scrollIntoView({block: 'center'});"
            "const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]",
            selector,
        )
        x, y = (round(c) for c in box)
        steps = [
            {"type": "pointerMove", "x": x, "y": y, "duration": 0},
            {"type": "pointerDown", "button": 0},
            *(
                {"type": "pointerMove", "x": x + dx * k // 4, "y": y + dy * k // 4, "duration": 60}
                for k in range(1, 5)
            ),
            {"type": "pointerUp", "button": 0},
        ]
        pointer = {
            "type": "pointer",
            "id": "mouse",
            "parameters": {"pointerType": "mouse"},
            "actions": steps,
        }
        _call(f"{self._session}/actions", {"actions": [pointer]})

    def console(self) -> list[str]:
        """Errors and warnings since the last call."""
        entries = _call(f"{self._session}/se/log", {"type": "browser"})
        return [e["message"] for e in entries if e["level"] in ("SEVERE", "WARNING")]

    def requests(self) -> list[str]:
        """All addresses that were asked for since the last call."""
        entries = _call(f"{self._session}/se/log", {"type": "performance"})
        events = [json.loads(entry["message"])["message"] for entry in entries]
        return [
            event["params"]["request"]["url"]
            for event in events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def screenshot(self, path) -> None:
        with open(path, "wb") as stream:
            stream.write(base64.b64decode(_call(f"{self._session}/screenshot")))

    def close(self) -> None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            _call(self._session, method="DELETE")
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def driver():
    """The address of a chromedriver that runs as long as the context."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [DRIVER, f"--port={port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    base = f"http://127.0.0.1:{port}"
    try:
        for _ in range(100):
            with contextlib.suppress(urllib.error.URLError, OSError):
                if _call(f"{base}/status")["ready"]:
                    break
            time.sleep(0.1)
        yield base
    finally:
        process.terminate()
        process.wait(timeout=20)


def _call(url: str, body: object = None, method: str | None = None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        url, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=180) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read()[:2000]!r}") from None
