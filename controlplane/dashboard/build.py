#!/usr/bin/env python3
"""Builds the dashboard and packs its files into one blob for .incbin; a step of the CMake build.

npm ci runs only for a package-lock.json whose packages are not there yet, and a blob once made of the same sources is
taken from the cache ($XDG_CACHE_HOME/aurora, else ~/.cache/aurora, else the work directory), so that each preset of a
tree does not build it anew. In mode AUTO packages that cannot be fetched make a page that says so; an error in our own
sources ends the build in every mode.
"""
import argparse, fcntl, gzip, hashlib, html, os, shutil, struct, subprocess, sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT_FILES = ["index.html", "package.json", "package-lock.json", ".npmrc", "tsconfig.json", "vite.config.ts"]
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".svg": "image/svg+xml", ".woff2": "font/woff2", ".json": "application/json"}
CACHE_KEEPS = 20  # blobs

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Aurora: no dashboard</title>
<link rel="stylesheet" href="/admin/dashboard/page.css">
</head>
<body>
<main>
<h1>This node has no dashboard</h1>
<p>%s.</p>
<p>The admin API below <code>/admin/api/v1/</code> and <code>aurora-ctl</code> do all that it does. To have it, install
Node 18 or later and npm (<code>tools/install-deps build</code>), and build again.</p>
</main>
</body>
</html>
"""
PAGE_STYLE = "main { max-width: 36rem; margin: 15vh auto; padding: 0 1rem; font: 16px/1.6 system-ui, sans-serif }\n"


class NoPackages(Exception):
    pass


def sources():
    found = [os.path.join(HERE, name) for name in ROOT_FILES]
    for directory, _, names in os.walk(os.path.join(HERE, "src")):
        found += [os.path.join(directory, name) for name in names]
    return sorted(found)


def digest_of(paths, *more):
    h = hashlib.sha256("\0".join(more).encode())
    for path in paths:
        with open(path, "rb") as f:
            h.update(os.path.relpath(path, HERE).encode() + b"\0" + hashlib.sha256(f.read()).digest())
    return h.hexdigest()[:24]


def cache_dir(work):
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    for candidate in (os.path.join(home, "aurora", "dashboard"), os.path.join(work, "cache")):
        try:
            os.makedirs(candidate, exist_ok=True)
            if os.access(candidate, os.W_OK):
                return candidate
        except OSError:
            continue
    sys.exit(f"dashboard: no directory to write to: {work}")


def packages(cache, npm):
    """node_modules for this lock, installed once."""
    place = os.path.join(cache, "npm-" + digest_of([os.path.join(HERE, n) for n in ("package.json", "package-lock.json")]))
    if not os.path.exists(os.path.join(place, "installed")):
        shutil.rmtree(place, ignore_errors=True)
        os.makedirs(place)
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(os.path.join(HERE, name), place)
        print("dashboard: npm ci, once for this package-lock.json", flush=True)
        r = subprocess.run([npm, "ci", "--silent", "--prefer-offline"], cwd=place, capture_output=True, text=True, timeout=300)
        if r.returncode != 0:
            raise NoPackages((r.stderr or r.stdout).strip().split("\n")[-1][:200])
        open(os.path.join(place, "installed"), "w").close()
    return os.path.join(place, "node_modules")


def run_vite(work, modules, node):
    shutil.rmtree(work, ignore_errors=True)
    os.makedirs(work)
    for name in ROOT_FILES:
        shutil.copy(os.path.join(HERE, name), work)
    shutil.copytree(os.path.join(HERE, "src"), os.path.join(work, "src"))
    os.symlink(modules, os.path.join(work, "node_modules"))
    for script in (["typescript/bin/tsc", "--noEmit"], ["vite/bin/vite.js", "build", "--logLevel", "warn"]):
        r = subprocess.run([node, os.path.join("node_modules", script[0]), *script[1:]], cwd=work)
        if r.returncode != 0:
            sys.exit(f"dashboard: {script[0]} failed")
    dist, out = os.path.join(work, "dist"), {}
    for directory, _, names in os.walk(dist):
        for name in names:
            path = os.path.join(directory, name)
            with open(path, "rb") as f:
                out[os.path.relpath(path, dist)] = f.read()
    return out


def text(value):
    data = value.encode() if isinstance(value, str) else value
    return struct.pack(">I", len(data)) + data


def pack(files):
    out = b"AURDASH1" + struct.pack(">I", len(files))
    for path in sorted(files):
        data = files[path]
        small = gzip.compress(data, 9, mtime=0)
        immutable = b"\x01" if path.startswith("assets/") else b"\x00"
        out += text(path) + text(TYPES.get(os.path.splitext(path)[1], "application/octet-stream")) + immutable
        out += text(hashlib.sha256(data).hexdigest()[:32]) + text(data) + text(small if len(small) < len(data) else b"")
    return out


def built(args, cache):
    node, npm = os.environ["AURORA_NODE"], os.environ["AURORA_NPM"]
    blob = os.path.join(cache, "blob-" + digest_of(sources() + [os.path.abspath(__file__)]))
    if os.path.exists(blob):
        os.utime(blob)
        with open(blob, "rb") as f:
            return f.read()
    data = pack(run_vite(args.work, packages(cache, npm), node))
    with open(blob + ".new", "wb") as f:
        f.write(data)
    os.replace(blob + ".new", blob)
    blobs = sorted((p for p in os.scandir(cache) if p.name.startswith("blob-")), key=lambda p: -p.stat().st_mtime)
    for old in blobs[CACHE_KEEPS:]:
        os.remove(old.path)
    return data


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=("AUTO", "ON", "OFF"), default="AUTO")
    parser.add_argument("--work", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--why-not", default="")
    args = parser.parse_args()
    why_not = args.why_not
    data = b""
    if not why_not:
        cache = cache_dir(args.work)
        with open(os.path.join(cache, "lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                data = built(args, cache)
            except (NoPackages, subprocess.TimeoutExpired) as e:
                if args.mode == "ON":
                    sys.exit(f"dashboard: npm ci failed: {e}")
                why_not = "its packages could not be fetched where it was built"
                print(f"dashboard: NOT BUILT, npm ci failed: {e}; the binary serves a page that says so", flush=True)
    if why_not:
        page = PAGE % html.escape(why_not[0].upper() + why_not[1:])
        data = pack({"index.html": page.encode(), "page.css": PAGE_STYLE.encode()})
    with open(args.out, "wb") as f:
        f.write(data)


if __name__ == "__main__":
    main()
