"""What a browser may ask of the dashboard: to look, and to add notes and files to its own study.

optuna-dashboard also deletes and renames studies and tells trials; that would pull a study from under its search.
"""

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

READING = ("GET", "HEAD")
REFUSAL = "this dashboard shows a study and does not change it; search.delete removes a study"


def guarded(app: WSGIApplication, study_id: int) -> WSGIApplication:
    """The application without what changes a study, and without additions to another than `study_id`.

    That is answered with 403 and the reason as JSON.
    """
    additions = re.compile(rf"/api/studies/{study_id}(/\d+)?/note|/api/artifacts/{study_id}(/\d+)?(/[0-9a-fA-F-]+)?")

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in READING or additions.fullmatch(environ.get("PATH_INFO", "").rstrip("/")):
            return app(environ, start_response)
        status = HTTPStatus.FORBIDDEN
        body = json.dumps({"reason": REFUSAL}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    return answer
