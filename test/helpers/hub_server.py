"""A stand-in for the Hugging Face hub on this machine: its addresses, headers and faults."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

WEIGHT_ENDINGS = (".pt", ".safetensors")


@dataclass
class HubServer:
    """Repositories as folders, each at one commit that its branch `main` points to.

    Attributes:
        folders: of each repository's files.
        gated: repositories whose owner asks for consent.
        cut_after: end the next answer that carries weights after this many bytes.
        wrong_checksums: whether it sends another sha256 of weights than theirs.
        requests: method and address of each request, with the requested range.
    """

    folders: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    cut_after: int | None = None
    wrong_checksums: bool = False
    requests: list[tuple[str, str, str]] = field(default_factory=list)

    def __enter__(self) -> HubServer:
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Be gone; again is fine."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Without a slash at its end."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def commit(self, repo: str) -> str:
        """40 hex digits."""
        return hashlib.sha1(repo.encode()).hexdigest()

    def fetched(self) -> list[str]:
        """The names of the files whose contents were asked for, in order."""
        contents = [a for method, a, _ in self.requests if method == "GET" and "/resolve/" in a]
        return [address.split("/")[-1] for address in contents]


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def _answer(self, with_body: bool) -> None:
        asked_range = self.headers.get("Range", "")
        self.hub.requests.append((self.command, self.path, asked_range))
        owner, name, *rest = self.path.strip("/").split("/")
        repo = f"{owner}/{name}"
        if repo not in self.hub.folders:
            return self._reject(404, "RepoNotFound")
        if repo in self.hub.gated:
            return self._reject(403, "GatedRepo")
        commit = self.hub.commit(repo)
        if rest[:1] != ["resolve"] or rest[1] not in ("main", commit):
            return self._reject(404, "RevisionNotFound")
        path = self.hub.folders[repo].joinpath(*rest[2:])
        if not path.is_file():
            return self._reject(404, "EntryNotFound", commit)
        self._send_file(path, commit, with_body, asked_range)

    def _send_file(self, path: Path, commit: str, with_body: bool, asked_range: str) -> None:
        body = path.read_bytes()
        total = len(body)
        start = int(asked_range.removeprefix("bytes=").split("-")[0]) if asked_range else 0
        headers = {
            "X-Repo-Commit": commit,
            "ETag": f'"{hashlib.sha1(body).hexdigest()}"',
            "Accept-Ranges": "bytes",
            "Content-Length": str(total - start),
        }
        if path.name.endswith(WEIGHT_ENDINGS):
            sha256 = hashlib.sha256(body).hexdigest()
            headers["X-Linked-Etag"] = f'"{"0" * 64 if self.hub.wrong_checksums else sha256}"'
            headers["X-Linked-Size"] = str(total)
        if start:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        self.send_response(206 if start else 200)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body:
            self._send_body(body[start:], path)

    def _send_body(self, body: bytes, path: Path) -> None:
        cut = self.hub.cut_after
        if cut is not None and path.name.endswith(WEIGHT_ENDINGS):
            self.hub.cut_after = None
            body = body[:cut]
            self.close_connection = True
        self.wfile.write(body)

    def _reject(self, status: int, code: str, commit: str = "") -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        if commit:
            self.send_header("X-Repo-Commit", commit)
        self.end_headers()
