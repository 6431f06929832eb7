"""Every rule of tools/lint finds a violation planted in a scratch tree."""
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HEAD = "// A header.\n#pragma once\n"
PLANTED = {
    "dataplane/exchange/a.h": (HEAD + '#include "controlplane/store/store.h"\n', "may not use controlplane/store"),
    "dataplane/policy/b.h": (HEAD + "#include <mutex>\n", "<mutex> in a pure module"),
    "dataplane/llm/c.cc": ("int64_t t = std::chrono::steady_clock::now();\n", "a clock"),
    "dataplane/server/d.cc": ("#include <sqlite3.h>\n", "<sqlite3.h> belongs to"),
    "shared/base/e.h": ("#pragma once\n", "no header comment"),
    "shared/base/f.h": ("// A header.\n", "no #pragma once"),
    "shared/base/g.cc": ("// " + "TO" + "DO later\n", "a promise for later"),
    "shared/base/h.cc": ("x\n" * 600, "601 lines"),
    "shared/base/i.cc": ("// " + "y" * 130 + "\n", "133 columns"),
    "shared/base/j.cc": ("  throw 1;\n", "no throw"),
    "shared/base/k.cc": ("  co_await x;\n", "no coroutines"),
    "docs/m.md": ("# A\n[gone](n.md)\n", "links to n.md"),
    "docs/o.md": ("# A\n[a](#a) [web](https://example.net) [b](m.md#b)\n", "links to #b, which is no heading of docs/m.md"),
    "dataplane/unheard/l.cc": ('#include "shared/base/check.h"\n', "not in tools/lint"),
}


def main():
    scratch = tempfile.mkdtemp(prefix="aurora-lint-")
    try:
        os.makedirs(f"{scratch}/tools")
        shutil.copy(f"{ROOT}/tools/lint", f"{scratch}/tools/lint")
        subprocess.run(["git", "init", "-q"], cwd=scratch, check=True)
        for path, (text, _) in PLANTED.items():
            os.makedirs(os.path.dirname(f"{scratch}/{path}"), exist_ok=True)
            with open(f"{scratch}/{path}", "w", encoding="utf-8") as f:
                f.write(text)
        r = subprocess.run([sys.executable, f"{scratch}/tools/lint"], capture_output=True, text=True)
        missed = [p for p, (_, want) in PLANTED.items() if not any(l.startswith(p) and want in l for l in r.stdout.split("\n"))]
        print(r.stdout)
        print(f"planted {len(PLANTED)}, missed {missed}, exit {r.returncode}")
        return 1 if missed or r.returncode != 1 else 0
    finally:
        shutil.rmtree(scratch)


if __name__ == "__main__":
    sys.exit(main())
