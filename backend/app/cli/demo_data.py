"""`prompter demo-data`: invented data to try an assistant with."""

from typing import Annotated

import typer

from app.cli.common import REFUSED, CommandError, note_console, read_settings, result_console

app = typer.Typer(help="Invented data to try assistants with.", no_args_is_help=True)


@app.callback()
def demo_data() -> None:
    """Invented data to try assistants with."""


@app.command("loft")
def loft(
    force: Annotated[bool, typer.Option("--force", help="Replace the demo shop that is there.")] = False,
) -> None:
    """Make the demo shop of the assistant loft-chat: invented customers, orders and products."""
    from app.toolsets.loft import demo_seed, demo_shop

    settings = read_settings()
    path = demo_shop.get_demo_path(settings)
    if path.exists() and not force:
        raise CommandError(f"{str(path)!r} exists already; --force makes it again", REFUSED)
    try:
        demo_shop.create_demo_shop(path)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise CommandError(f"{str(path)!r} cannot be written: {reason}") from error
    counts = f"{len(demo_seed.CUSTOMERS)} customers, {len(demo_seed.ORDERS)} orders, {len(demo_seed.PRODUCTS)} products"
    result_console().print(f"{path} has demo data: {counts}", markup=False)
    if settings.loft.api_url:
        note_console().print("LOFT_API_URL is set, so that shop is asked, and not this one", markup=False)
    else:
        note_console().print(
            'try: prompter ask --provider loft-chat "¿Cuál es el estado del pedido ORD001?"', markup=False
        )
