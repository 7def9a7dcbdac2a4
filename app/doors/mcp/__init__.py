"""The tools for a language model: MCP in, the service's answers out, over stdio and HTTP."""

from app.doors.mcp.server import OverHttp, make_server

__all__ = ["OverHttp", "make_server"]
