#!/usr/bin/env bats
# The shell completes commands, options, operations and devices by asking upgrade-status itself.

load lib
load faults
load delivery
load status_command

# completes LINE: what bash would offer for the last word of LINE (behind the program's name), on one line.
completes() {
    offered "$SOURCE/fcgi/completion/upgrade-status" _upgrade_status "$STATUS_BIN" "$1"
}

# completes_by_help PROGRAM LINE: the same of another program.
completes_by_help() {
    offered "$SOURCE/fcgi/completion/by-help" _upgrade_by_help "${STATUS_BIN%/*}/$1" "$2"
}

# offered FILE FUNCTION PROGRAM LINE: what bash would offer for the last word of LINE (behind the program's name), on one line.
offered() {
    # shellcheck disable=SC2016 # for the other shell
    env -i PATH="$PATH" HOME="$T" LC_ALL="$LC_ALL" UPGRADE_RECEIVER_STATE="$T/state" bash --norc -c '
        cd "$1" || exit
        source "$2"
        read -r -a COMP_WORDS <<<"$5"
        if [[ $5 == *" " ]]; then COMP_WORDS+=(""); fi
        COMP_WORDS=("$4" "${COMP_WORDS[@]}")
        if ((${#COMP_WORDS[@]} == 1)); then COMP_WORDS+=(""); fi
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        "$3" "$4"
        printf "%s\n" "${COMPREPLY[@]}" | sort | tr "\n" " "
    ' bash "$T" "$@"
}

@test "every command and every option is offered where it belongs" {
    # The words of the help's table, for the first word, the second and behind help; the options that a command takes, and no others.
    local words
    words=$(operator --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z]*\).*/\1/p' | sort -u | tr '\n' ' ')
    equal "commands" "$(completes '')" "$words"
    equal "behind help" "$(completes 'help ')" "$words"
    equal "qu" "$(completes qu)" "quarantine "
    equal "quarantine" "$(completes 'quarantine ')" "drop list retry show "
    equal "help quarantine r" "$(completes 'help quarantine r')" "retry "
    local command options
    while read -r command; do
        # shellcheck disable=SC2086 # a command of two words
        options=$(operator help $command | grep -oE '^  --[a-z-]+' | tr -d ' ' | sort | tr '\n' ' ')
        equal "options of $command" "$(completes "$command --")" "$options"
    done < <(operator --help | sed -n '/^Commands/,/^$/s/^  \([a-z][a-z ]*[a-z]\).*/\1/p' | sed 's/  .*//')
    equal "an option's beginning" "$(completes 'operation op --fail')" "--fail-above "
    equal "colours" "$(completes '--color ')" "always auto never "
    equal "colours behind =" "$(completes '--color = a')" "always auto "
}

# bats test_tags=full
@test "upgrade-platform and upgrade-forward complete by their help" {
    # Each command, each option where it belongs, files where a file belongs, and nothing for a value that only a person knows.
    local program command
    [[ -x ${STATUS_BIN%/*}/upgrade-platform ]] || skip "upgrade-platform is not built: it takes libcurl"
    for program in upgrade-platform upgrade-forward; do
        for command in '' check subscribe reconcile retry status; do
            completes_by_help "$program" "$command --" | tr ' ' '\n' >>"$T/$program"
        done
        equal "options of $program" "$(grep . "$T/$program" | sort -u)" \
            "$("${STATUS_BIN%/*}/$program" --help | grep -oE '^  --[a-z-]+' | tr -d ' ' | sort -u)"
    done
    equal "commands" "$(completes_by_help upgrade-platform '')" "check reconcile retry subscribe subscriptions "
    equal "s" "$(completes_by_help upgrade-platform '--state = /x --json s')" "subscribe subscriptions "
    equal "options of retry" "$(completes_by_help upgrade-platform 'retry --')" "--config --file --help --json --start --state --version "
    equal "commands" "$(completes_by_help upgrade-forward '')" "resend resume status "
    touch "$T/fleet.txt"
    equal "a file" "$(completes_by_help upgrade-platform 'check --ca fl')" "fleet.txt "
    equal "a file" "$(completes_by_help upgrade-forward '--ca-file = fl')" "fleet.txt "
    # the operation is to be typed once more
    equal "a value" "$(completes_by_help upgrade-platform 'retry op --start ')" " "
    equal "no store" "$(completes_by_help upgrade-platform "--state = $T retry ")" " "
}

@test "operations, devices, numbers and files are offered, and what is offered is safe to type" {
    # Operations and devices by their beginning, bodies in quarantine by number, files where a file belongs; of another store where the line names it.
    receiver_start
    campaign
    many 3 operationId=unlike >"$T/many"
    post_lines "$T/many"
    equal "operations" "$(completes 'operation ')" "one two unlike "
    equal "t" "$(completes 'operation t')" "two "
    equal "behind an option" "$(completes 'failures --operation un')" "unlike "
    equal "states" "$(completes 'upgrades --operation one --only ')" "FAIL IN_PROGRESS SUCCESS "
    equal "behind other options" "$(completes 'operation --app app-1 --json o')" "one "
    equal "expect" "$(completes 'expect tw')" "two "
    equal "devices" "$(completes 'device n-')" "n-1 n-2 n-3 "
    equal "no more words" "$(completes 'device n-1 ')" " "
    equal "quarantine" "$(completes 'quarantine show ')" "1 "
    equal "quarantine retry" "$(completes 'quarantine retry 1 ')" "1 "
    touch "$T/fleet.txt" "$T/fleet.csv"
    equal "files" "$(completes 'expect one fl')" "fleet.csv fleet.txt "
    mkdir "$T/empty"
    equal "another store" "$(completes "--state $T/empty operation ")" " "
    equal "another store" "$(completes "--state = $T/empty operation ")" " "
    equal "this store" "$(completes "--state $T/state operation t")" "two "
    if [[ -x ${STATUS_BIN%/*}/upgrade-platform ]]; then
        equal "operations" "$(completes_by_help upgrade-platform 'reconcile --keep ')" "one two unlike "
    fi
}
