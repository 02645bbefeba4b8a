"""`prompter users`: the people who may log in. It works on the database, whether a server runs or not."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.common import (
    REFUSED,
    USAGE,
    AsJson,
    CommandError,
    note_console,
    read_settings,
    result_console,
    run_async,
)

if TYPE_CHECKING:
    from uuid import UUID

    from app.services.accounts.administration import UserAdministration

T = TypeVar("T")
app = typer.Typer(help="The people who may log in to the server of this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the user; upper and lower case are the same.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts.")
]


@app.command("add")
def add_user(
    name: Name,
    admin: Annotated[
        bool, typer.Option("--admin", help="Make the user an admin, who may see /metrics.")
    ] = False,
    password_stdin: FromStdin = False,
) -> None:
    """Add a user. The first admin takes over what was kept while there were no accounts."""
    from app.core.security import LOCAL_USER_ID, Role

    role: Role = "admin" if admin else "user"
    _run_on_accounts(lambda accounts: accounts.check_new_name(name, role))
    password = _read_password(name, password_stdin)
    user = _run_on_accounts(lambda accounts: accounts.add(name, password, role))
    result_console().print(f"added {role} {user.name}", markup=False)
    if user.id == LOCAL_USER_ID:
        note_console().print("what was kept without accounts belongs to this user now")
    if read_settings().accounts.mode == "none":
        note_console().print(
            "accounts are off: PROMPTER_ACCOUNTS__MODE=accounts makes the server ask for a log-in"
        )


@app.command("list")
def list_users(as_json: AsJson = False) -> None:
    """List the users."""
    users = _run_on_accounts(lambda accounts: accounts.list_users())
    if as_json:
        items = [
            {
                "id": str(user.id),
                "name": user.name,
                "role": user.role,
                "disabled": user.disabled_at is not None,
                "created_at": user.created_at.isoformat(),
            }
            for user in users
        ]
        typer.echo(json.dumps(items, ensure_ascii=False))
        return
    for user in users:
        state = "disabled" if user.disabled_at else ""
        result_console().print(f"{user.name:<24} {user.role:<6} {state}".rstrip(), markup=False)
    if not users:
        note_console().print("there are no users; add the first with: prompter users add NAME --admin")


@app.command("disable")
def disable_user(name: Name) -> None:
    """Shut a user and their API keys out; their data stay. Open sockets close within a minute."""
    _run_on_accounts(lambda accounts: accounts.disable(name))


@app.command("enable")
def enable_user(name: Name) -> None:
    """Let a disabled user in again."""
    _run_on_accounts(lambda accounts: accounts.enable(name))


@app.command("passwd")
def change_password(name: Name, password_stdin: FromStdin = False) -> None:
    """Set a user's password; every log-in with the old one ends."""
    _run_on_accounts(lambda accounts: accounts.get(name))
    password = _read_password(name, password_stdin)
    _run_on_accounts(lambda accounts: accounts.set_password(name, password))


@app.command("delete")
def delete_user(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Delete a user with all conversations, dictations and keys."""
    user = _run_on_accounts(lambda accounts: accounts.get(name))
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError("this deletes all data of the user; confirm it with --yes", USAGE)
        typer.confirm(f"delete {name!r} with all data of this user?", abort=True, err=True)
    _run_on_accounts(lambda accounts: accounts.delete(name))
    _delete_audio(user.id)


def _delete_audio(user_id: "UUID") -> None:
    """Delete the audio and the attached files of a user who is deleted, also where no server runs.

    Raises:
        CommandError: it cannot be deleted.
    """
    from app.storage.attached_files import remove_user_files
    from app.storage.kept_audio import remove_user_audio

    try:
        remove_user_audio(read_settings().data_dir, user_id)
        remove_user_files(read_settings().data_dir, user_id)
    except OSError as error:
        raise CommandError(
            f"the user is deleted, but audio or files in the data folder are not: {error.strerror or error}"
        ) from error


def _read_password(name: str, from_stdin: bool) -> str:
    """Ask for a password. It is no argument: every user of a machine can read command lines."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask at; give the password with --password-stdin", USAGE)
    asked: str = typer.prompt(f"password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _run_on_accounts(work: "Callable[[UserAdministration], Awaitable[T]]") -> T:
    """Open the database, and run one piece of work on the accounts.

    Raises:
        CommandError: the work failed; one line says why.
    """
    from app.core.errors import PrompterError
    from app.services.accounts.administration import UserAdministration
    from app.storage.data_folder import make_private, refuse_emptied
    from app.storage.database import Database
    from app.storage.lifecycle import prepare_schema

    settings = read_settings()

    async def done() -> T:
        database = Database(settings)
        try:
            if database.is_sqlite:
                refuse_emptied(settings.data_dir)
                make_private(settings.data_dir)
            await prepare_schema(database)
            return await work(UserAdministration(database))
        finally:
            await database.aclose()

    try:
        return run_async(done())
    except PrompterError as error:
        raise CommandError(error.message, REFUSED) from error
    except OSError as error:
        raise CommandError(f"the data folder cannot be used: {error.strerror or error}") from error
