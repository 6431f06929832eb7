"""The image files: what is in them, and that the packages the image installs are all the binaries need."""
import glob, os, re, shutil, subprocess

import pytest

from chart import BIN, ROOT

CONTAINERFILE = open(f"{ROOT}/deploy/images/Containerfile").read()
BINARIES = ("aurora-dataplane", "aurora-controlplane", "aurora-ctl")


def instructions():
    text = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", CONTAINERFILE, flags=re.M))
    return [line.split(None, 1) for line in text.split("\n") if line.strip()]


def test_it_is_two_stages_and_the_last_one_is_no_root():
    names = [i[0] for i in instructions()]
    assert names.count("FROM") == 2 and set(names) <= {"FROM", "WORKDIR", "COPY", "RUN", "ARG", "LABEL", "USER", "EXPOSE", "STOPSIGNAL", "CMD"}
    last = instructions()[len(names) - names[::-1].index("FROM"):]
    assert [a for i, a in last if i == "USER"] == ["65532:65532"]
    assert all(a.startswith("[") for i, a in last if i == "CMD"), "a shell would be pid 1"
    assert not any(i == "ARG" and re.search("KEY|TOKEN|SECRET", a) for i, a in instructions())


def test_the_same_scripts_that_build_and_test_make_the_image():
    runs = " ".join(a for i, a in instructions() if i == "RUN")
    assert "install-deps build" in runs and "install-deps runtime" in runs and "tools/build release" in runs
    assert "apt-get" not in runs, "packages are listed once, in tools/install-deps"
    for name in BINARIES:
        assert name in runs


def test_what_is_copied_is_there_and_not_ignored():
    ignored = [line for line in open(f"{ROOT}/.dockerignore").read().split("\n") if line and not line.startswith("#")]
    for wanted in ("CMakeLists.txt", "CMakePresets.json", "proto", "shared", "dataplane", "controlplane", "tools", "tests"):
        assert os.path.exists(f"{ROOT}/{wanted}") and wanted not in ignored
    assert {"build", ".git", ".aurora"} <= set(ignored)


def test_it_exposes_the_ports_of_the_chart():
    exposed = {p.split("/")[0] for i, a in instructions() if i == "EXPOSE" for p in a.split()}
    values = open(f"{ROOT}/deploy/k8s/aurora/templates/_containers.tpl").read()
    assert exposed == set(re.findall(r"containerPort: (\d+)", values))


def libraries():
    """Packages of every shared library the binaries load."""
    out = subprocess.run(["ldd", *(f"{BIN}/{b}" for b in BINARIES)], capture_output=True, text=True).stdout
    assert "not found" not in out
    files = {os.path.realpath(m) for m in re.findall(r"=> (/\S+)", out)}
    spelt = {way: path for path in files for way in (path, re.sub(r"^/usr", "", path), "/usr" + path)}
    r = subprocess.run(["dpkg-query", "-S", *spelt], capture_output=True, text=True)  # exits 1: not every spelling is known
    owner = {spelt[line.split(": ", 1)[1]]: line.split(":")[0] for line in r.stdout.splitlines()}
    assert files == set(owner), files - set(owner)
    return set(owner.values())


@pytest.mark.skipif(not shutil.which("dpkg-query") or not glob.glob(f"{BIN}/aurora-*"), reason="NO DPKG or no binaries")
def test_the_runtime_packages_bring_every_library():
    wanted = re.search(r'^runtime="([^"]+)"', open(f"{ROOT}/tools/install-deps").read(), re.M).group(1).split()
    assert not [p for p in wanted if p.endswith("-dev")], "headers have no place in the image"
    rows = subprocess.run(["dpkg-query", "-W", "-f=${Package}\t${Depends}\n"], capture_output=True, text=True).stdout.splitlines()
    needs = {name: re.findall(r"(?:^|[,|]) *([a-z0-9.+-]+)", depends) for name, _, depends in (row.partition("\t") for row in rows)}
    covered, queue = set(), list(wanted)
    while queue:  # what they depend on comes with them
        package = queue.pop()
        if package not in covered:
            covered.add(package)
            queue += needs.get(package, [])
    assert libraries() <= covered, libraries() - covered
