#!/usr/bin/env python3
"""Makes Sources/CNTMResources/openapi.json of openapi.yaml; with --check only says whether it is that.

The JSON says in x-made-from of which text it was made: so the tests know, without reading YAML."""
import hashlib
import json
import pathlib
import sys

import yaml

root = pathlib.Path(__file__).resolve().parents[2]
target = root / "Sources/CNTMResources/openapi.json"


class Loader(yaml.SafeLoader):
    """Takes times for texts, as JSON has them, and refuses a key that is there twice."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        if twice:
            raise yaml.YAMLError(f"{node.start_mark}: {', '.join(map(str, twice))} is there twice")
        return super().construct_mapping(node, deep)


Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)

source = (root / "openapi.yaml").read_bytes()
document = yaml.load(source, Loader)
document["x-made-from"] = "sha256:" + hashlib.sha256(source).hexdigest()
text = json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

if "--check" in sys.argv:
    if not target.exists() or target.read_text() != text:
        sys.exit(f"{target.relative_to(root)} is not what openapi.yaml says: run make contract")
else:
    target.write_text(text)
