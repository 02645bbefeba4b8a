"""States of conversations: each function brings pages there, one for each look, and takes the screenshots."""

import io
import re

from model import FAILS, SILENT, SLOW
from PIL import Image
from playwright.sync_api import FilePayload, Page, expect
from session import ScreenshotSession, named


def draw_picture() -> bytes:
    """A picture of two colours, as a PNG."""
    picture = Image.linear_gradient("L").resize((640, 480)).convert("RGB")
    Image.Image.paste(picture, (40, 110, 200), (120, 90, 520, 390))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


QUESTION = "Explain how a hash map works, with a short example in Python."
ORDER = "¿Cuál es el estado del pedido ORD001?"
NEXT = {
    "en": ("And where do we sleep?", "Keep it under 20 km a day."),
    "es": ("¿Y dónde dormimos?", "Menos de 20 km al día."),
}
FILES: tuple[FilePayload, ...] = (
    {"name": "holiday.png", "mimeType": "image/png", "buffer": draw_picture()},
    {
        "name": "notes_of_all_meetings_of_this_year_without_a_space.md",
        "mimeType": "text/markdown",
        "buffer": b"# Notes\n\n" + b"We meet on Tuesday, and then on Thursday. " * 4000,
    },
    {"name": "tool.exe", "mimeType": "application/octet-stream", "buffer": b"MZ\x90\x00" + bytes(200)},
)
HELD = """() => {
  const data = new DataTransfer();
  data.items.add(new File(["x"], "x.txt"));
  document.querySelector("main").dispatchEvent(new DragEvent("dragenter", { bubbles: true, dataTransfer: data }));
}"""
NOBODY = "00000000-0000-7000-8000-000000000000"


def write(page: Page, text: str) -> None:
    page.locator("[data-composer]").fill(text)
    page.keyboard.press("Enter")


def send(page: Page, text: str) -> None:
    """Send a message, and wait for the whole answer."""
    write(page, text)
    page.wait_for_url(re.compile("#/c/"))
    expect(page.get_by_role("button", name=named("Answer again", "Responder otra vez")).last).to_be_visible()


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
    for page, look in session.pages(url):
        page.get_by_role("heading", level=2).first.wait_for()
        session.shoot(page, "welcome", look, 700)


def conversation(session: ScreenshotSession, url: str) -> None:
    for page, look in session.pages(url):
        page.locator("table").wait_for()
        session.shoot(page, "conversation-end", look, 700)
        page.locator("pre").first.scroll_into_view_if_needed()
        page.mouse.move(640 if not look.narrow else 180, 300)
        page.mouse.wheel(0, -2000)
        session.shoot(page, "conversation", look, 700)


def messages(session: ScreenshotSession, url: str) -> None:
    """The actions on a message: edit, switch versions, export."""
    for page, look in session.pages(url):
        send(page, ORDER)
        page.get_by_role("button", name=named("Answer again", "Responder otra vez")).last.click()
        page.get_by_role("button", name=named("Previous version", "Versión anterior")).last.wait_for()
        page.wait_for_timeout(600)
        page.get_by_text(ORDER).last.hover()
        session.shoot(page, "message-versions", look)
        page.get_by_role("button", name=named("Export")).click()
        session.shoot(page, "message-export", look)
        page.keyboard.press("Escape")
        page.get_by_role("button", name=named("Edit")).last.click()
        session.shoot(page, "message-edit", look)


def assistant(session: ScreenshotSession, url: str) -> None:
    """An assistant before the first message, its call folded and open, a call that asks, and one denied."""
    for page, look in session.pages(url):
        page.get_by_role("combobox").select_option("loft-chat")
        page.get_by_role("note").wait_for()
        session.shoot(page, "assistant-new", look)
        send(page, ORDER)
        session.shoot(page, "assistant", look, 400)
        page.get_by_test_id("tool-call").locator("summary").click()
        session.shoot(page, "assistant-open", look, 400)
        page.goto(f"{url}/#/")
        page.get_by_role("combobox").select_option("asking")
        write(page, ORDER)
        page.locator("[data-approval]").wait_for()
        session.shoot(page, "assistant-asks", look, 400)
        page.get_by_role("button", name=named("Deny", "No permitir")).click()
        page.locator("[data-testid=tool-call][data-state=denied]").wait_for()
        session.shoot(page, "assistant-denied", look, 400)


def attaching(session: ScreenshotSession, url: str) -> None:
    """Files above the field, one of them too long and one refused; a drop; the message, and a file opened."""
    for page, look in session.pages(url):
        page.get_by_test_id("file-picker").set_input_files([*FILES])
        expect(page.locator("li[data-state=ready]")).to_have_count(len(FILES) - 1)
        expect(page.locator("li[data-state=failed]")).to_have_count(1)
        session.shoot(page, "attached", look, 500)
        page.evaluate(HELD)
        session.shoot(page, "attached-drop", look)
        page.evaluate(HELD.replace("dragenter", "dragleave"))
        page.get_by_role("button", name=named("Remove tool.exe", "Quitar tool.exe")).click()
        send(page, NEXT[look.lang][0])
        session.shoot(page, "message-files", look, 700)
        page.get_by_role("button", name=named("Open holiday", "Abrir holiday")).click()
        page.locator("dialog canvas[data-drawn=true]").wait_for()
        session.shoot(page, "message-files-picture", look)
        page.keyboard.press("Escape")
        page.get_by_role("button", name=named("Show text", "Ver el texto")).first.click()
        page.locator("dialog pre").wait_for()
        session.shoot(page, "message-files-text", look)


def blind(session: ScreenshotSession, url: str) -> None:
    """A picture for a model that cannot see it."""
    for page, look in session.pages(url, showsMocks=True, chatModel="echo"):
        page.get_by_test_id("file-picker").set_input_files([FILES[0]])
        page.locator("li[data-state=ready]").wait_for()
        write(page, NEXT[look.lang][0])
        page.get_by_role("dialog").wait_for()
        session.shoot(page, "attached-blind", look)


def streaming(session: ScreenshotSession, url: str) -> None:
    """An answer that comes, what is written meanwhile as chips, and the answer stopped."""
    for page, look in session.pages(url):
        write(page, SLOW[look.lang])
        page.get_by_text(re.compile("pine woods|pinar")).wait_for()
        session.shoot(page, "streaming", look, 600)
        for text in NEXT[look.lang]:
            write(page, text)
            page.get_by_role("button", name=re.compile(re.escape(text))).wait_for()
        session.shoot(page, "queued", look)
        for _ in NEXT[look.lang]:
            page.keyboard.press("Escape")
        page.get_by_role("button", name=named("Stop the answer", "Parar la respuesta")).click()
        page.get_by_text(named("Stopped.", "Parada.")).wait_for()
        page.locator("[data-composer]").fill("")
        session.shoot(page, "stopped", look)


def stopped_blank(session: ScreenshotSession, url: str) -> None:
    """An answer that waits for its first word, and is stopped before it."""
    for page, look in session.pages(url):
        write(page, SILENT[look.lang])
        page.get_by_text(named("Waiting for the first word", "Esperando la primera palabra")).wait_for()
        session.shoot(page, "waiting", look)
        page.get_by_role("button", name=named("Stop the answer", "Parar la respuesta")).click()
        page.get_by_text(named("Answer again", "Responder otra vez")).wait_for()
        session.shoot(page, "stopped-blank", look)


def failing(session: ScreenshotSession, url: str) -> None:
    """An answer that failed, a conversation that is not there, and a server that is away."""
    for page, look in session.pages(url):
        write(page, FAILS)
        page.get_by_role("button", name=named("Try again", "Reintentar")).first.wait_for()
        session.shoot(page, "error-answer", look)
        page.goto(f"{url}/#/c/{NOBODY}")
        page.get_by_role("button", name=named("Start a new one", "Empezar otra")).wait_for()
        session.shoot(page, "error-not-there", look)
        page.goto(f"{url}/#/")
        page.context.route("**/api/**", lambda route: route.abort())
        write(page, "Is anybody there?")
        page.get_by_role("alert").wait_for()
        session.shoot(page, "error-no-server", look)


def uncertain(session: ScreenshotSession, url: str) -> None:
    """Not known whether it arrived, and then that it did not."""
    for page, look in session.pages(url):
        send(page, "Turn this list into tasks: bread, coffee, stamps")
        page.context.route("**/api/**", lambda route: route.abort())
        write(page, "And add the plants, please.")
        page.get_by_text(named("Not known whether", "No se sabe si")).first.wait_for()
        session.shoot(page, "uncertain", look)
        page.context.unroute("**/api/**")
        page.get_by_text(re.compile("did not arrive|no ha llegado")).last.wait_for()
        session.shoot(page, "not-arrived", look)


def open_sidebar(page: Page, narrow: bool) -> None:
    if narrow:
        page.get_by_role("button", name=named("Show conversations", "Mostrar conversaciones")).click()


def search(session: ScreenshotSession, url: str) -> None:
    for page, look in session.pages(url):
        open_sidebar(page, look.narrow)
        page.get_by_role("searchbox").fill("hash")
        page.locator("mark").first.wait_for()
        session.shoot(page, "search", look, 400)
        page.get_by_role("searchbox").fill("xylophone")
        page.get_by_role("searchbox").page.locator("nav", has_text="xylophone").wait_for()
        session.shoot(page, "search-nothing", look)


def sidebar(session: ScreenshotSession, url: str) -> None:
    """The list with a row under the mouse, a deletion that can be undone, and a name that is changed."""
    for page, look in session.pages(url):
        open_sidebar(page, look.narrow)
        page.locator("nav li a").first.wait_for()
        page.locator("nav li", has_text="Turn this list").first.hover()
        session.shoot(page, "sidebar", look, 500)
        page.get_by_role("button", name=re.compile("^(Delete|Eliminar) .Turn")).first.click()
        session.shoot(page, "sidebar-deleted", look, 400)
        page.get_by_role("button", name=named("Undo", "Deshacer")).click()
        page.locator("nav li a").first.focus()
        page.keyboard.press("F2")
        session.shoot(page, "sidebar-rename", look)


def sheet(session: ScreenshotSession, url: str) -> None:
    for page, look in session.pages(url):
        page.locator("[data-composer]").wait_for()
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("?")
        page.get_by_role("dialog").wait_for()
        session.shoot(page, "keys", look)


def palette(session: ScreenshotSession, url: str) -> None:
    for page, look in session.pages(url):
        page.locator("[data-composer]").wait_for()
        page.keyboard.press("Control+k")
        page.locator("[role=option]").first.wait_for()
        session.shoot(page, "palette", look)
        page.keyboard.type("hash")
        page.locator("[role=option] mark").first.wait_for()
        session.shoot(page, "palette-found", look)


def blank(session: ScreenshotSession, url: str) -> None:
    """Nothing is there yet: no conversations, no dictations."""
    for page, look in session.pages(url):
        open_sidebar(page, look.narrow)
        page.get_by_role("link", name=named("Ask the first", "Hacer la primera")).wait_for()
        session.shoot(page, "no-conversations", look, 500)
        page.goto(f"{url}/#/dictations")
        page.get_by_role("button", name=named("Start dictating", "Empezar a dictar")).wait_for()
        session.shoot(page, "no-dictations", look)
