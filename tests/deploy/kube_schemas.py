"""The Kubernetes API's JSON schemas, offline, laid out as kubeconform wants them.

Source: the schemas inside the package kubernetes-validate, made from the API's own OpenAPI document of each version. There a kind refers
to `/api/_definitions.json` of an address that is not to be fetched; here to the file beside it, and `$id` is left out.
"""
import functools, glob, importlib.util, json, os

NAMES = "{{ .ResourceKind }}{{ .KindSuffix }}.json"


def beside(value):
    """`value` with its references to the definitions leading to the file in the same folder."""
    if isinstance(value, dict):
        return {k: v.removeprefix("/api/") if k == "$ref" and isinstance(v, str) else beside(v) for k, v in value.items() if k != "$id"}
    return [beside(v) for v in value] if isinstance(value, list) else value


@functools.lru_cache(maxsize=None)
def lay_out(version, where):
    """Writes the strict schemas of `version` ("1.37.0") below `where`; returns what -schema-location is to be."""
    package = os.path.dirname(importlib.util.find_spec("kubernetes_validate").origin)
    target = f"{where}/v{version}"
    os.makedirs(target)
    for path in glob.glob(f"{package}/kubernetes-json-schema/v{version}-local-strict/*.json"):
        with open(path) as f:
            schema = json.load(f)
        name = os.path.basename(path)
        if name == "_definitions.json":
            schema = {"$defs": schema["$defs"]}  # an object has properties named "$ref" and "$id" of its own
        elif "x-kubernetes-group-version-kind" in schema:
            schema = beside(schema)
        else:
            continue  # a part of an object
        with open(f"{target}/{name}", "w") as f:
            json.dump(schema, f)
    assert os.path.exists(f"{target}/_definitions.json"), f"no schemas of Kubernetes {version} in kubernetes-validate"
    return f"{target}/{NAMES}"
