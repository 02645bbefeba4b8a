"""`prompter users`: who may log in. It works on the database itself, whether a server runs or not."""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from app.cli.common import REFUSED, USAGE, AsJson, CommandError, notes, out, read_settings, run

if TYPE_CHECKING:
    from app.services.accounts.administration import UserAdministration

T = TypeVar("T")
app = typer.Typer(help="The people who may log in to the server of this machine.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The user's name; upper and lower case are the same.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, for scripts.")
]


@app.command("add")
def add_user(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="An admin, who may see /metrics.")] = False,
    password_stdin: FromStdin = False,
) -> None:
    """Add a user. The first admin takes over what was kept while there were no accounts."""
    from app.core.security import LOCAL_USER_ID, Role

    role: Role = "admin" if admin else "user"
    _administer(lambda accounts: accounts.check_new_name(name, role))
    password = _password(name, password_stdin)
    user = _administer(lambda accounts: accounts.add(name, password, role))
    out().print(f"added {role} {user.name}", markup=False)
    if user.id == LOCAL_USER_ID:
        notes().print("what was kept without accounts belongs to this user now")
    if read_settings().accounts.mode == "none":
        notes().print("the server asks nobody yet: PROMPTER_ACCOUNTS__MODE=accounts makes it ask")


@app.command("list")
def list_users(as_json: AsJson = False) -> None:
    """List the users."""
    users = _administer(lambda accounts: accounts.list_users())
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
        out().print(f"{user.name:<24} {user.role:<6} {state}".rstrip(), markup=False)
    if not users:
        notes().print("there is nobody yet; add the first with: prompter users add NAME --admin")


@app.command("disable")
def disable_user(name: Name) -> None:
    """Let a user in no more, nor their keys; what is theirs stays. Open sockets close within a minute."""
    _administer(lambda accounts: accounts.disable(name))


@app.command("enable")
def enable_user(name: Name) -> None:
    """Let a disabled user in again."""
    _administer(lambda accounts: accounts.enable(name))


@app.command("passwd")
def change_password(name: Name, password_stdin: FromStdin = False) -> None:
    """Give a user another password; every log-in with the old one ends."""
    _administer(lambda accounts: accounts.get(name))
    password = _password(name, password_stdin)
    _administer(lambda accounts: accounts.set_password(name, password))


@app.command("delete")
def delete_user(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether that is meant.")] = False,
) -> None:
    """Delete a user with all conversations, dictations and keys."""
    _administer(lambda accounts: accounts.get(name))
    if not yes:
        if not sys.stdin.isatty():
            raise CommandError("this deletes everything of theirs; say --yes if that is meant", USAGE)
        typer.confirm(f"delete {name!r} and everything of theirs?", abort=True, err=True)
    _administer(lambda accounts: accounts.delete(name))


def _password(name: str, from_stdin: bool) -> str:
    """A password, which never stands on the command line, where every user of the machine can read it."""
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError("there is no terminal to ask at; give the password with --password-stdin", USAGE)
    asked: str = typer.prompt(f"password of {name}", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _administer(work: "Callable[[UserAdministration], Awaitable[T]]") -> T:
    """Do one thing to the accounts.

    Raises:
        CommandError: it cannot be done; one line says why.
    """
    from app.core.errors import PrompterError
    from app.services.accounts.administration import UserAdministration
    from app.storage.data_folder import make_private
    from app.storage.database import Database
    from app.storage.lifecycle import prepare_schema

    settings = read_settings()

    async def done() -> T:
        database = Database(settings)
        try:
            if database.is_sqlite:
                make_private(settings.data_dir)
            await prepare_schema(database)
            return await work(UserAdministration(database))
        finally:
            await database.aclose()

    try:
        return run(done())
    except PrompterError as error:
        raise CommandError(error.message, REFUSED) from error
    except OSError as error:
        raise CommandError(f"the data folder cannot be used: {error.strerror or error}") from error
