"""A server on this machine that speaks as much of the Hub's API as is asked of it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
import yaml

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
    gives files another content than the listing's hash tells. Writing takes a token of ``writers``;
    a pushed repository has ``branches`` with commits, whose files are in ``history``. ``refusals``
    holds the status of the answer to requests such as ``POST /api/models/org/x/commit``;
    ``cut_uploads`` is how many large files are broken off on the way in.
    """

    def __init__(self):
        self.repositories = {}
        self.datasets = {}
        self.requests = []
        self.ranges = []
        self.tokens = set()
        self.altered = {}
        self.commits = {COMMIT}
        self.writers = set()
        self.private = set()
        self.branches = {}
        self.history = {}
        self.messages = {}
        self.large = {}
        self.refusals = {}
        self.cut_uploads = 0
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

            def do_POST(self):
                hub.take(self)

            def do_PUT(self):
                hub.take(self)

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
        refused = self.refused(request.command, path)
        status, content, headers = (refused, b"", {}) if refused else self.find(path)
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
        branches = self.branches.get(repo, {})
        if rest[1:2] and rest[1] not in {"main", "v1", *self.commits, *branches, *self.history}:
            return 404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no"}
        at = branches.get(rest[1] if rest[1:] else "main", "".join(rest[1:2]))
        files = self.history.get(at, store[repo])
        if not api:
            return self.file(files, "/".join(rest[2:]))
        if rest[:1] == ["tree"]:
            listed = [_entry(name, content) for name, content in files.items()]
            return 200, json.dumps(listed).encode(), {"Content-Type": "application/json"}
        commit = next((part for part in rest if part in self.commits), COMMIT)
        commit = at if at in self.history else commit
        about = {"id": repo, "sha": commit, "siblings": [{"rfilename": n} for n in files]}
        about["private"] = repo in self.private
        return 200, json.dumps(about).encode(), {"Content-Type": "application/json"}

    def file(self, files, name):
        if name not in files:
            return 404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no"}
        content = self.altered.get(name, files[name])
        return 200, content, {"ETag": f'"{blob_id(content)}"', "X-Repo-Commit": COMMIT}

    def refused(self, method, path):
        asked = f"{method} {path}"
        return next((s for prefix, s in self.refusals.items() if asked.startswith(prefix)), None)

    def take(self, request):
        """Answer what changes something: only with a token that may write."""
        path = unquote(urlsplit(request.path).path)
        self.requests.append(f"{request.command} {path}")
        if request.command == "PUT" and self.cut_uploads:
            self.cut_uploads -= 1
            request.rfile.read(100)
            request.close_connection = True
            request.connection.close()
            return
        content = _body(request)
        self.tokens.add(request.headers.get("Authorization"))
        may = request.headers.get("Authorization") in {f"Bearer {t}" for t in self.writers}
        if refused := self.refused(request.command, path):
            status, value = refused, {"error": "no"}
        elif path != "/api/validate-yaml" and request.command != "PUT" and not may:
            status, value = 401, {"error": "who are you"}
        else:
            query = urlsplit(request.path).query
            status, value = self.change(request.command, path, query, content)
        answer = json.dumps(value).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(answer)))
        request.end_headers()
        request.wfile.write(answer)

    def change(self, method, path, query, content):
        if method == "PUT":
            return self.store(path.rpartition("/")[2], content)
        if path.startswith("/api/models/"):
            return self.change_repository(path, query, content)
        if path == "/api/validate-yaml":
            text = json.loads(content)["content"]
            yaml.safe_load(text.split("---\n")[1])
            return 200, {"errors": [], "warnings": []}
        if path.endswith(".git/info/lfs/objects/batch"):
            return 200, {"objects": [self.where(o) for o in json.loads(content)["objects"]]}
        return self.create(json.loads(content))

    def change_repository(self, path, query, content):
        repo, verb, name = re.fullmatch(
            r"/api/models/([^/]+/[^/]+)/(preupload|commit|branch)/(.+)", path
        ).groups()
        if verb == "branch":
            branches = self.branches[repo]
            branches[name] = branches["main"]
            return 200, {}
        if verb == "preupload":
            files = self.history[self.branches[repo][name]]
            return 200, {"files": [_upload_mode(f, files) for f in json.loads(content)["files"]]}
        lines = [json.loads(line) for line in content.splitlines()]
        return self.commit(repo, name, lines, as_pull_request="create_pr=1" in query)

    def store(self, oid, content):
        if hashlib.sha256(content).hexdigest() != oid:
            return 400, {"error": "another content"}
        self.large[oid] = content
        return 200, {}

    def where(self, asked):
        if asked["oid"] in self.large:
            return asked
        upload = {"href": f"{self.url}/lfs/{asked['oid']}"}
        return {**asked, "actions": {"upload": upload}}

    def create(self, asked):
        repo = f"{asked['organization']}/{asked['name']}"
        if repo in self.repositories:
            return 409, {"error": "there already", "url": f"{self.url}/{repo}"}
        if asked.get("visibility") == "private" or asked.get("private"):
            self.private.add(repo)
        self.add(repo, {".gitattributes": b"*.safetensors filter=lfs\n"})
        return 200, {"url": f"{self.url}/{repo}", "name": repo}

    def add(self, repo, files, branch="main", message="initial commit"):
        """Make a commit of these files, and the repository where there is none."""
        commit = hashlib.sha256(f"{repo} {len(self.history)}".encode()).hexdigest()[:40]
        self.history[commit] = files
        self.messages[commit] = message
        self.branches.setdefault(repo, {})[branch] = commit
        if branch == "main":
            self.repositories[repo] = files
        return commit

    def commit(self, repo, branch, lines, *, as_pull_request):
        head = lines[0]["value"]
        if head.get("parentCommit") not in (None, self.branches[repo][branch]):
            return 412, {"error": "somebody was here"}
        files = dict(self.history[self.branches[repo][branch]])
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.large[value["oid"]]
            else:
                del files[value["path"]]
        branch = "refs/pr/1" if as_pull_request else branch
        made = self.add(repo, files, branch, head["summary"])
        answer = {"commitUrl": f"{self.url}/{repo}/commit/{made}", "commitOid": made}
        return 200, {**answer, "pullRequestUrl": f"{self.url}/{repo}/discussions/1"}

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


def _body(request):
    if request.headers.get("Transfer-Encoding") != "chunked":
        return request.rfile.read(int(request.headers.get("Content-Length") or 0))
    content = b""
    while size := int(request.rfile.readline(), 16):
        content += request.rfile.read(size)
        request.rfile.readline()
    request.rfile.readline()
    return content


def _upload_mode(asked, files):
    there = files.get(asked["path"])
    large = asked["size"] >= LARGE or asked["path"].endswith(".safetensors")
    oid = None
    if there is not None:
        oid = hashlib.sha256(there).hexdigest() if large else blob_id(there)
    mode = "lfs" if large else "regular"
    return {"path": asked["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}


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
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
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
        "HF_HUB_DISABLE_XET": "1",
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
