"""The states of the web app that are shown: each function brings a page there and takes the screenshots."""

import re

from model import FAILS, SLOW
from playwright.sync_api import Page, WebSocketRoute, expect
from session import ScreenshotSession

QUESTION = "Explain how a hash map works, with a short example in Python."
NO_PERMISSION = (
    "void (navigator.mediaDevices.getUserMedia ="
    " async () => { throw new DOMException('', 'NotAllowedError') })"
)
LOOKS = (("dark", "en", False), ("light", "es", False), ("light", "es", True), ("dark", "en", True))
"""Theme, language, narrow."""
ORDER = "¿Cuál es el estado del pedido ORD001?"


def send(page: Page, text: str) -> None:
    """Send a message, and wait for the whole answer."""
    page.locator("[data-composer]").fill(text)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("#/c/"))
    expect(
        page.get_by_role("button", name=re.compile("^(Answer again|Responder otra vez)")).last
    ).to_be_visible()


def hold_conversations(url: str, session: ScreenshotSession) -> str:
    """Hold the conversations that the screenshots show; the address of the one with code and a table."""
    with session.page(url) as page:
        for text in ("Turn this list into tasks: paint, brushes, ladder", ORDER):
            page.goto(url)
            send(page, text)
        page.goto(f"{url}/#/")
        page.reload()
        send(page, QUESTION)
        return page.url


def welcome(session: ScreenshotSession, url: str) -> None:
    for theme, lang, narrow in (("dark", "en", False), ("light", "es", False), ("dark", "es", True)):
        with session.page(url, theme=theme, lang=lang, narrow=narrow) as page:
            page.get_by_role("heading", level=2).first.wait_for()
            session.shoot(page, f"welcome-{theme}-{lang}{'-mobile' * narrow}", 700)


def conversation(session: ScreenshotSession, url: str) -> None:
    for theme, lang, narrow in (("dark", "en", False), ("light", "en", False), ("light", "es", True)):
        with session.page(url, theme=theme, lang=lang, narrow=narrow) as page:
            page.locator("table").wait_for()
            name = f"conversation-{theme}-{lang}{'-mobile' * narrow}"
            session.shoot(page, f"{name}-end", 700)
            page.locator("pre").first.scroll_into_view_if_needed()
            page.mouse.move(640, 300)
            page.mouse.wheel(0, -2000)
            session.shoot(page, name, 700)


def messages(session: ScreenshotSession, url: str) -> None:
    """The actions on a message: edit, switch versions, choose a model, export."""
    with session.page(url) as page:
        send(page, ORDER)
        page.get_by_role("button", name="Answer again").last.click()
        page.get_by_role("button", name="Previous version").last.wait_for()
        page.wait_for_timeout(600)
        page.get_by_text(ORDER).last.hover()
        session.shoot(page, "message-versions")
        page.get_by_role("button", name="Export").click()
        session.shoot(page, "message-export")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Edit", exact=True).last.click()
        session.shoot(page, "message-edit")


def assistant(session: ScreenshotSession, url: str) -> None:
    """An assistant before the first message, its call folded and open, a call that asks, and one denied."""
    for theme, lang, narrow in LOOKS:
        look = f"{theme}-{lang}{'-mobile' * narrow}"
        with session.page(url, theme=theme, lang=lang, narrow=narrow) as page:
            page.get_by_role("combobox").select_option("loft-chat")
            page.get_by_role("note").wait_for()
            session.shoot(page, f"assistant-new-{look}")
            send(page, ORDER)
            session.shoot(page, f"assistant-{look}", 400)
            page.get_by_test_id("tool-call").locator("summary").click()
            session.shoot(page, f"assistant-open-{look}", 400)
            page.goto(f"{url}/#/")
            page.get_by_role("combobox").select_option("asking")
            page.locator("[data-composer]").fill(ORDER)
            page.keyboard.press("Enter")
            page.locator("[data-approval]").wait_for()
            session.shoot(page, f"assistant-asks-{look}", 400)
            page.get_by_role("button", name=re.compile("^(Deny|No permitir)$")).click()
            page.locator("[data-testid=tool-call][data-state=denied]").wait_for()
            session.shoot(page, f"assistant-denied-{look}", 400)


def streaming(session: ScreenshotSession, url: str) -> None:
    with session.page(url) as page:
        page.locator("[data-composer]").fill(SLOW)
        page.keyboard.press("Enter")
        page.get_by_text("Inland through").wait_for()
        session.shoot(page, "streaming", 600)
        page.get_by_role("button", name="Stop the answer").click()
        page.get_by_text("Stopped.").wait_for()
        session.shoot(page, "stopped")


def failing(session: ScreenshotSession, url: str) -> None:
    with session.page(url) as page:
        page.locator("[data-composer]").fill(FAILS)
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Try again").first.wait_for()
        session.shoot(page, "error-answer")
        page.goto(f"{url}/#/c/00000000-0000-7000-8000-000000000000")
        page.get_by_role("button", name="Start a new one").wait_for()
        session.shoot(page, "error-not-there")
    with session.page(url, theme="light", narrow=True) as page:
        page.evaluate(
            "void (navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', 'NotAllowedError') })"
        )
        page.get_by_role("button", name="Dictate", exact=True).click()
        page.get_by_role("alert").wait_for()
        session.shoot(page, "error-microphone-light-mobile")
        page.context.route("**/api/**", lambda route: route.abort())
        page.locator("[data-composer]").fill("Is anybody there?")
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_text("The server does not answer").first.wait_for()
        session.shoot(page, "error-no-server-light-mobile")


def dictating(session: ScreenshotSession, url: str) -> None:
    for theme, lang, narrow in (("dark", "en", False), ("light", "es", False), ("dark", "es", True)):
        with session.page(url, theme=theme, lang=lang, narrow=narrow) as page:
            page.locator("[data-composer]").fill("Ana: ")
            page.get_by_role("button", name=re.compile("^(Dictate|Dictar)$")).click()
            words = page.locator("[data-kind=stable]:not(:empty) ~ [data-kind=unstable]:not(:empty)")
            words.first.wait_for()
            session.shoot(page, f"dictating-{theme}-{lang}{'-mobile' * narrow}", 0)
            page.get_by_test_id("receipt").wait_for()
            page.get_by_test_id("receipt").hover()
            session.shoot(page, f"dictated-{theme}-{lang}{'-mobile' * narrow}")
            if not narrow:
                page.get_by_role("button", name=re.compile("^(Mute|Silenciar)")).click()
                session.shoot(page, f"muted-{theme}-{lang}")


def asking_on(session: ScreenshotSession, url: str) -> None:
    """A dictation below a conversation: the first picture of the README."""
    with session.page(url) as page:
        page.locator("table").wait_for()
        page.get_by_role("button", name="Dictate", exact=True).click()
        page.locator("[data-kind=stable]", has_text="function").wait_for()
        session.shoot(page, "asking-on", 0)


def reconnecting(session: ScreenshotSession, url: str) -> None:
    for theme, lang, narrow in (("dark", "en", False), ("light", "es", True)):
        with session.page("about:blank", theme=theme, lang=lang, narrow=narrow) as page:
            sockets: list[WebSocketRoute] = []

            def through(socket: WebSocketRoute, sockets: list[WebSocketRoute] = sockets) -> None:
                if sockets:
                    socket.close(code=1012)
                else:
                    socket.connect_to_server()
                sockets.append(socket)

            page.route_web_socket(re.compile("/ws/stt"), through)
            page.goto(url)
            page.get_by_role("button", name=re.compile("^(Dictate|Dictar)$")).click()
            page.locator("[data-kind=stable]:not(:empty)").first.wait_for()
            sockets[0].close(code=1012)
            page.locator("[data-testid=dictation-state][data-state=reconnecting]").wait_for()
            session.shoot(page, f"reconnecting-{theme}-{lang}{'-mobile' * narrow}", 100)


def settings(session: ScreenshotSession, url: str) -> None:
    for theme, lang, narrow in LOOKS:
        with session.page(f"{url}/#/settings", theme=theme, lang=lang, narrow=narrow) as page:
            page.locator("main ul li").first.wait_for()
            page.wait_for_timeout(800)
            for part, top in enumerate((0, 640, 1280, 1920)):
                page.evaluate(f"document.querySelector('main .overflow-y-auto').scrollTo(0, {top})")
                session.shoot(page, f"settings-{theme}-{lang}{'-mobile' * narrow}-{part + 1}", 150)


def search(session: ScreenshotSession, url: str) -> None:
    with session.page(url) as page:
        page.get_by_role("searchbox").fill("hash")
        page.locator("mark").first.wait_for()
        session.shoot(page, "search")
        page.get_by_role("searchbox").fill("xylophone")
        page.get_by_text("Nothing found").wait_for()
        session.shoot(page, "search-nothing")


def sidebar(session: ScreenshotSession, url: str) -> None:
    for theme, lang in (("dark", "es"), ("light", "en")):
        with session.page(url, theme=theme, lang=lang, narrow=True) as page:
            page.get_by_role(
                "button", name=re.compile("^(Show conversations|Mostrar conversaciones)")
            ).click()
            page.locator("dialog nav a").first.wait_for()
            session.shoot(page, f"drawer-{theme}-{lang}-mobile", 500)
            page.get_by_role("button", name=re.compile("^(Delete|Eliminar) “?«?Turn")).click()
            session.shoot(page, f"drawer-deleted-{theme}-{lang}-mobile", 400)
            page.get_by_role("button", name=re.compile("^(Undo|Deshacer)$")).click()
    with session.page(url, theme="light") as page:
        page.locator("nav li").first.hover()
        session.shoot(page, "sidebar-hover-light")
        page.locator("nav li", has_text="Turn this list").hover()
        page.get_by_role("button", name=re.compile("^Delete “Turn")).click()
        session.shoot(page, "sidebar-deleted-light", 400)
        page.get_by_role("button", name="Undo").click()
        page.locator("nav li a").first.focus()
        page.keyboard.press("F2")
        session.shoot(page, "sidebar-rename-light")


def sheet(session: ScreenshotSession, url: str) -> None:
    for theme, lang, narrow in (("dark", "en", False), ("light", "es", False), ("dark", "es", True)):
        with session.page(url, theme=theme, lang=lang, narrow=narrow) as page:
            page.locator("[data-composer]").wait_for()
            page.evaluate("document.activeElement.blur()")
            page.keyboard.press("?")
            page.get_by_role("dialog").wait_for()
            session.shoot(page, f"keys-{theme}-{lang}{'-mobile' * narrow}")


def dictations(session: ScreenshotSession, url: str) -> None:
    for theme, lang, narrow in (("dark", "en", False), ("light", "es", True)):
        with session.page(f"{url}/#/dictations", theme=theme, lang=lang, narrow=narrow) as page:
            page.locator("main li a").first.wait_for()
            name = f"dictations-{theme}-{lang}{'-mobile' * narrow}"
            session.shoot(page, name)
            page.locator("main li a").first.click()
            session.shoot(page, f"{name}-one", 800)


def guide(session: ScreenshotSession, url: str) -> None:
    """The guide of the first visit."""
    for theme, lang, narrow in (("dark", "en", False), ("light", "es", True)):
        with session.page(url, theme=theme, lang=lang, narrow=narrow, guided=False) as page:
            for step in (1, 2, 3):
                page.get_by_role("dialog").wait_for()
                session.shoot(page, f"guide-{theme}-{lang}{'-mobile' * narrow}-{step}", 700)
                page.locator("[data-first]").click()


def unready(session: ScreenshotSession, url: str) -> None:
    with session.page(url, guided=False) as page:
        for step in (1, 2):
            page.get_by_role("dialog").wait_for()
            session.shoot(page, f"unready-guide-{step}", 1000)
            page.locator("[data-first]").click()
        page.keyboard.press("Escape")
        session.shoot(page, "unready-welcome", 500)
        page.get_by_role("button", name="Dictate", exact=True).click()
        page.get_by_role("alert").wait_for()
        session.shoot(page, "unready-dictating")


def log_in(session: ScreenshotSession, url: str) -> None:
    from server import PASSWORD, PERSON

    for theme, lang, narrow in (("dark", "en", False), ("light", "es", True)):
        with session.page(url, theme=theme, lang=lang, narrow=narrow) as page:
            name, password = page.locator("input").first, page.locator("input").last
            name.wait_for()
            session.shoot(page, f"log-in-{theme}-{lang}{'-mobile' * narrow}")
            name.fill(PERSON)
            password.fill("a wrong one")
            page.keyboard.press("Enter")
            page.get_by_role("alert").wait_for()
            session.shoot(page, f"log-in-wrong-{theme}-{lang}{'-mobile' * narrow}")
            if narrow:
                continue
            password.fill(PASSWORD)
            page.keyboard.press("Enter")
            page.get_by_role("button", name="Log out").wait_for()
            session.shoot(page, "logged-in", 700)
            page.goto(f"{url}/#/settings")
            page.get_by_role("button", name="New key").click()
            page.get_by_label("What is it for?").fill("my editor")
            session.shoot(page, "key-new")
            page.get_by_role("button", name="Create the key").click()
            page.get_by_text("Copy it now").wait_for()
            session.shoot(page, "key-made")
