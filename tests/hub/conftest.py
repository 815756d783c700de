"""A server on this machine that speaks as much of the Hub's API as is asked of it."""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REFUSED = {
    "org/private": (401, "RepoNotFound"),
    "org/gated": (403, "GatedRepo"),
    "org/forbidden": (403, "Other"),
    "org/broken": (418, "Other"),
}
LARGE = 2000
BLOCK = 64 << 10


class Hub:
    """Repositories in memory: ``repositories`` of models, ``datasets`` of data sets.

    A file of ``LARGE`` bytes or more is listed as a large one, with its SHA-256. ``pause_after``
    makes the server send that many bytes of a large file and then wait for ``go``; ``altered``
    gives files another content than the listing's hash tells.
    """

    def __init__(self):
        self.repositories = {}
        self.datasets = {}
        self.requests = []
        self.ranges = []
        self.tokens = set()
        self.altered = {}
        self.commits = {COMMIT}
        self.pause_after = None
        self.paused = threading.Event()
        self.go = threading.Event()
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_HEAD(self):
                hub.answer(self, body=False)

            def do_GET(self):
                hub.answer(self, body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.go.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, request, *, body):
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"{request.command} {path}")
        self.tokens.add(request.headers.get("Authorization"))
        status, content, headers = self.find(path)
        wanted = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range") or "")
        if wanted and status == 200:
            start = int(wanted[1])
            self.ranges.append((path.rpartition("/")[2], start))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            status, content = 206, content[start:]
        request.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            self.send(request, content)

    def send(self, request, content):
        for start in range(0, len(content), BLOCK):
            if self.pause_after is not None and start >= self.pause_after:
                self.paused.set()
                self.go.wait(60)
            try:
                request.wfile.write(content[start : start + BLOCK])
            except OSError:
                return

    def find(self, path):
        parts = path.strip("/").split("/")
        api = parts[0] == "api"
        parts = parts[1:] if api else parts
        of_data = parts[0] == "datasets"
        parts = parts[1:] if parts[0] in ("models", "datasets") else parts
        store = self.datasets if of_data else self.repositories
        repo, rest = "/".join(parts[:2]), parts[2:]
        if repo not in store:
            status, code = REFUSED.get(repo, (404, "RepoNotFound"))
            return status, b"", {"X-Error-Code": code, "X-Error-Message": "no"}
        if rest[1:2] and rest[1] not in {"main", "v1", *self.commits}:
            return 404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no"}
        files = store[repo]
        if not api:
            return self.file(files, "/".join(rest[2:]))
        if rest[:1] == ["tree"]:
            listed = [_entry(name, content) for name, content in files.items()]
            return 200, json.dumps(listed).encode(), {"Content-Type": "application/json"}
        commit = next((part for part in rest if part in self.commits), COMMIT)
        about = {"id": repo, "sha": commit, "siblings": [{"rfilename": n} for n in files]}
        return 200, json.dumps(about).encode(), {"Content-Type": "application/json"}

    def file(self, files, name):
        if name not in files:
            return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no"}
        content = self.altered.get(name, files[name])
        return 200, content, {"ETag": f'"{blob_id(content)}"', "X-Repo-Commit": COMMIT}

    def fetched(self):
        """The files whose content was asked for, each as often as it was."""
        return sorted(
            request.partition("/resolve/")[2].partition("/")[2]
            for request in self.requests
            if request.startswith("GET") and "/resolve/" in request
        )


def blob_id(content):
    header = f"blob {len(content)}\0".encode()
    return hashlib.sha1(header + content, usedforsecurity=False).hexdigest()


def _entry(name, content):
    entry = {"type": "file", "path": name, "size": len(content), "oid": blob_id(content)}
    if len(content) < LARGE:
        return entry
    sha256 = hashlib.sha256(content).hexdigest()
    return {
        **entry,
        "oid": blob_id(b"a pointer"),
        "lfs": {"oid": sha256, "size": len(content), "pointerSize": 130},
    }


@pytest.fixture
def hub():
    hub = Hub()
    yield hub
    hub.close()


@pytest.fixture
def local_hub(hub, monkeypatch, tmp_path):
    """The server, with the Hub's client of this very process turned to it."""
    from huggingface_hub import constants

    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf-cache"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    return hub


@pytest.fixture
def hub_environment(hub, tmp_path):
    """The environment of a process of its own whose client talks to the server."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "HUGGING"))}
    return {
        **kept,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_ETAG_TIMEOUT": "5",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "ZSL_BENCH_CACHE": str(tmp_path / "own-cache"),
    }


@pytest.fixture
def commit():
    return COMMIT


@pytest.fixture
def recorded():
    """A transfer that remembers what it was told."""
    told = SimpleNamespace(total=None, done=0, starts=0, finished=0, notes=[])

    def start(name, *, total, done):
        told.total, told.done = total, done
        told.starts += 1

    told.start = start
    told.advance = lambda size: setattr(told, "done", told.done + size)
    told.finish = lambda: setattr(told, "finished", told.finished + 1)
    told.note = told.notes.append
    return told
