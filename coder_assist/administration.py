"""The commands of those who run the service: accounts, tokens, encounters, the audit log and the database."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from coder_assist.console import errors, out, plain_errors
from coder_assist.errors import InputError
from coder_assist.review.states import Role
from coder_assist.settings import Settings

if TYPE_CHECKING:
    from coder_assist.api.review import Review
    from coder_assist.review.database import Database
    from coder_assist.review.records import Incoming

users_app = typer.Typer(no_args_is_help=True, help="Add and list accounts.")
tokens_app = typer.Typer(no_args_is_help=True, help="Make, list and revoke API tokens.")
encounters_app = typer.Typer(no_args_is_help=True, help="Bring notes in, and final decisions out.")
audit_app = typer.Typer(no_args_is_help=True, help="The audit log, samples, the accuracy report, replay.")
db_app = typer.Typer(no_args_is_help=True, help="The review's database.")

_BY = "command line"  # the actor of what is done here; whoever may do it has the machine's own rights


@contextmanager
def open_review() -> Iterator[Review]:
    """Open the review by the settings, so that what is done here is logged and signed as everywhere."""
    from coder_assist.api.review import Review

    with plain_errors():
        review = Review.open(Settings())
        try:
            yield review
        finally:
            review.close()


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Open the database alone, for what reads and signs nothing."""
    from coder_assist.review.database import Database

    with plain_errors():
        database = Database.open(settings)
        try:
            yield database
        finally:
            database.close()


@users_app.command("add")
def add_user(
    name: Annotated[str, typer.Argument(help="The person's name.")],
    role: Annotated[Role, typer.Option(help="What the person is here for.")],
    password: Annotated[
        bool, typer.Option(help="Ask for a password; without one, the person signs in by a provider.")
    ] = True,
) -> None:
    """Add a person. The password is asked for, or read as a line from a pipe; it is never an argument."""
    secret = None
    if password and sys.stdin.isatty():
        secret = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    elif password:
        secret = sys.stdin.readline().rstrip("\n")
    with open_review() as review:
        person = review.people.add(name, role, secret, by=_BY)
    out.print(f"{person.id}: {escape(person.name)}, {person.role}", highlight=False)


@users_app.command("list")
def list_users() -> None:
    """List all accounts."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "name", "role", "active", "signs in by"):
        table.add_column(column, overflow="fold")
    with open_review() as review:
        for person in review.people.everyone():
            ways = [way for way, has in (("password", person.has_password), ("OIDC", person.oidc)) if has]
            active = "yes" if person.active else "no"
            table.add_row(person.id, escape(person.name), person.role, active, ", ".join(ways))
    out.print(table)


@tokens_app.command("add")
def add_token(
    person: Annotated[str, typer.Argument(help="For whom the token acts, by name.")],
    scope: Annotated[list[str], typer.Option("--scope", help="What it may do; may come several times.")],
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    days: Annotated[int, typer.Option(min=1, max=366, help="How long it lasts.")] = 90,
) -> None:
    """Make an API token and print it, this once."""
    from coder_assist.api.access import Scope

    with open_review() as review:
        unknown = sorted(set(scope) - set(Scope))
        if unknown:
            raise InputError(f"--scope: expected {', '.join(Scope)}; got {', '.join(unknown)}")
        secret, token = review.people.add_token(person, name, scope, timedelta(days=days), by=_BY)
    errors.print(f"{token.id}: for {escape(token.person)}, {', '.join(token.scopes)}", style="dim")
    out.print(secret, highlight=False, soft_wrap=True)


@tokens_app.command("list")
def list_tokens() -> None:
    """List all tokens; their secrets are not kept."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("id", "person", "for", "scopes", "until"):
        table.add_column(column, overflow="fold")
    with open_review() as review:
        for token in review.people.tokens():
            until = f"{token.expires_at:%Y-%m-%d}" if token.expires_at else "-"
            until = "revoked" if token.revoked_at else until
            table.add_row(token.id, escape(token.person), escape(token.name), ", ".join(token.scopes), until)
    out.print(table)


@tokens_app.command("revoke")
def revoke_token(id: Annotated[str, typer.Argument(help="How the token begins, as listed.")]) -> None:
    """End a token now."""
    with open_review() as review:
        review.people.revoke(id, by=_BY)
    out.print(f"{id} is revoked", highlight=False)


@encounters_app.command("import")
def import_encounters(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Notes: .txt (the name is the id), .jsonl (a record a line), .json (a record, or FHIR R4)."
        ),
    ],
    dry_run: Annotated[bool, typer.Option(help="Say what would happen, and do nothing.")] = False,
) -> None:
    """Bring encounters into the review. Bad items are listed with their reason, the others go in; exit code 1 then."""
    from coder_assist.review.records import Actor

    imported, duplicates, failed = 0, 0, 0
    with open_review() as review:
        for file in files:
            items = _incoming(file, Settings().max_note_characters)
            report = review.store.import_encounters(Actor(_BY, Role.ADMIN), items, dry_run)
            imported += len(report.imported)
            duplicates += len(report.duplicates)
            failed += len(report.failed)
            for duplicate in report.duplicates:
                errors.print(
                    escape(f"{file}: {duplicate.id} is {duplicate.of}, which is there"),
                    style="dim",
                    soft_wrap=True,
                )
            for item in report.failed:
                place = f"{file}:{item.index + 1}" if file.suffix == ".jsonl" else f"{file}"
                errors.print(escape(f"{place}: {item.error}"), highlight=False, soft_wrap=True)
    would = "would be " if dry_run else ""
    out.print(f"{imported} {would}imported, {duplicates} there already, {failed} failed", highlight=False)
    if failed:
        raise typer.Exit(1)


def _incoming(file: Path, longest: int) -> list[Incoming]:
    from coder_assist.review.fhir import from_fhir
    from coder_assist.review.importing import from_jsonl, from_records, from_text

    try:
        content = file.read_bytes()
        if file.suffix == ".jsonl":
            return from_jsonl(content, longest)
        if file.suffix == ".txt":
            return from_text(file.stem, content.decode("utf-8"), longest)
        if file.suffix == ".json":
            record = json.loads(content)
            fhir = isinstance(record, dict) and "resourceType" in record
            return from_fhir(record, longest) if fhir else from_records([record], longest)
    except OSError as error:
        raise InputError(f"{file}: expected a file that can be read; {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: expected UTF-8 text, or JSON; {type(error).__name__}") from None
    raise InputError(f"{file}: expected a name that ends in .txt, .jsonl or .json")


@encounters_app.command("labels")
def export_labels(
    to: Annotated[Path, typer.Option("--out", help="A .jsonl file, or .parquet.")],
) -> None:
    """Write the final decisions as a coded corpus, which train reads. It holds the notes."""
    from coder_assist.review.labels import export_lines, write_jsonl, write_parquet
    from coder_assist.review.records import Actor

    with open_review() as review:
        if to.suffix not in (".jsonl", ".parquet"):
            raise InputError(f"{to}: expected a name that ends in .jsonl or .parquet")
        write = write_jsonl if to.suffix == ".jsonl" else write_parquet
        lines = export_lines(review.database, Actor(_BY, Role.ADMIN))
        try:
            count = write(lines, to)
        except OSError as error:
            raise InputError(f"{to}: expected a file that can be written; {error.strerror}") from None
    out.print(f"{count} notes", highlight=False)


@audit_app.command("verify")
def verify_audit(
    export: Annotated[Path | None, typer.Option(help="An exported log, instead of the database.")] = None,
    head: Annotated[
        Path | None, typer.Option(help="The signed head; the settings' own if not given.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(help="The key that signed it, or its .pub; the settings' if not given.")
    ] = None,
) -> None:
    """Check every event against its hash, the chain and the signed head; exit code 1 names the first bad one.

    An export is checked without the database: by its own heads, or by a head file, which may be newer.
    """
    from coder_assist.review.audit_log import events_in, public_key, read_heads, verify, verify_export

    settings = Settings()
    with plain_errors():
        public = public_key(key or settings.audit_key)
        if export is not None:
            found = verify_export(export, public, read_heads(head) if head else None)
        else:
            with open_database(settings) as database, database.read() as session:
                found = verify(events_in(session), read_heads(head or settings.audit_head), public)
    if found.head is not None:
        out.print(f"signed head: event {found.head.sequence}, {found.head.hash}", style="dim", soft_wrap=True)
    if found.intact and found.events and found.head is None:
        out.print("no head was ever signed: a chain rewritten as a whole would not show", style="yellow")
    if not found.intact:
        errors.print(f"[red]not intact:[/red] {found.problem}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    out.print(f"intact: {found.events} events", highlight=False)


@audit_app.command("export")
def export_audit(
    to: Annotated[Path | None, typer.Option("--out", help="A file; standard output if not given.")] = None,
) -> None:
    """Write the audit log as JSONL, with the signed heads, to be kept and verified elsewhere."""
    from coder_assist.review.audit_log import events_in, export_lines, read_heads

    with open_review() as review, review.database.read() as session:
        lines = export_lines(events_in(session), read_heads(review.head.path))
        if to is None:
            for line in lines:
                sys.stdout.write(line + "\n")
            return
        try:
            with to.open("w", encoding="utf-8") as file:
                file.writelines(line + "\n" for line in lines)
        except OSError as error:
            raise InputError(f"{to}: expected a file that can be written; {error.strerror}") from None


@audit_app.command("key")
def make_key(
    file: Annotated[Path, typer.Argument(help="Where the key goes; nothing is overwritten.")],
) -> None:
    """Make the key that signs the audit log's head. Keep it away from the database."""
    from coder_assist.review.audit_log import create_key

    with plain_errors():
        try:
            create_key(file)
        except OSError as error:
            raise InputError(f"{file}: expected a new file that can be written; {error.strerror}") from None
    out.print(f"{file} signs, {file.with_suffix('.pub')} verifies", highlight=False, soft_wrap=True)


@db_app.command("upgrade")
def upgrade_database() -> None:
    """Bring the database of the settings to this version's schema."""
    from coder_assist.review.database import Database, head_revision

    settings = Settings()
    with plain_errors():
        if settings.database_url is None:
            database = Database.open(settings)  # a SQLite database is upgraded when it is opened
        else:
            database = Database.connect(settings.database_url.get_secret_value())
            database.upgrade()
        database.close()
    out.print(f"the database is at schema {head_revision()}", highlight=False)
