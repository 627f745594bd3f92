"""The dashboard without a port: requests to its WSGI application in this process."""

import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.util import setup_testing_defaults

from optuna.storages import BaseStorage
from optuna_dashboard import wsgi

from search.tuning.board.guard import guarded
from search.tuning.board.pages import Pages
from search.tuning.board.view import BoardArtifacts, BoardStorage
from search.tuning.folder import ARTIFACTS_NAME
from search.tuning.reading import find_stored
from search.tuning.spec import StudySpec, read_spec


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Board:
    """The dashboard of a study."""

    def __init__(self, folder: Path, url: str | None = None, spec: StudySpec | None = None) -> None:
        stored = find_stored(folder, url)
        known = spec or read_spec(folder)
        assert stored is not None
        assert known is not None
        self.plain: BaseStorage = stored.storage
        self.study_id = stored.storage.get_study_id_from_name(stored.name)
        self.pages = Pages(folder, stored.name, known)
        self.storage = BoardStorage(stored.storage, self.study_id, self.pages)
        self._bottle: Any = wsgi(self.storage, artifact_store=BoardArtifacts(self.storage, folder / ARTIFACTS_NAME))
        self._app = guarded(self._bottle, self.study_id)

    @property
    def detail(self) -> Any:
        """What the page of the study is made of."""
        self._bottle._inmemory_cache.clear()  # it keeps trials for seconds
        return self.ask(f"/api/studies/{self.study_id}").json

    def trial(self, number: int) -> Any:
        return self.detail["trials"][number]

    def ask(self, path: str, method: str = "GET", content: object = None) -> Answer:
        answer = Answer()

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
            answer.status, answer.headers = int(status.split()[0]), dict(headers)

        body = b"" if content is None else json.dumps(content).encode()
        parts = urlsplit(path)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "CONTENT_LENGTH": str(len(body)),
            "CONTENT_TYPE": "application/json",
            "wsgi.input": io.BytesIO(body),
        }
        setup_testing_defaults(environ)
        chunks = self._app(environ, start_response)
        answer.body = b"".join(chunks)
        if (close := getattr(chunks, "close", None)) is not None:
            close()
        return answer


def attributes(trial: Any) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in trial["user_attrs"]}
