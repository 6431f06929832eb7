"""A provider that does as a test says, down to the byte, and remembers what it was sent.

Upstream(serve): each connection runs serve(connection) on a thread of its own until it returns.
Scripted(behaviours): picks the behaviour by the request's model; plugs into Node(toml=...).
"""
import json, os, re, socket, ssl, struct, subprocess, tempfile, threading, time


class Connection:
    def __init__(self, sock):
        self.sock, self.buffer = sock, b""
        self.closed_at = None

    def read_head(self):
        while b"\r\n\r\n" not in self.buffer:
            try:
                chunk = self.sock.recv(65536)
            except OSError:
                chunk = b""
            if not chunk:
                return None
            self.buffer += chunk
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        return head.decode("latin-1")

    def read_body(self, head):
        length = int((re.search(r"(?im)^content-length: *(\d+)", head) or [0, 0])[1])
        while len(self.buffer) < length:
            chunk = self.sock.recv(65536)
            if not chunk:
                break
            self.buffer += chunk
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return body

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def answer(self, body=b"{}", status=200, headers=""):
        body = body if isinstance(body, bytes) else body.encode()
        self.send(f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{headers}content-length: {len(body)}\r\n\r\n".encode() + body)

    def sse(self, *events):
        self.send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for event in events:
            self.event(event)

    def event(self, text):
        data = f"data: {text}\n\n"
        self.send(f"{len(data):x}\r\n{data}\r\n")

    def reset(self):
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def wait_closed(self, seconds=30):
        """When the gateway let go of this connection (monotonic), or None."""
        self.sock.settimeout(seconds)
        try:
            while self.sock.recv(65536):
                pass
        except socket.timeout:
            return None
        except OSError:
            pass
        self.closed_at = time.monotonic()
        return self.closed_at


class Upstream:
    def __init__(self, serve, host="127.0.0.1", context=None):
        self.serve, self.context, self.over = serve, context, False
        self.listener = socket.create_server((host, 0), backlog=512)
        self.host, self.port = self.listener.getsockname()[:2]
        self.connections = 0
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while not self.over:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.run, args=(sock,), daemon=True).start()

    def run(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            self.serve(Connection(sock))
        except OSError:
            pass
        finally:
            sock.close()

    def stop(self):
        self.over = True
        # An accept in another thread holds the listener: shutdown wakes it.
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Scripted(Upstream):
    """behaviours: model -> f(connection, head, body); a truthy answer keeps the connection."""

    def __init__(self, behaviours, **more):
        self.behaviours, self.heads, self.lock = behaviours, [], threading.Lock()
        super().__init__(self.dispatch, **more)

    def dispatch(self, connection):
        while True:
            head = connection.read_head()
            if head is None:
                return
            early = re.search(r"(?im)^x-title: early:(\S+)", head)  # the behaviour that answers before the body
            with self.lock:
                self.heads.append(head)
            if early:
                self.behaviours[early[1]](connection, head, None)
                return
            body = connection.read_body(head)
            try:
                model = json.loads(body).get("model", "default")
            except ValueError:
                model = "default"
            if not self.behaviours.get(model, lambda c, h, b: c.answer() or True)(connection, head, body):
                return

    def seen(self):
        with self.lock:
            return len(self.heads)

    def toml(self, name="up", retries=0, kind="openai", base="/v1", extra="", scheme="http", host=None):
        models = json.dumps(sorted(self.behaviours))
        return (f'[providers.{name}]\ntype = "{kind}"\nbase_url = "{scheme}://{host or self.host}:{self.port}{base}"\n'
                f'api_key = "up-secret"\nmodels = {models}\n{extra}'
                f"[providers.{name}.resilience]\nmax_retries = {retries}\nbreaker_failures = 0\n")


class Certificates:
    """A CA and leaves, made with the openssl command."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="aurora-certs-")
        self.ca = f"{self.directory}/ca.pem"
        self.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{self.directory}/ca.key",
                 "-out", self.ca, "-days", "2", "-subj", "/CN=e2e CA")

    def run(self, *args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    def leaf(self, name, alt_names, days=2):
        """(certificate file, key file)"""
        base = f"{self.directory}/{name}"
        with open(f"{base}.ext", "w") as f:
            f.write(f"subjectAltName={alt_names}\n")
        self.run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{base}.key", "-out", f"{base}.csr", "-subj", f"/CN={name}")
        self.run("x509", "-req", "-in", f"{base}.csr", "-CA", self.ca, "-CAkey", f"{self.directory}/ca.key", "-CAcreateserial",
                 "-days", str(days), "-extfile", f"{base}.ext", "-out", f"{base}.pem")
        return f"{base}.pem", f"{base}.key"

    def server_context(self, name, alt_names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.leaf(name, alt_names))
        return context


class ConnectProxy(Upstream):
    """An HTTP proxy that tunnels every CONNECT to one address and remembers who was asked for."""

    def __init__(self, target_port, answer="HTTP/1.1 200 Connection established\r\n\r\n"):
        self.target_port, self.answer, self.asked = target_port, answer, []
        super().__init__(self.tunnel)

    def tunnel(self, connection):
        head = connection.read_head()
        self.asked.append(head)
        connection.send(self.answer)
        if " 200 " not in self.answer:
            return
        other = socket.create_connection(("127.0.0.1", self.target_port))

        def pump(a, b):
            try:
                while data := a.recv(65536):
                    b.sendall(data)
            except OSError:
                pass
            for s in (a, b):
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
        threading.Thread(target=pump, args=(other, connection.sock), daemon=True).start()
        pump(connection.sock, other)
        other.close()
