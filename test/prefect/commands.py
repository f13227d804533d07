"""Runs commands of `prefect` one after another, and prints what each said and how it ended, as JSON.

Usage: commands.py '[["gcl", "ls"], …]'
"""

import contextlib
import io
import json
import sys

from prefect.cli import app


def run(args: list[str]) -> dict[str, object]:
    said = io.StringIO()
    sys.argv = ["prefect", *args]
    code: object = 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            app()
        except SystemExit as end:
            code = end.code or 0
    return {"code": code, "said": said.getvalue()}


print(json.dumps([run(args) for args in json.loads(sys.argv[1])]))
