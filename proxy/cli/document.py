"""``docs/cli.md``, made from the commands' own ``--help``.

``python -m proxy.cli.document > docs/cli.md``; a test holds the two together.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer.main

WIDTH = 80

HEAD = """# Command line

What `--help` says of every command. This page is made by
`python -m proxy.cli.document > docs/cli.md`.

Errors go to standard error, one fault a line; answers to standard output, in plain columns
when it is no terminal. `status --json` and `explain --json` are for scripts.
Completion for the shell: `pointsman --install-completion`, or `--show-completion` to look first;
it knows the models and versions in the config file.
"""


def commands(command: Any, name: str, parent: Any = None) -> Iterator[tuple[str, str]]:
    """Every command with its help, depth first."""
    context = command.make_context(
        name, [], parent=parent, resilient_parsing=True, terminal_width=WIDTH
    )
    yield context.command_path, command.get_help(context)
    for child, it in getattr(command, "commands", {}).items():
        yield from commands(it, child, context)


def document() -> str:
    from proxy.cli.root import app

    pages = [HEAD]
    for path, text in commands(typer.main.get_command(app), "pointsman"):
        pages.append(f"## {path}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(pages)


if __name__ == "__main__":
    sys.stdout.write(document())
