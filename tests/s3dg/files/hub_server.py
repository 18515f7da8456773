"""A Hugging Face Hub with one repository, for this process: what `huggingface_hub` asks it."""

import contextlib
import hashlib
import http.server
import json
import threading
import urllib.parse


@contextlib.contextmanager
def serve(repository, files, revision='main'):
    """Serves `files`, bytes by their names in the `repository`; yields the address of the Hub.

    The commit is the digest of what the files hold.
    """
    commit = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()  # noqa: S324
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = 'HTTP/1.1'

        def log_message(self, *words):
            pass

        def do_HEAD(self):
            self._answer()

        def do_GET(self):
            self._answer()

        def _answer(self):
            path = urllib.parse.unquote(self.path.partition('?')[0])
            asked.append((self.command, path))
            if path in (f'/api/models/{repository}/revision/{one}' for one in (revision, commit)):
                self._send(json.dumps({'id': repository, 'sha': commit}).encode())
            elif path == f'/api/models/{repository}/tree/{commit}':
                tree = [
                    {'type': 'file', 'path': name, 'size': len(content), 'oid': _oid(content)}
                    for name, content in files.items()
                ]
                self._send(json.dumps(tree).encode())
            elif path.removeprefix(f'/{repository}/resolve/{commit}/') in files:
                content = files[path.removeprefix(f'/{repository}/resolve/{commit}/')]
                self._send(content, {'ETag': f'"{_oid(content)}"', 'X-Repo-Commit': commit})
            elif path.startswith(f'/api/models/{repository}/'):
                self._send(b'', {'X-Error-Code': 'RevisionNotFound'}, 404)
            else:
                self._send(b'', {'X-Error-Code': 'RepoNotFound'}, 401)

        def _send(self, content, headers=(), status=200):
            self.send_response(status)
            kind = 'application/json' if self.path.startswith('/api') else 'application/octet'
            for name, value in {'Content-Type': kind, **dict(headers)}.items():
                self.send_header(name, value)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            if self.command == 'GET':
                self.wfile.write(content)

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.asked = asked
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _oid(content):
    """What git calls the content."""
    return hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()  # noqa: S324
