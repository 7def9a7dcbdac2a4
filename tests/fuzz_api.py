"""A server with a small gallery → what schemathesis finds when it asks very many times.

Run by `make fuzz-api` (COUNT= requests, roughly; SEED=). Every check of schemathesis is on.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.settings import read_settings
from benchmarks.server_speed import running_server
from tests.conftest import Home, fill

SETTINGS = Path(__file__).parent / "doors" / "rest" / "schemathesis.toml"
_TOKEN = "a-token-for-programs"
_OPERATIONS = 26
_AN_EXAMPLE = 1.1  # requests, about


def main() -> int:
    """Ask, print what schemathesis says, and return its exit code."""
    parser = argparse.ArgumentParser(description="Ask the server very many times.")
    parser.add_argument("--count", type=int, default=50_000, metavar="N")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        home = Home(Path(folder) / "home")
        for name in ("mine", "other"):
            home.build(fill(home.path / "pictures", 12), name)
        settings = {
            "RIS_HOME": str(home.path),
            "RIS_CACHE_DIR": str(read_settings().cache_dir),
            "RIS_API_TOKEN": _TOKEN,
        }
        with running_server(**settings) as (server, address):
            started = time.monotonic()
            done = subprocess.run(
                [
                    *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS)),
                    *("run", f"{address}/openapi.json", "--warnings", "off"),
                    *("--header", f"Authorization: Bearer {_TOKEN}", "--seed", str(options.seed)),
                    *("--max-examples", str(round(options.count / _OPERATIONS / _AN_EXAMPLE))),
                ],
                cwd=folder,
                check=False,
            )
            alive = server.poll() is None
    sys.stdout.write(f"{time.monotonic() - started:.0f} s; the server {_fate(alive)}.\n")
    return done.returncode or (0 if alive else 1)


def _fate(alive: bool) -> str:
    return "answers" if alive else "is gone"


if __name__ == "__main__":
    sys.exit(main())
