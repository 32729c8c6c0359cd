"""The page in a browser: Chromium, driven by Playwright, where both are installed."""

import contextlib
import os
import shutil
import time
from pathlib import Path

import pytest

from tests.alexnet.serve.conftest import serving
from tests.alexnet.serve.test_server import hostile_files

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
sync_api = pytest.importorskip("playwright.sync_api", reason="no Playwright")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
SECONDS_TO_FIRST_ANSWER = 1.5


@pytest.fixture(scope="module")
def chromium():
    options = ["--no-sandbox", "--use-fake-device-for-media-stream"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, server):
    """Opens the page; at the end nothing has complained, or asked for anything elsewhere."""
    with contextlib.ExitStack() as stack:

        def visit(width=1400, to=server, permissions=(), **options):
            context = chromium.new_context(
                viewport={"width": width, "height": 900}, permissions=permissions, **options
            )
            stack.callback(context.close)
            page = context.new_page()
            page.complaints, page.elsewhere = [], []
            page.on("pageerror", lambda error: page.complaints.append(str(error)))
            page.on("console", lambda message: page.complaints.append(message.text))
            page.on(
                "request",
                lambda asked: (
                    asked.url.startswith((to.url, "data:", "blob:"))
                    or page.elsewhere.append(asked.url)
                ),
            )
            page.goto(to.url)
            page.wait_for_selector("#filters[src]")
            pages.append(page)
            return page

        pages = []
        yield visit
        for page in pages:
            refused = "Failed to load resource: the server responded with a status of 422"
            assert [c for c in page.complaints if not c.startswith(refused)] == []
            assert page.elsewhere == []


@pytest.fixture
def photo_file(photos):
    return str(min(photos.rglob("green/*")))


def choose(page, file):
    page.set_input_files("#file", file)
    page.wait_for_selector("#classes li")
    page.wait_for_selector("#place:not(:empty)")


def is_too_wide(page):
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_from_an_image_to_a_number(visit, photo_file, width, scheme):
    page = visit(width, color_scheme=scheme)
    choose(page, photo_file)
    assert page.locator("#classes li").count() == 3
    total = sum(float(text[:-1]) for text in page.locator(".percent").all_inner_texts())
    assert total == pytest.approx(100, abs=0.2)
    page.select_option("#layer", "conv2")
    page.wait_for_selector("#map[aria-label^=conv2]")
    page.click("#map", position={"x": 5, "y": 5})
    page.wait_for_selector("#number table")
    assert "row 0, column 0" in page.inner_text("#number-heading")
    assert page.inner_text("#place").split(": ")[1] in page.inner_text("#number-heading")
    page.check("#backward")
    page.wait_for_selector("#explanation h3")
    assert page.is_visible("#box")
    page.check("[value=cam]")
    page.wait_for_function("() => document.getElementById('picture').src.endsWith('cam')")
    assert not is_too_wide(page)
    text, back = (
        page.evaluate(f"() => getComputedStyle(document.body).{name}")
        for name in ("color", "backgroundColor")
    )
    light, dark = (sum(map(int, c[4:-1].split(","))) for c in (back, text))
    assert (light > dark) == (scheme == "light")


def test_first_answer_comes_soon(visit, photo_file, record_property):
    """Shown as a number; it fails only where something takes many times as long."""
    page = visit()
    started = time.monotonic()
    choose(page, photo_file)
    seconds = time.monotonic() - started
    record_property("seconds", seconds)
    assert seconds < 10 * SECONDS_TO_FIRST_ANSWER


def test_slider_and_mosaic_choose_channels(visit, photo_file):
    page = visit()
    choose(page, photo_file)
    page.fill("#channel", "4")
    page.wait_for_selector("#map[aria-label*='channel 4']")
    assert page.inner_text("#channel-number") == "4 of 0 to 9"
    page.click("#mosaic", position={"x": 3, "y": 3})
    page.wait_for_selector("#map[aria-label*='channel 0']")
    page.select_option("#layer", "fc6")
    page.wait_for_selector("#map[aria-label*='unit']")
    assert not page.is_visible("#channel")
    page.press("#map", "Enter")
    page.wait_for_selector("#number table")
    assert "fc6 (410), unit" in page.inner_text("#number-heading")


def test_keyboard_alone(visit, photo_file):
    page = visit()
    choose(page, photo_file)
    page.focus("#map")
    for _ in range(20):  # to a corner, and not beyond
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowRight")
    assert "row 0, column 1" in page.get_attribute("#map", "aria-label")
    page.keyboard.press("Enter")
    page.wait_for_selector("#number table")
    assert page.evaluate("document.activeElement.id") == "number-heading"
    page.focus("[value=picture]")
    page.keyboard.press("ArrowDown")
    assert page.is_checked("[value=gradient]")


def test_pasting(visit, photo_file):
    page = visit()
    page.evaluate(
        """(bytes) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
            document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: files }));
        }""",
        list(Path(photo_file).read_bytes()),
    )
    page.wait_for_selector("#classes li")
    page.evaluate(
        """() => document.dispatchEvent(
            new ClipboardEvent("paste", { clipboardData: new DataTransfer() }))"""
    )
    assert page.inner_text("#message") == "There is no image in the clipboard."


def test_dropping(visit, photo_file):
    page = visit()
    page.evaluate(
        """(bytes) => {
            const files = new DataTransfer();
            files.items.add(new File([new Uint8Array(bytes)], "a.png", { type: "image/png" }));
            const options = { dataTransfer: files, bubbles: true, cancelable: true };
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", options));
        }""",
        list(Path(photo_file).read_bytes()),
    )
    page.wait_for_selector("#classes li")


def test_camera(visit):
    page = visit(permissions=["camera"])
    page.click("#camera")
    page.wait_for_function("() => document.getElementById('video').videoWidth > 0")
    page.click("#shoot")
    page.wait_for_selector("#classes li")
    assert not page.is_visible("#viewfinder")


def test_camera_that_is_denied(visit):
    page = visit(permissions=[])
    page.click("#camera")
    page.wait_for_selector("#message:not([hidden])")
    assert "choose a file instead" in page.inner_text("#message")


def test_hostile_files_get_a_message(visit, photo_file, tmp_path):
    page = visit(390)
    for number, content in enumerate(hostile_files().values()):
        path = tmp_path / f"{number}.png"
        path.write_bytes(content)
        page.evaluate("document.getElementById('message').hidden = true")
        page.set_input_files("#file", str(path))
        page.wait_for_selector("#message:not([hidden])")
        assert page.inner_text("#message").startswith("the image")
        assert page.locator("#classes li").count() == 0
    choose(page, photo_file)
    assert not page.is_visible("#message")
    assert not is_too_wide(page)


def test_two_clients_at_once(visit, photos):
    pages = [visit(), visit(390)]
    files = [str(min(photos.rglob(f"{name}/*"))) for name in ("red", "blue")]
    for page, file in zip(pages, files):
        page.set_input_files("#file", file)
    for page in pages:
        page.wait_for_selector("#place:not(:empty)")
    shown = [page.get_attribute("#picture", "src") for page in pages]
    assert shown[0] != shown[1]


def test_neighbors(visit, photo_file):
    page = visit()
    choose(page, photo_file)
    page.click("#find")
    page.wait_for_selector("#neighbors li")
    assert page.locator("#neighbors img").count() == 6


def test_a_second_image_has_no_explanation_yet(visit, photos, photo_file):
    page = visit()
    choose(page, photo_file)
    page.press("#map", "Enter")
    page.wait_for_selector("#number table")
    before = page.get_attribute("#picture", "src")
    page.set_input_files("#file", str(min(photos.rglob("red/*"))))
    page.wait_for_function(
        "(before) => document.getElementById('picture').getAttribute('src') !== before", arg=before
    )
    assert not page.is_visible("#number")
    assert not page.is_visible("#box")


def test_the_gradient_is_that_of_the_number_that_is_shown(visit, photo_file):
    page = visit()
    choose(page, photo_file)
    page.press("#map", "Enter")
    page.wait_for_selector("#number table")
    heading = page.inner_text("#number-heading")
    page.focus("#map")
    for key in ("ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
    page.check("#backward")
    page.wait_for_selector("#explanation h3")
    assert page.inner_text("#number-heading") == heading


def test_a_slow_answer_does_not_replace_a_newer_one(visit, photo_file):
    page = visit()
    choose(page, photo_file)
    slow = []

    def delay(route):
        if not slow:
            slow.append(route)  # answered below, after the next one
        else:
            route.continue_()

    page.route("**/explain/**", delay)
    page.click("#map", position={"x": 5, "y": 5})
    page.wait_for_timeout(200)
    page.click("#map", position={"x": 60, "y": 60})
    page.wait_for_selector("#number table")
    heading = page.inner_text("#number-heading")
    slow[0].continue_()
    page.wait_for_timeout(500)
    assert page.inner_text("#number-heading") == heading
    assert "row 0, column 0" not in heading


def test_news_leave_messages_and_go_on_after_a_failure(visit, undisturbed, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with serving(undisturbed, follow=True) as server:
        page = visit(to=server)
        asked = []

        def fail_once(route):
            asked.append(route)
            if len(asked) == 1:
                route.abort()
            else:
                route.continue_()

        page.route("**/progress", fail_once)
        page.set_input_files("#file", str(bad))
        page.wait_for_selector("#message:not([hidden])")
        page.wait_for_timeout(7500)
        assert len(asked) >= 2
        assert page.inner_text("#message").startswith("the image")
        page.complaints.clear()  # Chromium's about the request that was aborted


def test_a_running_training(visit, undisturbed, photo_file, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(undisturbed, folder)
    with serving(folder, follow=True) as server:
        page = visit(to=server)
        page.wait_for_selector("#curves svg")
        assert "Epoch 2 of 2" in page.inner_text("#epoch")
        choose(page, photo_file)
        before = page.get_attribute("#picture", "src")
        copy = folder / "again"
        shutil.copy(folder / "last.safetensors", copy)
        os.utime(copy, (time.time() + 5,) * 2)
        copy.replace(folder / "last.safetensors")
        page.wait_for_function(
            "(before) => document.getElementById('picture').getAttribute('src') !== before",
            arg=before,
            timeout=20_000,
        )


def test_server_that_has_ended(visit, photo_file):
    page = visit()
    page.context.set_offline(True)
    page.set_input_files("#file", photo_file)
    page.wait_for_selector("#message:not([hidden])")
    assert "it may have ended" in page.inner_text("#message")
    page.complaints.clear()  # Chromium says so, too
