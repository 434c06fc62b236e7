#!/usr/bin/env bats
# A new notification type is a new file in schema/, and a schema that cannot be checked ends the build.

# shellcheck disable=SC2016 # $ref and its like are the schemas'

load lib
load faults

# A copy of the build under test and of the source tree that it was configured from, for all tests of this
# file. make is told where the copy is, so nothing is configured or compiled anew.
setup_file() {
    if [[ -n $UNDER || ! -f ${RECEIVER_BIN%/*/*}/Makefile ]]; then return; fi
    local tree=$BATS_FILE_TMPDIR/tree build=${RECEIVER_BIN%/*/*} source part
    source=$(sed -n 's/^srcdir = //p' "$build/Makefile")
    source=$(cd "$build" && cd "$source" && pwd)
    mkdir "$tree" "$BATS_FILE_TMPDIR/build"
    for part in "$source"/*; do
        # Other builds may lie in the source tree, and be large.
        case ${part##*/} in
        build-aux) ;;
        build*) continue ;;
        esac
        cp -a "$part" "$tree"
    done
    cp -a "$build/." "$BATS_FILE_TMPDIR/build"
    # What was compiled from which header is told by a way that does not lead to the copy.
    find "$BATS_FILE_TMPDIR/build" -path '*/.deps/*.Po' -exec truncate -s 0 {} +
}

setup() {
    scenario_setup
    needs_plain_build "what is under test is the build"
    unset MAKEFLAGS MFLAGS CFLAGS CPPFLAGS LDFLAGS
    filters=() texts=()
    SCHEMAS=$BATS_FILE_TMPDIR/tree/schema
    BUILD=$BATS_FILE_TMPDIR/build
    [[ -f $BUILD/Makefile ]] || skip "${RECEIVER_BIN%/*/*} holds no build"
    TABLE=$BUILD/fcgi/notification/schema_table.inc
    RECEIVER_BIN=$BUILD/fcgi/upgrade-receiver
}

teardown() {
    rm -f "$SCHEMAS"/unit*.schema.json
    scenario_teardown
}

# schema NAME [FILTER]: the schema of notifyType NAME, changed by a jq FILTER; one a line if FILTER has several
# results.
schema() {
    jq -cn --arg name "$1" '{
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

# build [TARGET]...: make, in the copy. It takes several times as long without a TARGET.
build() {
    local tree=${SCHEMAS%/*}
    make -C "$BUILD" srcdir="$tree" top_srcdir="$tree" VPATH="$tree" PYTHON="$PYTHON" "$@" >"$T/make.out" 2>&1
}

# posts: posts each line of stdin, one after the other; prints of each answer the status and the result, and
# what was wrong and where.
posts() {
    PYTHONPATH=$TESTS/tool "$PYTHON" -c '
import json, sys
import fcgi_peer

for line in sys.stdin.buffer:
    answer, _ = fcgi_peer.post(sys.argv[1], line.rstrip(b"\n"))
    said = json.loads(answer.body)
    print(answer.status, said.get("result"), said.get("reason", "-"), said.get("pointer", "-"))
' "$T/socket"
}

# build_fails TEXT...: make fails, and names each TEXT; the table stays what it was.
build_fails() {
    local part said
    if build; then
        fail "make takes it"
        return
    fi
    said=$(<"$T/make.out")
    for part; do
        [[ $said == *"$part"* ]] || fail "make does not say '$part': $said" || return
    done
    [[ $said != *Traceback* ]] || fail "the generator breaks down: $said" || return
    [[ ! -e $TABLE.tmp ]] || fail "$TABLE.tmp is left behind"
}

# misuse FILTER TEXT: a schema changed by FILTER is one that misuses_end_the_build tries; TEXT is what is said
# of it.
misuse() {
    filters+=("($1)")
    texts+=("$2")
}

# misuses_end_the_build: make fails with the first one, and names the file and the text. So does what make
# calls with each of the others, or make again with tests/run --full: a make for each takes long.
misuses_end_the_build() {
    local file=$SCHEMAS/unitNotify.schema.json schemas number
    mapfile -t schemas < <(IFS=,; schema unitNotify "${filters[*]}")
    equal schemas "${#schemas[@]}" "${#filters[@]}"
    for number in "${!schemas[@]}"; do
        echo "${schemas[number]}" >"$file"
        build_fails "${file##*/}" "${texts[number]}" || fail "${filters[number]}" || return
        if [[ $TEST_FULL != 1 ]]; then break; fi
    done
    printf '%s\n' "${schemas[@]}" | "$PYTHON" -c '
import contextlib, io, runpy, sys

generator, file, *texts = sys.argv[1:]
for schema, text in zip(sys.stdin, texts, strict=True):
    with open(file, "w", encoding="utf-8") as out:
        out.write(schema)
    sys.argv = [generator, file.rsplit("/", 1)[0]]
    said = None
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            runpy.run_path(generator, run_name="__main__")
    except SystemExit as end:  # anything else is a traceback
        said = end.code
    if not (isinstance(said, str) and "unitNotify.schema.json" in said and text in said):
        sys.exit(f"the generator says {said!r}, not {text!r}, of {schema}")
' "$SCHEMAS/generate.py" "$file" "${texts[@]}"
}

@test "a new file in schema/ is all that a new notification type takes" {
    # With schema/unitNotify.schema.json alone, older than the table, unitNotify is a notification after make; without it, it is unknown again.
    receiver_start
    equal "without the file" "$(posts <<<'{"notifyType":"unitNotify","deviceId":"d","count":2.0}')" \
        "200 quarantined notifyType unknown /notifyType"
    receiver_stop

    schema unitNotify >"$SCHEMAS/unitNotify.schema.json"
    touch -d 2001-01-01 "$SCHEMAS/unitNotify.schema.json"
    if [[ $TEST_FULL == 1 ]]; then build; else build fcgi/upgrade-receiver; fi
    receiver_start
    {
        echo '{"notifyType":"unitNotify","deviceId":"d","count":2.0}'
        echo '{"count":2.0,"deviceId":"d","notifyType":"unitNotify"}'
        echo '{"notifyType":"unitNotify","deviceId":"d","count":2.5}'
        echo '{"notifyType":"unitNotify","deviceId":"d","list":[{},{"name":7}]}'
        notification deviceId=d
    } >"$T/bodies"
    equal "with the file" "$(posts <"$T/bodies")" "200 stored - -
200 repeated - -
200 quarantined wrong type: a number, not an integer /count
200 quarantined wrong type: an integer, not a string /list/1/name
200 stored - -"
    equal books "$(sql "SELECT notifyType, deviceId, deliveries FROM notifications WHERE seq = 1;
        SELECT count(*), max(notifyType) FROM upgrades JOIN notifications USING (seq)")" \
        $'unitNotify|d|2\n1|swUpgradeResultNotify'
    receiver_stop

    schema unitNotify '.required += ["count"]' >"$SCHEMAS/unitNotify.schema.json"
    touch -d 2001-01-01 "$SCHEMAS/unitNotify.schema.json"
    build fcgi/upgrade-receiver
    receiver_start
    equal "with another file" "$(posts <<<'{"notifyType":"unitNotify","deviceId":"e"}')" "200 quarantined missing /count"
    receiver_stop

    rm "$SCHEMAS/unitNotify.schema.json"
    build fcgi/upgrade-receiver
    receiver_start
    {
        echo '{"notifyType":"unitNotify","deviceId":"f","count":1}'
        notification deviceId=e
    } >"$T/bodies"
    equal "without the file again" "$(posts <"$T/bodies")" "200 quarantined notifyType unknown /notifyType
200 stored - -"
}

@test "an unchanged schema/ compiles nothing" {
    # Where no schema changed, make leaves the table and the receiver as they are.
    local before
    build fcgi/upgrade-receiver
    before=$(stat -c %y "$TABLE" "$RECEIVER_BIN")
    touch "$SCHEMAS"/*.schema.json
    build fcgi/upgrade-receiver
    equal "times" "$(stat -c %y "$TABLE" "$RECEIVER_BIN")" "$before"
}

@test "a keyword that is not supported ends the build, named with its place" {
    # Each keyword that the C side does not check makes make fail, which names file, place and keyword.
    local before keyword value
    build fcgi/notification/schema_table.inc
    before=$(<"$TABLE")
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
    misuses_end_the_build
    equal table "$(<"$TABLE")" "$before"
    rm "$SCHEMAS/unitNotify.schema.json"
    build fcgi/notification/schema_table.inc
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
    misuses_end_the_build
}

@test "a file that is no JSON ends the build, named" {
    # Duplicate members, broken JSON and bytes that are no UTF-8 make make fail, which names the file.
    local file=$SCHEMAS/unitNotify.schema.json
    schema unitNotify | sed 's/"count":{/"deviceId":{/' >"$file"
    build_fails unitNotify.schema.json "member 'deviceId' is in one object twice"
    schema unitNotify | head -c -2 >"$file"
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
    misuses_end_the_build
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
    build fcgi/notification/schema_table.inc
    cmp "$T/one" "$TABLE"
    grep -q '"unitA"' "$T/one"
    # Another order of members is another table: the first member at fault is named.
    sed 's/unitB/unitA/' "$first/unitB.schema.json" >"$first/unitA.schema.json"
    "$PYTHON" "$SCHEMAS/generate.py" "$first" >"$T/reversed"
    if cmp -s "$T/one" "$T/reversed"; then fail "the order of members is lost"; fi
}
