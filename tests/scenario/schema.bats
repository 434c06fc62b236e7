#!/usr/bin/env bats
# A new notification type is a new file in schema/, and a schema that cannot be checked ends the build.

# shellcheck disable=SC2016 # $ref and its like are the schemas'

load lib
load faults
load ../source

# One configured copy of the source tree for all tests of this file.
setup_file() {
    if [[ -n $UNDER ]]; then return; fi
    local tree=$BATS_FILE_TMPDIR/tree build=$BATS_FILE_TMPDIR/build
    unset MAKEFLAGS MFLAGS CFLAGS CPPFLAGS LDFLAGS
    mkdir "$build"
    copy_source "$SOURCE" "$tree" >"$build.out" 2>&1
    # Not optimized, and compiled once, not once more for a shared library: it is built more than run.
    if ! (cd "$build" && ../tree/configure CFLAGS=-O0 --disable-hardening &&
        make -j2) >>"$build.out" 2>&1; then
        tail -n 40 "$build.out"
        return 1
    fi
}

setup() {
    scenario_setup
    needs_plain_build "what is under test is the build"
    SCHEMAS=$BATS_FILE_TMPDIR/tree/schema
    BUILD=$BATS_FILE_TMPDIR/build
    TABLE=$BUILD/fcgi/schema_table.inc
    RECEIVER_BIN=$BUILD/fcgi/upgrade-receiver
}

teardown() {
    rm -f "$SCHEMAS"/unit*.schema.json
    scenario_teardown
}

# schema NAME [FILTER]: the schema of notifyType NAME, changed by a jq FILTER.
schema() {
    jq -n --arg name "$1" '{
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        type: "object",
        properties: {
            notifyType: {type: "string", const: $name},
            deviceId: {type: "string", minLength: 1},
            count: {type: "integer"},
            list: {type: "array", items: {type: "object", properties: {name: {type: "string"}}}}
        },
        required: ["notifyType", "deviceId"]
    } | '"${2:-.}"
}

build() {
    make -C "$BUILD" >"$T/make.out" 2>&1
}

# post_json JSON
post_json() {
    printf '%s' "$1" >"$T/sent.json"
    send_body "$T/sent.json"
}

# build_fails TEXT...: make fails, and names each TEXT; the table stays what it was.
build_fails() {
    local part
    if build; then
        fail "make takes it"
        return
    fi
    for part; do
        grep -qF -- "$part" "$T/make.out" ||
            fail "make does not say '$part': $(grep -v '^make' "$T/make.out")" || return
    done
    if grep -q Traceback "$T/make.out"; then
        fail "the generator breaks down: $(tail -n 3 "$T/make.out")"
        return
    fi
    [[ ! -e $TABLE.tmp ]] || fail "$TABLE.tmp is left behind"
}

# misuse FILTER TEXT: a schema changed by FILTER ends the build, which names the file and TEXT.
misuse() {
    schema unitNotify "$1" >"$SCHEMAS/unitNotify.schema.json"
    build_fails unitNotify.schema.json "$2" || fail "($1)"
}

@test "a new file in schema/ is all that a new notification type takes" {
    # With schema/unitNotify.schema.json alone, older than the table, unitNotify is a notification after make; without it, it is unknown again.
    local body='{"notifyType":"unitNotify","deviceId":"d","count":2.0}'
    receiver_start
    post_json "$body"
    answered 200 quarantined
    equal reason "$(jq -r .reason <<<"$body")" "notifyType unknown"
    receiver_stop

    schema unitNotify >"$SCHEMAS/unitNotify.schema.json"
    touch -d 2001-01-01 "$SCHEMAS/unitNotify.schema.json"
    build
    receiver_start
    post_json '{"notifyType":"unitNotify","deviceId":"d","count":2.0}'
    answered 200 stored
    post_json '{"count":2.0,"deviceId":"d","notifyType":"unitNotify"}'
    answered 200 repeated
    post_json '{"notifyType":"unitNotify","deviceId":"d","count":2.5}'
    answered 200 quarantined
    equal pointer "$(jq -r .pointer <<<"$body")" /count
    post_json '{"notifyType":"unitNotify","deviceId":"d","list":[{},{"name":7}]}'
    answered 200 quarantined
    equal pointer "$(jq -r .pointer <<<"$body")" /list/1/name
    equal books "$(sql 'SELECT notifyType, deviceId, deliveries FROM notifications')" 'unitNotify|d|2'
    equal upgrades "$(sql 'SELECT count(*) FROM upgrades')" 0
    send deviceId=d
    answered 200 stored
    receiver_stop

    schema unitNotify '.required += ["count"]' >"$SCHEMAS/unitNotify.schema.json"
    touch -d 2001-01-01 "$SCHEMAS/unitNotify.schema.json"
    build
    receiver_start
    post_json '{"notifyType":"unitNotify","deviceId":"e"}'
    answered 200 quarantined
    equal pointer "$(jq -r .pointer <<<"$body")" /count
    receiver_stop

    rm "$SCHEMAS/unitNotify.schema.json"
    build
    receiver_start
    post_json '{"notifyType":"unitNotify","deviceId":"f","count":1}'
    answered 200 quarantined
    equal reason "$(jq -r .reason <<<"$body")" "notifyType unknown"
    send deviceId=e
    answered 200 stored
}

@test "an unchanged schema/ compiles nothing" {
    # Where no schema changed, make leaves the table and the receiver as they are.
    local before
    build
    before=$(stat -c %y "$TABLE" "$RECEIVER_BIN")
    touch "$SCHEMAS"/*.schema.json
    build
    equal "times" "$(stat -c %y "$TABLE" "$RECEIVER_BIN")" "$before"
}

@test "a keyword that is not supported ends the build, named with its place" {
    # Each keyword that the C side does not check makes make fail, which names file, place and keyword.
    local before keyword value
    build
    before=$(cat "$TABLE")
    while read -r keyword value; do
        misuse ".properties.deviceId[\"$keyword\"] = $value" \
            "#/properties/deviceId: keyword '$keyword' is not supported"
    done <<'KEYWORDS'
pattern "x"
maxLength 7
format "uuid"
oneOf []
allOf []
not {}
if {}
$ref "#/properties/count"
default ""
KEYWORDS
    misuse '.additionalProperties = false' "#: keyword 'additionalProperties' is not supported"
    misuse '."$defs" = {}' "#: keyword '\$defs' is not supported"
    misuse '.patternProperties = {}' "#: keyword 'patternProperties' is not supported"
    misuse '.properties.count.minimum = 0' "#/properties/count: keyword 'minimum' is not supported"
    misuse '.properties.list.minItems = 1' "#/properties/list: keyword 'minItems' is not supported"
    misuse '.properties.list.items.properties.name.pattern = "x"' \
        "#/properties/list/items/properties/name: keyword 'pattern' is not supported"
    equal table "$(cat "$TABLE")" "$before"
    rm "$SCHEMAS/unitNotify.schema.json"
    build
}

@test "a schema that contradicts itself ends the build, named with its place" {
    # Each misuse of a keyword makes make fail, which names file and place.
    misuse '.properties.notifyType.const = "otherNotify"' "const is 'otherNotify', the file's name says 'unitNotify'"
    misuse 'del(.properties.notifyType.const)' "/properties/notifyType/const is None"
    misuse '.required = ["deviceId"]' "notifyType must be required"
    misuse '.required += ["ghost"]' "#: required member 'ghost' is not in properties"
    misuse '.required += ["deviceId"]' "#: required must be a list of different names"
    misuse '.properties.list.items.required = ["x"]' "#/properties/list/items: required member 'x'"
    misuse '.properties.deviceId.type = "text"' "#/properties/deviceId: type 'text' is not supported"
    misuse '.properties.deviceId.type = []' "#/properties/deviceId: type must be"
    misuse '.properties.deviceId.type = ["string", "string"]' "#/properties/deviceId: type must be"
    misuse '.properties.count.const = 1' "#/properties/count: const and enum are supported for strings only"
    misuse '.properties.deviceId.enum = []' "#/properties/deviceId: enum must be"
    misuse '.properties.deviceId = {enum: ["a"]}' "#/properties/deviceId: const and enum need"
    misuse '.properties.deviceId += {enum: ["a"], const: "a"}' "#/properties/deviceId: const and enum together"
    misuse '.properties.deviceId.minLength = -1' "#/properties/deviceId: minLength must be"
    misuse '.properties.deviceId.minLength = 1.5' "#/properties/deviceId: minLength must be"
    misuse '.properties.deviceId.minLength = true' "#/properties/deviceId: minLength must be"
    misuse '.properties.count.minLength = 1' '#/properties/count: minLength needs "type": "string"'
    misuse '.properties.count.properties = {}' '#/properties/count: properties needs "type": "object"'
    misuse '.properties.count.items = {}' '#/properties/count: items needs "type": "array"'
    misuse '.properties.list.items = true' "#/properties/list/items: a schema must be an object here"
    misuse '.properties.count.anyOf = []' "#/properties/count/anyOf: anyOf must be"
    misuse '.properties.list.items.anyOf = [{}, {pattern: "x"}]' \
        "#/properties/list/items/anyOf/1: keyword 'pattern' is not supported"
    misuse '.properties["a/b"] = {}' "a member name with '/', '~' or NUL: 'a/b'"
    misuse '.type = "array"' '"type": "object" is missing'
    misuse 'del(."$schema")' '"$schema" must be'
    misuse '[.]' "a notification's schema must be an object"
}

@test "a file that is no JSON ends the build, named" {
    # Duplicate members, broken JSON and bytes that are no UTF-8 make make fail, which names the file.
    local file=$SCHEMAS/unitNotify.schema.json
    schema unitNotify | sed 's/"count": {/"deviceId": {/' >"$file"
    build_fails unitNotify.schema.json "member 'deviceId' stands twice in one object"
    schema unitNotify | sed '$d' >"$file"
    build_fails unitNotify.schema.json line
    : >"$file"
    build_fails unitNotify.schema.json
    schema unitNotify | sed 's/count/\xff/' >"$file"
    build_fails unitNotify.schema.json utf-8
}

@test "values of the wrong kind end the build, named" {
    # Where a keyword's value is of a kind that it never has, make fails, which names the file.
    misuse '.properties = []' properties
    misuse '.properties.notifyType = "unitNotify"' notifyType
    misuse '.properties.count = "integer"' "#/properties/count: a schema must be an object here"
    misuse '.properties.list.items.properties = 1' "#/properties/list/items: properties must be an object"
    misuse '.required = 5' required
    misuse '.required = "notifyType"' required
    misuse '.required += [[]]' required
    misuse '.properties.count.type = [[]]' "#/properties/count"
    misuse '.properties.count.type = 5' "#/properties/count"
    misuse '.properties.deviceId.enum = "abc"' "#/properties/deviceId: enum must be"
    misuse '.properties.deviceId.minLength = 1e30' "#/properties/deviceId: minLength must be"
    schema unitNotify ".properties.count.minLength = 99999999999999999999" |
        sed 's/"integer"/"string"/' >"$SCHEMAS/unitNotify.schema.json"
    build_fails unitNotify.schema.json "#/properties/count: minLength must be"
}

@test "the generated table depends on nothing but the schemas" {
    # The same schemas give the same table, byte by byte, in whatever folder, order and environment.
    local first=$T/first second=$T/second/below file
    schema unitA >"$SCHEMAS/unitA.schema.json"
    schema unitB '.properties |= (to_entries | reverse | from_entries)' >"$SCHEMAS/unitB.schema.json"
    mkdir -p "$first" "$second"
    for file in "$SCHEMAS"/*.schema.json; do cp "$file" "$first"; done
    cp "$first"/* "$second"
    touch -d 2001-01-01 "$second"/*
    (cd / && PYTHONHASHSEED=1 LC_ALL=C "$PYTHON" "$SCHEMAS/generate.py" "$first") >"$T/one"
    # A folder lists its files in an order of its own.
    (cd "$second" && PYTHONHASHSEED=2 LC_ALL=C.UTF-8 "$PYTHON" -c '
import os, runpy, sys
listed = os.listdir
os.listdir = lambda folder: sorted(listed(folder), reverse=True)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
' "$SCHEMAS/generate.py" .) >"$T/other"
    cmp "$T/one" "$T/other"
    build
    cmp "$T/one" "$TABLE"
    grep -q '"unitA"' "$T/one"
    # Another order of members is another table: the first member at fault is named.
    sed 's/unitB/unitA/' "$first/unitB.schema.json" >"$first/unitA.schema.json"
    "$PYTHON" "$SCHEMAS/generate.py" "$first" >"$T/reversed"
    if cmp -s "$T/one" "$T/reversed"; then fail "the order of members is lost"; fi
}
