#!/usr/bin/env bats
# Each rule finds what is planted for it, and finds nothing in a tree that keeps it.
#
# shellcheck disable=SC2016 # what is planted is not to be expanded

setup() {
    # Functions are not traced: see trace_tests_alone in tests/scenario/lib.bash.
    set +T
    declare -ft bats_error_trap bats_check_status_from_trap
    RULES=$BATS_TEST_DIRNAME
    tree=$BATS_TEST_TMPDIR/tree
    # A build for the tests that make one; the other tests are not to look through that of the run.
    export UPGRADE_RECEIVER_BIN=$tree/build/upgrade-receiver
    mkdir -p "$tree"/fcgi/{base,store,view} "$tree/nginx" "$tree/tests/unit"
    plant nginx/upgrade-receiver.default
    cp "$RULES/../../.clang-format" "$tree/"
    plant fcgi/base/fault.h '/* fault: why. */' '#ifndef FAULT_H' '#define FAULT_H' '#endif'
}

# plant FILE LINE...: writes FILE into the tree.
plant() {
    printf '%s\n' "${@:2}" >"$tree/$1"
}

# keeps RULE: it finds nothing in the tree.
keeps() {
    run -0 "$RULES/$1" "$tree"
}

# breaks RULE PLACE: it fails and names PLACE.
breaks() {
    run -1 "$RULES/$1" "$tree"
    grep -F -- "$2: " <<<"$output" || {
        printf 'not named: %s\n%s\n' "$2" "$output"
        return 1
    }
}

bats_require_minimum_version 1.5.0

@test "layers: a header of a folder that may not be included is found" {
    plant fcgi/store/engine.c '#include "base/fault.h"' '#include "config.h"' '#include <sqlite3.h>'
    keeps layers
    plant fcgi/base/fault.c '#include "base/fault.h"' '' '#include "store/store.h"'
    breaks layers fcgi/base/fault.c:3
    plant fcgi/base/fault.c '#include "fault.h"'
    breaks layers fcgi/base/fault.c:1
}

@test "layers: a library's header in the wrong file is found" {
    local header
    for header in sqlite3.h fcgiapp.h pthread.h fcgi_stdio.h signal.h; do
        plant fcgi/view/view.c '#include "base/fault.h"' "#  include <$header>"
        breaks layers fcgi/view/view.c:2
    done
    plant fcgi/view/view.c '#include <stdio.h>'
    plant fcgi/view/view.h '#include "store/engine.h"'
    breaks layers fcgi/view/view.h:1
}

@test "layers: a folder that the table does not know is found" {
    mkdir "$tree/fcgi/novelty"
    plant fcgi/novelty/new.c '/* new: new. */'
    breaks layers fcgi/novelty/new.c:1
}

# build_archive C...: puts a file a.c, b.c, ... with each of these texts into the archive of a build.
build_archive() {
    local name=a text
    mkdir -p "$tree/build"
    rm -f "$tree/build"/*
    for text; do
        "${CC:-cc}" -x c -c -o "$tree/build/$name.o" - <<<"$text"
        name=$(tr a-y b-z <<<"$name")
    done
    ar cr "$tree/build/libreceiver.a" "$tree/build"/*.o
    export UPGRADE_RECEIVER_BIN=$tree/build/upgrade-receiver
}

@test "layers: files that call each other in a circle are found" {
    build_archive 'void b(void); void a(void) { b(); }' 'void c(void); void b(void) { c(); }' 'void c(void) { }'
    keeps layers
    build_archive 'void b(void); void a(void) { b(); }' 'void c(void); void b(void) { c(); }' 'void a(void); void c(void) { a(); }'
    breaks layers fcgi
    [[ $output == *'libreceiver.a:c.o'* ]]
}

@test "layers: files of the page that import each other in a circle are found" {
    mkdir "$tree/fcgi/page"
    plant fcgi/page/a.js "import { b } from './b.js';"
    plant fcgi/page/b.js 'import {' '  c,' "} from './c.js';"
    keeps layers
    plant fcgi/page/c.js "import { a } from './a.js';"
    breaks layers fcgi/page
}

@test "format: a line that is laid out otherwise is found" {
    plant tests/unit/a_test.c 'int main(void)' '{' '    return 0;' '}'
    keeps format
    plant tests/unit/a_test.c 'int main(void)' '{' '  return 0;' '}'
    breaks format tests/unit/a_test.c:2
}

@test "banned: each function is found where it is called, and only there" {
    plant fcgi/base/log.c '/* strcpy(a, b) is banned */' 'const char *text = "gets(x)";' \
        'my_strcpy(a);' 'snprintf(a, 1, "%d", 1); /*' 'system("x");' '*/'
    keeps banned
    local calls=("x = "{strcpy,strcat,sprintf,vsprintf,gets,strtok,atoi,atol,system,popen,strncpy,alloca,scanf,sscanf,fscanf,localtime,gmtime}" (a);")
    plant fcgi/base/log.c '#include "log.h"' "${calls[@]}"
    plant tests/unit/a_test.c "${calls[@]}"
    run -1 "$RULES/banned" "$tree"
    equal_calls fcgi/base/log.c 2
    equal_calls tests/unit/a_test.c 1
}

# equal_calls FILE LINE: each of the calls was found, in this file from that line on.
equal_calls() {
    local i name
    for i in "${!calls[@]}"; do
        name=${calls[i]#x = }
        if [[ $'\n'$output$'\n' != *$'\n'"$1:$(($2 + i)): ${name% (*}: "* ]]; then
            printf 'not found: %s in %s\n%s\n' "$name" "$1" "$output"
            return 1
        fi
    done
    (($(grep -c "^$1:" <<<"$output") == ${#calls[@]}))
}

@test "banned: printing to stdout is found, except where it is allowed" {
    plant fcgi/view/receiver.c 'printf("%s", VERSION);'
    plant fcgi/base/fault.h 'int fault_set(const char *format, ...) __attribute__((format(printf, 1, 2)));'
    plant tests/unit/a_test.c 'puts("a");'
    keeps banned
    plant fcgi/base/log.c '' 'fputs("a", stdout);'
    breaks banned fcgi/base/log.c:2
    plant fcgi/base/log.c 'printf("a");'
    breaks banned fcgi/base/log.c:1
}

@test "shell: what shellcheck finds is found, whatever the file is called" {
    plant start '#!/usr/bin/env bash' 'echo "$HOME"'
    keeps shell
    plant start '#!/usr/bin/env bash' 'echo $HOME'
    breaks shell start:2:6
    plant start '#!/usr/bin/env bash' 'echo "$HOME"'
    plant tests/a.bats '@test "a" {' '    rm $file' '}'
    breaks shell tests/a.bats:2:8
    rm "$tree/tests/a.bats"
    mkdir "$tree/tests/bench"
    plant tests/bench/run '#!/usr/bin/env bash' 'echo $HOME'
    UPGRADE_RECEIVER_TEST_FULL='' keeps shell
    UPGRADE_RECEIVER_TEST_FULL=1 breaks shell tests/bench/run:2:6
    plant tests/bench/run '#!/usr/bin/env bash' 'if true; echo'
    UPGRADE_RECEIVER_TEST_FULL='' breaks shell tests/bench/run:1
}

@test "files: what does not belong in a source tree is found" {
    keeps files
    local name
    for name in configure Makefile.in fcgi/fault.o upgrades.db upgrades.db-wal receiver.log key.pem; do
        plant "$name" made
        breaks files "$name:1"
        rm "$tree/$name"
    done
    printf 'a\0b\n' >"$tree/picture"
    breaks files picture:1
}

@test "files: untidy lines and places of one machine are found" {
    # Put together here, or this file would break the rule itself.
    local word=wor host=registry.npm
    plant notes.md 'fine' 'not fine ' 'fine'
    breaks files notes.md:2
    plant notes.md 'fine' "see /${word}k/main"
    breaks files notes.md:2
    word=roo
    plant notes.md "see /${word}t/.cache"
    breaks files notes.md:1
    plant notes.md 'fine' '' "from ${host}js.org"
    breaks files notes.md:3
    printf 'fine\nno end' >"$tree/notes.md"
    breaks files notes.md:2
    plant notes.md 'fine: the network, fcgi/work and /workers'
    keeps files
}

@test "readme: a file without a line, or with two, is found" {
    receiver_that_knows '--state DIR'
    plant README.md '- `--state DIR`: where'
    local head=('## Map' '### `base/`: tools' '| `fault.[ch]` | why |')
    plant fcgi/README.md "${head[@]}"
    keeps readme
    plant fcgi/base/log.c '/* log: lines. */'
    breaks readme fcgi/README.md:1
    plant fcgi/README.md "${head[@]}" '### `view/`' '| `log.c` | lines |'
    breaks readme fcgi/README.md:1
    plant fcgi/README.md "${head[@]}" '| `log.c` | lines |'
    keeps readme
    plant fcgi/README.md "${head[@]}" '| `log.c` | lines |' '| `log.c` | again |'
    breaks readme fcgi/README.md:5
    plant fcgi/README.md "${head[@]}" '| `log.c` | lines |' '| `gone.c` | nothing |'
    breaks readme fcgi/README.md:5
}

@test "readme: an option that --help does not know is found" {
    receiver_that_knows '--state DIR' '--check'
    plant fcgi/README.md '## Map' '### `base/`: tools' '| `fault.h` | why |'
    plant README.md '| `--state DIR` | where |'
    keeps readme
    plant README.md '| `--state DIR` | where |' '| `--wish` | what for |'
    breaks readme README.md:2
    plant README.md '| `--state DIR` | where |'
    plant nginx/upgrade-receiver.default '#UPGRADE_RECEIVER_STATE=x' '#UPGRADE_RECEIVER_WISH="a b"'
    breaks readme nginx/upgrade-receiver.default:2
}

receiver_that_knows() {
    printf '#!/bin/sh\ncat <<"X"\n' >"$tree/receiver"
    printf '  %-20s what it does\n' "$@" >>"$tree/receiver"
    printf 'X\n' >>"$tree/receiver"
    chmod +x "$tree/receiver"
    export UPGRADE_RECEIVER_BIN=$tree/receiver
}

# --- man pages ---------------------------------------------------------------------------------

# status_that_knows COMMAND OPTION CODE: a command, and a receiver without options, beside each other.
status_that_knows() {
    receiver_that_knows '--state DIR'
    mv "$tree/receiver" "$tree/upgrade-receiver"
    {
        printf '#!/bin/sh\nif [ "$1" = help ]; then printf "  %%s  what for\\n" "%s"; exit; fi\ncat <<"X"\n' "$2"
        printf 'Commands:\n  %-24s what it tells\n\nOptions of every command:\n\n' "$1"
        printf 'Options of a command:\n  %-24s what for\n\nExit codes:\n  %s\nX\n' "$2" "$3"
    } >"$tree/upgrade-status"
    chmod +x "$tree/upgrade-status"
    export UPGRADE_RECEIVER_BIN=$tree/upgrade-receiver
}

# plant_pages: pages that keep the rule.
plant_pages() {
    mkdir -p "$tree/fcgi/man"
    plant fcgi/push_message_receiver.h 'struct push_notification { int64_t seq; };'
    local head=('.Dd November 25, 2026' '.Dt X 1' '.Os' '.Sh NAME' '.Nm x' '.Nd what it is')
    plant fcgi/man/push_message_receiver.3 "${head[@]/X 1/X 3}" '.Sh DESCRIPTION' 'push_notification has seq.'
    plant fcgi/man/upgrade-receiver.8 "${head[@]/X 1/X 8}" '.Sh OPTIONS' '.Bl -tag -width indent' '.It Fl -state Ar DIR' \
        'what it does.' '.El'
    plant fcgi/man/upgrade-status.1 "${head[@]}" '.Sh COMMANDS' '.Bl -tag -width indent' '.It Ic show Ar ID' \
        'what it tells,' 'by' '.Fl -by .' '.El' '.Sh OPTIONS' '.Bl -tag -width indent' '.It Fl -by Ar WAY' 'what for.' \
        '.El' '.Sh EXIT STATUS' '.Bl -tag -width indent' '.It 0' 'done' '.El'
}

@test "manual: a command, option or exit code that a page does not have, or has too much, is found" {
    plant_pages
    status_that_knows 'show ID' '--by WAY' '0  done'
    keeps manual
    status_that_knows 'tell ID' '--by WAY' '0  done'
    breaks manual fcgi/man/upgrade-status.1:1
    status_that_knows 'show ID' '--for WHOM' '0  done'
    breaks manual fcgi/man/upgrade-status.1:1
    status_that_knows 'show ID' '--by WAY' '0  done well'
    breaks manual fcgi/man/upgrade-status.1:1
    status_that_knows 'show ID' '--by WAY' '0  done'
    sed -i '/^\.Fl/d' "$tree/fcgi/man/upgrade-status.1"
    breaks manual fcgi/man/upgrade-status.1:1
    plant_pages
    sed -i 's/-state/-folder/' "$tree/fcgi/man/upgrade-receiver.8"
    breaks manual fcgi/man/upgrade-receiver.8:1
    plant_pages
    plant fcgi/push_message_receiver.h 'struct push_notification { int64_t seq; int64_t received_ms; };'
    breaks manual fcgi/man/push_message_receiver.3:1
    plant_pages
    rm "$tree/fcgi/man/upgrade-status.1"
    breaks manual fcgi/man/upgrade-status.1:1
}
