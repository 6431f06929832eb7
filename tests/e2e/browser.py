"""A browser in a process of its own (js/browser.mjs), and a balancer that gives each request to the next node."""
import http.client, itertools, json, os, shutil, socketserver, subprocess, threading
from http.server import BaseHTTPRequestHandler

HERE = os.path.dirname(os.path.abspath(__file__))
JS = os.path.join(HERE, "../../build/e2e-js")
CHROMIUM = shutil.which("chromium")


def why_none():
    """Why there is no browser here; "" where there is one."""
    if shutil.which("node") is None:
        return "NO NODE: tools/install-deps test brings it"
    if CHROMIUM is None:
        return "NO CHROMIUM: tools/install-deps test brings it"
    if not os.path.isdir(os.path.join(JS, "node_modules/playwright-core")):
        return "NO PLAYWRIGHT: npm ci failed in tests/e2e/run"
    return ""


class Browser:
    def __init__(self):
        self.process = subprocess.Popen(["node", os.path.join(JS, "browser.mjs"), CHROMIUM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.version = self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        assert line, f"the browser ended with {self.process.wait(10)}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer["ok"]

    def send(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def open(self, dark=False, width=1280, height=860, **more):
        self.send(open={"viewport": {"width": width, "height": height}, "colorScheme": "dark" if dark else "light", "timezoneId": "UTC", **more})

    def call(self, *call):
        return self.send(call=call)

    def goto(self, url):
        self.call("goto", url)

    def click(self, selector):
        self.call("click", selector)

    def fill(self, selector, text):
        self.call("fill", selector, text)

    def select(self, selector, value):
        self.call("selectOption", selector, value)

    def press(self, keys):
        self.call("keyboard.press", keys)

    def see(self, selector, seconds=15):
        """Waits until it is visible."""
        self.call("waitForSelector", selector, {"timeout": seconds * 1000})

    def gone(self, selector, seconds=15):
        self.call("waitForSelector", selector, {"state": "detached", "timeout": seconds * 1000})

    def text(self, selector="body"):
        return self.call("innerText", selector)

    def count(self, selector):
        return self.call("evaluate", f"document.querySelectorAll({json.dumps(selector)}).length")

    def evaluate(self, code):
        return self.call("evaluate", code)

    def screenshot(self, path):
        self.call("screenshot", {"path": path, "fullPage": True})

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Balancer:
    """Each request goes to the next node; one whose node refuses the connection to the one after. Keeps what was said."""

    def __init__(self, backends, host):
        self.backends, self.closed = backends, False
        self.said = []  # (method, path, backend, status, headers, body)
        turn = itertools.count()
        balancer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def relay(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                if balancer.closed:
                    self.send_response(503)
                    self.send_header("content-length", "0")
                    self.end_headers()
                    return
                for _ in balancer.backends:
                    backend = balancer.backends[next(turn) % len(balancer.backends)]
                    connection = http.client.HTTPConnection(*backend, timeout=30)
                    try:
                        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("connection", "host")}
                        connection.request(self.command, self.path, body or None, headers)
                        answer = connection.getresponse()
                        data = answer.read()
                        break
                    except OSError:
                        continue
                    finally:
                        connection.close()
                else:
                    self.send_error(502)
                    return
                balancer.said.append((self.command, self.path, backend, answer.status, answer.getheaders(), data))
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("connection", "date", "server"):
                        self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = relay

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address, daemon_threads = True, True

        self.server = Server((host, 0), Handler)
        self.url = f"http://{host}:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
