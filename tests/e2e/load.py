"""Load as a client outside sees it: requests at a steady pace to each node, whether or not earlier ones were answered, and
streams that are opened again when they end. An asyncio loop on a thread of its own; times are time.monotonic()."""
import asyncio, collections, json, threading, time

Sample = collections.namedtuple("Sample", "target began ended status code")  # status 0: no answer; code: the error's, or ""


class Connection:
    def __init__(self, address):
        self.address, self.reader, self.writer = address, None, None

    async def exchange(self, head, body, deadline):
        if self.writer is None:
            self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(*self.address, limit=1 << 20), deadline)
        self.writer.write(head + body)
        answer = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), deadline)
        status = int(answer[9:12])
        fields = dict(line.lower().split(b": ", 1) for line in answer.split(b"\r\n")[1:-2])
        length = int(fields.get(b"content-length", b"-1"))
        if length >= 0:
            data = await asyncio.wait_for(self.reader.readexactly(length), deadline)
        else:
            data = None  # chunked: the caller reads on
        if fields.get(b"connection") == b"close":
            self.close()
        return status, fields, data

    def close(self):
        if self.writer is not None:
            self.writer.close()
        self.reader = self.writer = None


class Load:
    """`targets`: (host, port) each; `rate`: requests a second to each; `streams`: to all, in turn."""

    def __init__(self, targets, key, rate=50, streams=0, words=120, timeout=30):
        self.targets, self.key, self.rate, self.want, self.words, self.timeout = targets, key, rate, streams, words, timeout
        self.samples, self.cut, self.refused, self.whole = [], [], 0, 0
        self.idle = {t: [] for t in targets}
        self.thread = threading.Thread(target=lambda: asyncio.run(self._main()), daemon=True)
        self.stopping = threading.Event()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.stopping.set()
        self.thread.join(60)

    def head(self, target, body):
        return (f"POST /v1/chat/completions HTTP/1.1\r\nhost: {target[0]}\r\nauthorization: Bearer {self.key}\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n").encode()

    async def _main(self):
        pending = {asyncio.create_task(self._pace(t)) for t in self.targets}
        pending |= {asyncio.create_task(self._streams(self.targets[k % len(self.targets)])) for k in range(self.want)}
        while not self.stopping.is_set():
            await asyncio.sleep(0.02)
        await asyncio.wait(pending, timeout=self.timeout)
        for task in pending:
            task.cancel()

    async def _pace(self, target):
        body = json.dumps({"model": "demo/demo", "messages": [{"role": "user", "content": "hi"}]}).encode()
        head, running, due = self.head(target, body), set(), time.monotonic()
        while not self.stopping.is_set():
            due = max(due + 1 / self.rate, time.monotonic() - 0.1)  # a late loop does not catch up with a burst
            await asyncio.sleep(max(0, due - time.monotonic()))
            task = asyncio.create_task(self._one(target, head, body))
            running.add(task)
            task.add_done_callback(running.discard)
        if running:
            await asyncio.wait(running)

    async def _one(self, target, head, body):
        began, status, code = time.monotonic(), 0, ""
        connection = self.idle[target].pop() if self.idle[target] else Connection(target)
        fresh = connection.writer is None
        try:
            status, _, data = await connection.exchange(head, body, self.timeout)
            if status != 200:
                code = json.loads(data or b"{}").get("error", {}).get("code", "")
            self.idle[target].append(connection)
        except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, ValueError) as e:
            connection.close()
            code = f"{'new' if fresh else 'kept'} connection: {type(e).__name__}"
        self.samples.append(Sample(target, began, time.monotonic(), status, code))

    async def _streams(self, target):
        body = json.dumps({"model": "demo/demo-slow", "stream": True,
                           "messages": [{"role": "user", "content": "word " * self.words}]}).encode()
        while not self.stopping.is_set():
            connection, begun = Connection(target), False
            try:
                status, _, data = await connection.exchange(self.head(target, body), body, self.timeout)
                if status != 200:
                    self.refused += 1
                    await asyncio.sleep(0.1)
                    continue
                begun, tail = True, b""
                while True:
                    chunk = await asyncio.wait_for(connection.reader.read(65536), self.timeout)
                    tail = (tail + chunk)[-64:]
                    if tail.endswith(b"0\r\n\r\n"):
                        break
                    if not chunk:
                        raise asyncio.IncompleteReadError(b"", None)
                if b"[DONE]" in tail:
                    self.whole += 1
                else:
                    self.cut.append((time.monotonic(), target, "ended without [DONE]"))
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as e:
                if begun:
                    self.cut.append((time.monotonic(), target, type(e).__name__))
                else:
                    self.refused += 1
                    await asyncio.sleep(0.1)
            finally:
                connection.close()

    # What was seen.

    def good(self, targets=None):
        return sorted(s.ended for s in self.samples if s.status == 200 and (targets is None or s.target in targets))

    def bad(self, targets=None, since=0.0):
        return [s for s in self.samples if s.status != 200 and s.began >= since and (targets is None or s.target in targets)]

    def gap(self, since, until, targets=None):
        """The longest time without an answer, between answers around [since, until]; there must be one before and one after."""
        ends = self.good(targets)
        before, after = [t for t in ends if t <= since][-1:], [t for t in ends if t > until][:1]
        ends = before + [t for t in ends if since < t <= until] + after
        return max(b - a for a, b in zip(ends, ends[1:])) if before and len(ends) > 1 else float("inf")
