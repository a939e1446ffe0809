"""Writes the config's JSON schema and the page that documents it, both from the config's models."""

import argparse
import sys
from pathlib import Path

from parkdet.command_line import run


def build_parser() -> argparse.ArgumentParser:
    """The options of this command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schema", type=Path, required=True, help="JSON schema to write")
    parser.add_argument("--page", type=Path, required=True, help="Markdown page to write")
    return parser


def main(arguments: argparse.Namespace) -> None:
    """Writes both files."""
    from parkdet.config_page import page, schema
    from parkdet.files import atomic_write, write_json

    write_json(arguments.schema, schema(), indent=2)
    with atomic_write(arguments.page, "w") as file:
        file.write(page())


if __name__ == "__main__":
    sys.exit(run(build_parser(), main))
