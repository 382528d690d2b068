#!/usr/bin/env python3
"""schema.py SCHEMA <JSON: holds a JSON value against a JSON Schema of man/schema, and ends with 1 where they differ.

It knows the keywords that these schemas use, and refuses others. A property that the schema does not name is a fault
too: what a command prints is to be described."""
import json
import re
import sys

NOTES = {"$schema", "$defs", "title", "description", "format"}
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int}


def is_of(value, name):
    return isinstance(value, TYPES[name]) and not (name == "integer" and isinstance(value, bool))


def faults(value, schema, root, path):
    for keyword in schema.keys() - NOTES:
        rule = schema[keyword]
        if keyword == "$ref":
            yield from faults(value, root["$defs"][rule.removeprefix("#/$defs/")], root, path)
        elif keyword == "anyOf":
            tried = [list(faults(value, one, root, path)) for one in rule]
            if all(tried):
                yield from min(tried, key=len)
        elif keyword == "type":
            names = rule if isinstance(rule, list) else [rule]
            if not any(is_of(value, name) for name in names):
                yield f"{path}: {value!r} is not {' or '.join(names)}"
        elif keyword == "enum":
            if value not in rule:
                yield f"{path}: {value!r} is not one of {rule}"
        elif keyword == "pattern":
            if isinstance(value, str) and not re.search(rule, value):
                yield f"{path}: {value!r} does not match {rule}"
        elif keyword in ("minimum", "maximum"):
            if is_of(value, "integer") and (value < rule if keyword == "minimum" else value > rule):
                yield f"{path}: {value} is beyond {keyword} {rule}"
        elif keyword == "items":
            for number, item in enumerate(value if isinstance(value, list) else []):
                yield from faults(item, rule, root, f"{path}[{number}]")
        elif keyword == "required":
            if isinstance(value, dict):
                yield from (f"{path}: {name} is missing" for name in rule if name not in value)
        elif keyword == "properties":
            others = schema.get("additionalProperties")
            for name, item in value.items() if isinstance(value, dict) else ():
                if name in rule:
                    yield from faults(item, rule[name], root, f"{path}.{name}")
                elif others is None:
                    yield f"{path}: {name} is not described"
                else:
                    yield from faults(item, others, root, f"{path}.{name}")
        elif keyword == "additionalProperties":
            if "properties" not in schema and isinstance(value, dict):
                for name, item in value.items():
                    yield from faults(item, rule, root, f"{path}.{name}")
        else:
            yield f"schema: unknown keyword {keyword}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        schema = json.load(file)
    found = list(faults(json.load(sys.stdin), schema, schema, "$"))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
