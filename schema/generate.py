#!/usr/bin/env python3
"""Turns the JSON Schemas of a folder into the C table that checks bodies.

Usage: generate.py FOLDER > schema_table.inc

Each FOLDER/NAME.schema.json (JSON Schema 2020-12) describes the notification whose notifyType is
NAME. Those in UNTYPED are of bodies that the platform pushes without a notifyType. The keywords
below are supported, each with the checks that a schema using it must pass. Any other keyword, or a
use that the C side cannot check, ends the build with the file and the place named, because a rule
that is silently not checked is worse than a build that fails.
"""

import json
import os
import sys

ANNOTATIONS = {"$schema", "$id", "$comment", "title", "description", "examples"}
SUPPORTED = ANNOTATIONS | {
    "type", "const", "enum", "minLength", "properties", "required", "items", "anyOf",
}
TYPES = {
    "string": "SCHEMA_STRING",
    "integer": "SCHEMA_INTEGER",
    "number": "SCHEMA_NUMBER",
    "boolean": "SCHEMA_BOOLEAN",
    "object": "SCHEMA_OBJECT",
    "array": "SCHEMA_ARRAY",
    "null": "SCHEMA_NULL",
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"
SUFFIX = ".schema.json"

# The bodies without a notifyType, and the member by which each is known. The first that is there counts.
UNTYPED = {"commandStatus": "commandId", "envelope": "notify_data"}

# Longer strings than any body that the receiver takes.
MIN_LENGTH_MAX = 1 << 26


class Unsupported(Exception):
    """A schema says what the C table cannot express."""


def refuse_duplicates(pairs):
    members = {}
    for name, value in pairs:
        if name in members:
            raise Unsupported(f"member {name!r} is in one object twice")
        members[name] = value
    return members


def c_string(text):
    """A C string literal; octal escapes, which no following digit can lengthen past three."""
    encoded = "".join(
        chr(b) if 0x20 <= b < 0x7F and chr(b) not in '"\\?' else f"\\{b:03o}"
        for b in text.encode("utf-8")
    )
    return f'"{encoded}"'


def is_list_of_names(value):
    return (
        isinstance(value, list)
        and all(isinstance(name, str) for name in value)
        and len(set(value)) == len(value)
    )


class Table:
    """Collects definitions in an order in which each comes before its first use."""

    def __init__(self):
        self.lines = []
        self.count = 0

    def name(self, kind):
        self.count += 1
        return f"{kind}_{self.count}"

    def strings(self, values):
        name = self.name("values")
        joined = ", ".join(c_string(v) for v in values)
        self.lines.append(f"static const char *const {name}[] = {{{joined}, NULL}};")
        return name

    def members(self, properties, required, where):
        rows = []
        for member, schema in properties.items():
            if "/" in member or "~" in member or "\0" in member:
                raise Unsupported(f"{where}: a member name with '/', '~' or NUL: {member!r}")
            node = self.node(schema, f"{where}/properties/{member}")
            rows.append(f"    {{{c_string(member)}, {str(member in required).lower()}, &{node}}},")
        name = self.name("members")
        self.lines.append(f"static const struct schema_member {name}[] = {{")
        self.lines.extend(rows)
        self.lines.append("};")
        return name

    def node(self, schema, where):
        if not isinstance(schema, dict):
            raise Unsupported(f"{where}: a schema must be an object here")
        for keyword in schema:
            if keyword not in SUPPORTED:
                raise Unsupported(f"{where}: keyword {keyword!r} is not supported")
        fields = []
        types = self.types(schema, where)
        fields.append(f".types = {types}")
        values = self.values(schema, where)
        if values is not None:
            fields.append(f".values = {self.strings(values)}")
        if "minLength" in schema:
            length = schema["minLength"]
            if type(length) is not int or not 0 <= length <= MIN_LENGTH_MAX:
                raise Unsupported(f"{where}: minLength must be a whole number up to {MIN_LENGTH_MAX}")
            self.demand_type(schema, "string", "minLength", where)
            fields.append(f".min_length = {length}")
        if "properties" in schema or "required" in schema:
            self.demand_type(schema, "object", "properties", where)
            properties, required = self.object_keywords(schema, where)
            # A required member without rules of its own: anything may stand there.
            properties = properties | {m: {} for m in required if m not in properties}
            if properties:
                members = self.members(properties, required, where)
                fields.append(f".members = {members}, .members_length = {len(properties)}")
        if "anyOf" in schema:
            fields.append(f".any_of = {self.any_of(schema['anyOf'], where + '/anyOf')}")
        if "items" in schema:
            self.demand_type(schema, "array", "items", where)
            fields.append(f".items = &{self.node(schema['items'], where + '/items')}")
        name = self.name("node")
        self.lines.append(f"static const struct schema_node {name} = {{{', '.join(fields)}}};")
        return name

    def any_of(self, alternatives, where):
        if not isinstance(alternatives, list) or not alternatives:
            raise Unsupported(f"{where}: anyOf must be a list with something in it")
        nodes = [self.node(a, f"{where}/{i}") for i, a in enumerate(alternatives)]
        name = self.name("any_of")
        joined = ", ".join(f"&{node}" for node in nodes)
        self.lines.append(f"static const struct schema_node *const {name}[] = {{{joined}, NULL}};")
        return name

    @staticmethod
    def types(schema, where):
        types = schema.get("type")
        if types is None:
            return "SCHEMA_ANY"
        types = [types] if isinstance(types, str) else types
        if not is_list_of_names(types) or not types:
            raise Unsupported(f"{where}: type must be a name or a list of different names")
        for name in types:
            if name not in TYPES:
                raise Unsupported(f"{where}: type {name!r} is not supported")
        return " | ".join(TYPES[name] for name in types)

    @staticmethod
    def demand_type(schema, name, keyword, where):
        types = schema.get("type")
        if name != types and not (isinstance(types, list) and name in types):
            raise Unsupported(f"{where}: {keyword} needs \"type\": \"{name}\" beside it")

    @classmethod
    def values(cls, schema, where):
        if "const" in schema and "enum" in schema:
            raise Unsupported(f"{where}: const and enum together are not supported")
        if "const" not in schema and "enum" not in schema:
            return None
        values = [schema["const"]] if "const" in schema else schema["enum"]
        if not isinstance(values, list) or not values:
            raise Unsupported(f"{where}: enum must be a list with something in it")
        if any(not isinstance(v, str) or "\0" in v for v in values):
            raise Unsupported(f"{where}: const and enum are supported for strings only")
        if schema.get("type") != "string":
            raise Unsupported(f"{where}: const and enum need \"type\": \"string\" beside them")
        return values

    @staticmethod
    def object_keywords(schema, where):
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict):
            raise Unsupported(f"{where}: properties must be an object")
        if not is_list_of_names(required):
            raise Unsupported(f"{where}: required must be a list of different names")
        for member in required:
            if properties and member not in properties:
                raise Unsupported(f"{where}: required member {member!r} is not in properties")
        return properties, required


def read_schema(path, name):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file, object_pairs_hook=refuse_duplicates)
    if not isinstance(schema, dict):
        raise Unsupported("a notification's schema must be an object")
    if schema.get("$schema") != DIALECT:
        raise Unsupported(f'"$schema" must be "{DIALECT}"')
    if schema.get("type") != "object":
        raise Unsupported('a notification is an object: "type": "object" is missing')
    properties, required = Table.object_keywords(schema, "#")
    if name in UNTYPED:
        if UNTYPED[name] not in required:
            raise Unsupported(f"{UNTYPED[name]} must be required: the body is known by it")
        return schema
    constant = properties.get("notifyType")
    constant = constant.get("const") if isinstance(constant, dict) else None
    if constant != name:
        raise Unsupported(f"/properties/notifyType/const is {constant!r}, the file's name says {name!r}")
    if "notifyType" not in required:
        raise Unsupported("notifyType must be required")
    return schema


def generate(folder):
    table = Table()
    rows, untyped = [], {}
    files = sorted(f for f in os.listdir(folder) if f.endswith(SUFFIX))
    for file in files:
        name = file[: -len(SUFFIX)]
        try:
            root = table.node(read_schema(os.path.join(folder, file), name), "#")
        except (Unsupported, ValueError, RecursionError) as problem:
            raise Unsupported(f"{os.path.join(folder, file)}: {problem}") from problem
        row = f"{{{c_string(name)}, &{root}}}"
        if name in UNTYPED:
            untyped[name] = row
        else:
            rows.append((name.encode("utf-8"), f"    {row},"))
    if not rows:
        raise Unsupported(f"{folder}: no *{SUFFIX} with a notifyType there")
    print("/* Made by schema/generate.py from the schemas beside it. */")
    print("\n".join(table.lines))
    print("/* sorted by notifyType, byte by byte, for bsearch */")
    print("static const struct schema table[] = {")
    print("\n".join(row for _, row in sorted(rows)))
    print("};")
    print("/* the bodies without a notifyType, by the member that each is known by */")
    print("static const struct schema_untyped untyped[] = {")
    for name, member in UNTYPED.items():
        if name in untyped:
            print(f"    {{{c_string(member)}, {untyped[name]}}},")
    print("    {NULL, {NULL, NULL}},\n};")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: generate.py FOLDER > schema_table.inc")
    try:
        generate(sys.argv[1])
    except (Unsupported, OSError) as problem:
        sys.exit(f"generate.py: {problem}")


if __name__ == "__main__":
    main()
