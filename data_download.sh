#!/usr/bin/env bash
# Fetches a published data set into datasets/, laid out as datasets/README.md says:
#
#   bash data_download.sh caltech       # --help lists the names
#
# Finds a Python and hands over to app/sources/datasets/__main__.py, which needs nothing installed.

home=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pythons=("$home/.venv/bin/python" python3)
if [ -n "${PYTHON-}" ]; then pythons=("$PYTHON"); fi
for python in "${pythons[@]}"; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        PYTHONPATH=$home exec "$python" -P -m app.sources.datasets "$@"
    fi
done
echo "data_download.sh: ${PYTHON:-python3} is needed in version 3.11 or later: install it, or name another in PYTHON." >&2
exit 1
