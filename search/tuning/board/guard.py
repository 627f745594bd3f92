"""What a browser may ask of the dashboard: to look, and to add notes and files.

optuna-dashboard also deletes and renames studies and tells trials; that would pull a study from under its search.
"""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

READING = ("GET", "HEAD")
ADDITIONS = re.compile(r"/api/studies/\d+(/\d+)?/note|/api/artifacts/\d+(/\d+)?(/[0-9a-fA-F-]+)?")
REFUSAL = "this dashboard shows a study and does not change it; search.delete removes a study"


def guarded(app: WSGIApplication) -> WSGIApplication:
    """The application without what changes a study: that is answered with 403 and the reason as JSON."""

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in READING or ADDITIONS.fullmatch(environ.get("PATH_INFO", "").rstrip("/")):
            return app(environ, start_response)
        status = HTTPStatus.FORBIDDEN
        body = json.dumps({"reason": REFUSAL}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return answer
