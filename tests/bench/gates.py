"""Noise-free gates of the 1 KB path: user instructions (callgrind) and syscalls (strace) per request of the loop thread.

Counts, not times, so a loaded machine gives the same answer. Uses the set-up of tools/bench.
  python3 tests/bench/gates.py --bin BUILD/bin instructions|syscalls
Exit 0 within the bound, 1 above it, 77 where the tool is refused here (CTest shows that as skipped).
"""
import argparse
import glob
import importlib.machinery
import importlib.util
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# The design's budget is 20 000 on a processor with AVX-512 and SHA-NI. Valgrind has neither: 2 300 of these are SHA-256
# in software and about 1 000 simdjson's AVX2 kernel.
INSTRUCTIONS_MAX = 21500
SYSCALLS_MAX = 4.5
CONNECTIONS = 64


def load_bench():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("aurora_bench", f"{ROOT}/tools/bench")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("aurora_bench", loader))
    loader.exec_module(module)
    return module


class Client:
    """One keep-alive connection that counts its requests and insists on 200."""

    def __init__(self, port, key, body):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.socket.settimeout(60)
        self.request = (f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                        f"Authorization: Bearer {key}\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()

    def run(self, count):
        for _ in range(count):
            self.send()
            self.finish()

    def send(self):
        self.socket.sendall(self.request)

    def finish(self):
        data = b""
        while b"\r\n\r\n" not in data:
            data += self.receive()
        head, _, rest = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head[:200]
        left = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1)) - len(rest)
        while left > 0:
            left -= len(self.receive())

    def receive(self):
        chunk = self.socket.recv(65536)
        assert chunk, "the proxy closed the connection"
        return chunk


def start(bench_module, args, prefix=None):
    bench = bench_module.Bench(args)
    port = bench.ports["json"] = bench_module.free_port()
    bench.spawn("mock-json", [f"{args.bin}/../bench/mock_upstream", str(port), "0", "100", "600"])
    bench.wait_port(port, "mock-json")
    bench.ports["gap"] = bench.ports["slow"] = port
    if prefix:
        plain = bench.spawn
        bench.spawn = lambda name, command, *a, **k: plain(name, (prefix if name == "dataplane" else []) + command, *a, **k)
    try:
        bench.start_aurora(1, "0,1")
    except BaseException:  # also the SystemExit of a start that takes too long: nothing stays behind
        bench.stop()
        raise
    body = bench_module.chat_body(1000).replace(f'"{bench_module.MODEL}"', f'"json/{bench_module.MODEL}"', 1)
    return bench, lambda: Client(bench.ports["aurora", "json"], bench.key, body)


def callgrind_total(directory):
    """Instructions of the busiest thread (the loop) over all dumps."""
    totals = {}
    for path in glob.glob(f"{directory}/callgrind.out.*"):
        thread = path.rsplit("-", 1)[-1]
        for line in open(path, errors="replace"):
            if line.startswith(("totals:", "summary:")):
                totals[thread] = totals.get(thread, 0) + int(line.split()[1])
                break
    return max(totals.values())


def instructions(bench_module, args):
    if not shutil.which("valgrind"):
        return skip("valgrind is not installed (tools/install-deps test)")
    counts = {}
    few, many = 2000, 6000  # even the few outweigh what any other thread does to start
    for n in (few, many):
        scratch = bench_module.tempfile.mkdtemp(prefix="aurora-callgrind-")
        bench, connect = start(bench_module, args, [
            "valgrind", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={scratch}/callgrind.out.%p"])
        try:
            client = connect()
            client.run(n)
            pid = bench.pids["aurora", "json"]
            os.killpg(pid, signal.SIGTERM)
            client.socket.close()
            bench.processes[-1].wait(120)
            counts[n] = callgrind_total(scratch)
        finally:
            bench.stop()
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.rmtree(bench.dir, ignore_errors=True)
    value = (counts[many] - counts[few]) / (many - few)
    print(f"user instructions per request: {value:.0f} (bound {INSTRUCTIONS_MAX})")
    return 0 if value <= INSTRUCTIONS_MAX else 1


def loop_thread(pid):
    return next(t for t in os.listdir(f"/proc/{pid}/task") if open(f"/proc/{pid}/task/{t}/comm").read().startswith("aurora-loop"))


def syscalls(bench_module, args):
    if not shutil.which("strace") or subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True).returncode:
        return skip("strace is refused here")
    bench, connect = start(bench_module, args)
    try:
        clients = [connect() for _ in range(CONNECTIONS)]

        def run(rounds):
            for _ in range(rounds):
                for client in clients:
                    client.send()
                for client in clients:
                    client.finish()

        run(50)
        tid = loop_thread(bench.pids["aurora", "json"])
        out = f"{bench.dir}/strace.txt"
        tracer = subprocess.Popen(["strace", "-c", "-o", out, "-p", tid], stderr=subprocess.PIPE, text=True)
        while "attached" not in tracer.stderr.readline():
            if tracer.poll() is not None:
                return skip("strace cannot attach here")
        rounds = 50
        started = time.time()
        run(rounds)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
        seconds = time.time() - started
        # "100.00  seconds  usecs/call  calls  [errors]  total"
        total = int(next(line.split()[3] for line in open(out) if line.startswith("100.00") and line.endswith("total\n")))
    finally:
        bench.stop()
        shutil.rmtree(bench.dir, ignore_errors=True)
    value = total / (rounds * CONNECTIONS)
    print(f"syscalls per request: {value:.2f} (bound {SYSCALLS_MAX} at {CONNECTIONS} connections; {seconds:.1f} s traced)")
    return 0 if value <= SYSCALLS_MAX else 1


def skip(why):
    print(f"SKIPPED, loudly: {why}")
    return 77


def main():
    p = argparse.ArgumentParser()
    p.add_argument("what", choices=["instructions", "syscalls"])
    p.add_argument("--bin", required=True)
    args = p.parse_args()
    args.bin = os.path.abspath(args.bin)
    return {"instructions": instructions, "syscalls": syscalls}[args.what](load_bench(), args)


if __name__ == "__main__":
    sys.exit(main())
