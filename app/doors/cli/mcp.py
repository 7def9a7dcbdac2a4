"""`mcp`: the tools for a language model over standard input and output, until that ends."""

import argparse

NAME = "mcp"
HELP = "answer a language model's client over standard input and output (MCP)"
EXAMPLE = "RIS_MCP_FOLDERS=~/Pictures ris mcp"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the settings are environment variables."""


def run(options: argparse.Namespace) -> int:
    """Answer until standard input ends; nothing but the protocol is written to standard output."""
    from app.doors.mcp import make_server
    from app.settings import read_settings
    from app.wiring import make_service

    settings = read_settings()
    make_server(make_service(settings), folders=settings.mcp_folders).run("stdio")
    return 0
