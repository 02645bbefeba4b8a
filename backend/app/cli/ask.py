"""`prompter ask`: a prompt to the language model, its answer as it is written."""

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.common import DEFAULT_URL, USAGE, AsJson, CaFile, CommandError, Token, Url, connect, run

if TYPE_CHECKING:
    from app.client.prompt_client import PromptClient

Provider = Annotated[
    str | None, typer.Option(help="Language-model provider; `prompter providers` lists them.")
]
Model = Annotated[str | None, typer.Option(help="The model to ask; the server's if left out.")]


def ask(
    text: Annotated[str, typer.Argument(help="The prompt, or - to read it from standard input.")],
    provider: Provider = None,
    model: Model = None,
    as_json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
    cafile: CaFile = None,
) -> None:
    """Ask the language model."""
    prompt = (sys.stdin.read() if text == "-" else text).strip()
    if not prompt:
        raise CommandError("the prompt is empty", USAGE)
    run(_ask(connect(url, token, cafile), prompt, provider, model, as_json))


async def _ask(
    client: "PromptClient", prompt: str, provider: str | None, model: str | None, as_json: bool
) -> None:
    config = {"model": model} if model else None
    async with client:
        if as_json:
            answer = await client.generate(prompt, provider=provider, config=config)
            typer.echo(json.dumps(asdict(answer), ensure_ascii=False))
            return
        async for piece in client.generate_stream(prompt, provider=provider, config=config):
            typer.echo(piece, nl=False)
        typer.echo()
