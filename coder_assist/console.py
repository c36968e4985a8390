"""What the commands share: where they print, and how an error ends them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape

from coder_assist.errors import CoderAssistError

out = Console()
errors = Console(stderr=True)


def print_error(text: object) -> None:
    """Print one line on stderr."""
    errors.print(f"[red]error:[/red] {escape(str(text))}", highlight=False, soft_wrap=True)


@contextmanager
def plain_errors() -> Iterator[None]:
    """Turn an error raised on purpose into one line on stderr and exit code 2."""
    try:
        yield
    except CoderAssistError as error:
        print_error(error)
        raise typer.Exit(2) from None
