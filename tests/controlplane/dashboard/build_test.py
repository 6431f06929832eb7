"""The dashboard's build step: what it packs, what it does without packages, and what the lock holds."""
import gzip, json, os, struct, subprocess, sys, tempfile, unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
HOME = f"{ROOT}/controlplane/dashboard"


def unpack(blob):
    assert blob[:8] == b"AURDASH1"
    at, files = 12, {}

    def text():
        nonlocal at
        n = struct.unpack(">I", blob[at:at + 4])[0]
        at += 4 + n
        return blob[at - n:at]
    for _ in range(struct.unpack(">I", blob[8:12])[0]):
        path, kind = text().decode(), text().decode()
        immutable, at = blob[at], at + 1
        text()
        files[path] = (kind, immutable, text(), text())
    assert at == len(blob)
    return files


class Build(unittest.TestCase):
    def build(self, *args, npm="/bin/false"):
        with tempfile.TemporaryDirectory() as d:
            env = dict(os.environ, XDG_CACHE_HOME=f"{d}/cache", AURORA_NODE="node", AURORA_NPM=npm)
            r = subprocess.run([sys.executable, f"{HOME}/build.py", "--work", f"{d}/work", "--out", f"{d}/blob", *args], env=env,
                               capture_output=True, text=True)
            return r, open(f"{d}/blob", "rb").read() if os.path.exists(f"{d}/blob") else b""

    def test_without_node_there_is_a_page_that_says_why(self):
        r, blob = self.build("--mode", "AUTO", "--why-not", "no Node <was> found")
        self.assertEqual(r.returncode, 0, r.stderr)
        kind, immutable, page, small = unpack(blob)["index.html"]
        self.assertEqual((kind, immutable), ("text/html; charset=utf-8", 0))
        self.assertIn(b"No Node &lt;was&gt; found.", page)
        self.assertNotIn(b"<script", page)
        self.assertNotIn(b"style=", page)
        self.assertEqual(gzip.decompress(small), page)

    def test_without_packages_auto_goes_on_loudly_and_on_does_not(self):
        r, blob = self.build("--mode", "AUTO")
        self.assertEqual(r.returncode, 0, r.stderr)
        self.assertIn("NOT BUILT", r.stdout)
        self.assertIn(b"could not be fetched", unpack(blob)["index.html"][2])
        r, blob = self.build("--mode", "ON")
        self.assertNotEqual(r.returncode, 0)
        self.assertIn("npm ci failed", r.stderr)
        self.assertEqual(blob, b"")

    def test_the_same_input_makes_the_same_blob(self):
        self.assertEqual(self.build("--why-not", "x")[1], self.build("--why-not", "x")[1])

    def test_the_lock_names_no_registry_and_every_package_its_content(self):
        for place in (HOME, f"{ROOT}/tests/e2e/js"):
            lock = json.load(open(f"{place}/package-lock.json"))
            for name, package in lock["packages"].items():
                self.assertNotIn("resolved", package, name)
                self.assertTrue(name == "" or package.get("integrity", "").startswith("sha512-"), name)
            self.assertIn("omit-lockfile-registry-resolved=true", open(f"{place}/.npmrc").read())


if __name__ == "__main__":
    unittest.main()
