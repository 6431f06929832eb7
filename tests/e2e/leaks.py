"""Marked secrets, and where one shows: in any of the forms a program would print it in, whole or half."""
import base64, glob, gzip, json, os, threading, urllib.parse

from node import BIN


def mark():
    """What a secret is known by: 32 characters that occur nowhere else."""
    return os.urandom(16).hex()


def forms(text):
    """The ways bytes are written down. Base64 at each of three places in a group, without what its neighbours change."""
    data = text.encode() if isinstance(text, str) else text
    out = {data, json.dumps(data.decode("latin-1"))[1:-1].encode(), data.hex().encode(), data.hex().upper().encode(),
           urllib.parse.quote(data, safe="").encode(), "".join(f"\\x{b:02x}" for b in data).encode()}
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).rstrip(b"=")
        inner = coded[[0, 2, 3][before]:-1]
        out |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return out


def needles(secret):
    half = len(secret) // 2
    return set().union(*(forms(part) for part in (secret, secret[:half], secret[half:])))


def found(secrets, places):
    """[(secret's name, place's name)]: `secrets` {name: its mark}, `places` {name: bytes}."""
    wanted = {name: needles(secret) for name, secret in secrets.items()}
    return [(name, place) for place, data in places.items() for name, written in wanted.items() if any(w in data for w in written)]


class Argv(threading.Thread):
    """Every command line that a program of ours has while this runs."""

    def __init__(self):
        super().__init__(daemon=True)
        self.over, self.seen = threading.Event(), set()
        self.start()

    def run(self):
        while not self.over.is_set():
            for path in glob.glob("/proc/[0-9]*/cmdline"):
                try:
                    line = open(path, "rb").read()
                except OSError:
                    continue
                if os.path.realpath(BIN).encode() in line or BIN.encode() in line:
                    self.seen.add(line)
            self.over.wait(0.002)

    def stop(self):
        self.over.set()
        self.join()
        return b"\n".join(self.seen)


def plain(headers, body):
    """A body as its reader sees it."""
    coding = {k.lower(): v for k, v in headers}.get("content-encoding", "")
    return gzip.decompress(body) if coding == "gzip" else body
