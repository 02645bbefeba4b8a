"""States of the guide, the settings, the log-in and the dictations: each function takes the screenshots of some."""

from functools import partial

from playwright.sync_api import Page, Route, expect
from server import PASSWORD, PERSON
from session import ScreenshotSession, named
from states_speech import dictate, dictate_no_more

FETCHED = "small"
MOST_WRONG = 4
"""After more wrong passwords the server wants a pause."""


def guide(session: ScreenshotSession, url: str) -> None:
    """The guide of the first visit."""
    for page, look in session.pages(url, guided=False):
        for step in (1, 2, 3):
            page.get_by_role("dialog").wait_for()
            session.shoot(page, f"guide-{step}", look, 700)
            page.locator("[data-first]").click()


def settings(session: ScreenshotSession, url: str) -> None:
    """All of the page on one screenshot, and on another one with all that is folded."""
    for page, look in session.pages(f"{url}/#/settings"):
        page.locator("main ul li").first.wait_for()
        page.wait_for_timeout(800)
        session.shoot_whole(page, "settings", look)
        page.evaluate("document.querySelectorAll('main details').forEach((fold) => (fold.open = true))")
        session.shoot_whole(page, "settings-open", look)


def try_microphone(session: ScreenshotSession, url: str) -> None:
    for page, look in session.pages(f"{url}/#/settings"):
        button = page.get_by_role("button", name=named("Try the microphone", "Probar el micrófono"))
        button.scroll_into_view_if_needed()
        button.click()
        page.get_by_test_id("level").wait_for()
        session.shoot(page, "microphone-test", look, 2500)


def fetching(session: ScreenshotSession, url: str) -> None:
    """Better hearing while it comes, and where it broke off. The server fetches nothing: its list is amended."""
    under_way: dict[str, object] = {
        "name": FETCHED,
        "state": "fetching",
        "done_bytes": 201_000_000,
        "total_bytes": 486_000_000,
        "bytes_per_s": 6_400_000,
        "error": None,
    }
    cut = {"code": "source_unreachable", "message": "", "need_bytes": None, "free_bytes": None}
    for name, fetch in (
        ("fetching", under_way),
        ("fetching-cut", {**under_way, "state": "failed", "bytes_per_s": None, "error": cut}),
    ):
        for page, look in session.pages("about:blank"):
            body = page.request.get(f"{url}/api/checkpoints").json()
            for item in body["items"]:
                if item["name"] == FETCHED:
                    item.update(can_run=True, download_bytes=486_000_000, partial_bytes=201_000_000)
            page.route("**/api/checkpoints", partial(answer, {**body, "may_change": True, "fetch": fetch}))
            page.goto(f"{url}/#/settings")
            row = page.get_by_role("listitem").filter(has_text=FETCHED).first
            row.scroll_into_view_if_needed()
            session.shoot(page, name, look, 600)


def answer(body: dict[str, object], route: Route) -> None:
    route.fulfill(json=body)


def hold_dictation(url: str, session: ScreenshotSession) -> None:
    """Dictate to the real engine: what was said is then among the dictations."""
    with session.page(url) as page:
        dictate(page)
        expect(page.get_by_test_id("heard")).not_to_be_empty(timeout=60_000)
        dictate_no_more(page)


def dictations(session: ScreenshotSession, url: str) -> None:
    for page, look in session.pages(f"{url}/#/dictations"):
        page.locator("main li a").first.wait_for()
        session.shoot(page, "dictations", look)
        page.locator("main li a").first.click()
        session.shoot(page, "dictation", look, 800)


def unready(session: ScreenshotSession, url: str) -> None:
    """Nothing is set up: the guide, the empty page, and the first press."""
    for page, look in session.pages(url, guided=False):
        for step in (1, 2):
            page.get_by_role("dialog").wait_for()
            session.shoot(page, f"unready-guide-{step}", look, 1000)
            page.locator("[data-first]").click()
        page.keyboard.press("Escape")
        session.shoot(page, "unready-welcome", look, 500)
        dictate(page)
        page.get_by_role("alert").wait_for()
        session.shoot(page, "unready-dictating", look)


def connecting(session: ScreenshotSession, url: str, service: str) -> None:
    """A model is connected: the form, an address that is refused, what answered, and the list of connections."""
    for page, look in session.pages(url):
        page.get_by_role("button", name=named("Connect a model", "Conectar un modelo")).click()
        form = page.get_by_role("dialog")
        form.get_by_role("radio").first.wait_for(state="attached")
        session.shoot(page, "connect", look, 400)
        fill_form(page, "http://127.0.0.1:9/v1")
        form.get_by_role("alert").wait_for()
        session.shoot(page, "connect-refused", look)
        fill_form(page, service)
        done = form.get_by_role("button", name=named("Done", "Listo"))
        done.wait_for()
        session.shoot(page, "connect-result", look)
        done.click()
        session.shoot(page, "connected", look, 400)
        page.goto(f"{url}/#/settings")
        row = page.get_by_role("list", name=named("Your models", "Tus modelos"))
        row.scroll_into_view_if_needed()
        session.shoot(page, "connections", look, 400)
        for item in page.request.get(f"{url}/api/connections").json():
            page.request.delete(f"{url}/api/connections/{item['id']}")


def fill_form(page: Page, address: str) -> None:
    form = page.get_by_role("dialog")
    form.get_by_text(named("Something else", "Otra cosa")).click()
    form.get_by_label(named("Address", "Dirección")).fill(address)
    form.get_by_label(named("Key", "Clave")).fill("sk-example")
    form.get_by_role("button", name=named("Connect", "Conectar")).click()


def log_in(session: ScreenshotSession, url: str) -> None:
    """The log-in, a wrong password, and the keys of the account."""
    wrong = 0
    for page, look in session.pages(url):
        name, password = page.locator("input").first, page.locator("input").last
        name.wait_for()
        session.shoot(page, "log-in", look)
        name.fill(PERSON)
        if wrong < MOST_WRONG:
            wrong += 1
            password.fill("a wrong one")
            page.keyboard.press("Enter")
            page.get_by_role("alert").wait_for()
            session.shoot(page, "log-in-wrong", look)
        password.fill(PASSWORD)
        page.keyboard.press("Enter")
        page.locator("[data-composer]").wait_for()
        session.shoot(page, "logged-in", look, 700)
        page.goto(f"{url}/#/settings")
        page.get_by_role("button", name=named("New key", "Clave nueva", "Nueva clave")).click()
        page.get_by_label(named("What is it for", "¿Para qué")).fill("my editor")
        session.shoot(page, "key-new", look)
        page.get_by_role("button", name=named("Create the key", "Crear la clave")).click()
        page.get_by_text(named("Copy it now", "Cópiala ahora")).wait_for()
        session.shoot(page, "key-made", look)
