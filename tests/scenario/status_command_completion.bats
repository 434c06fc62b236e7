#!/usr/bin/env bats
# The shell completes commands, options, operations and devices by asking upgrade-status itself.

load lib
load faults
load delivery
load status_command

# completes LINE: what bash would offer for the last word of LINE (behind the program's name), on one line.
completes() {
    # shellcheck disable=SC2016 # for the other shell
    env -i PATH="$PATH" HOME="$T" LC_ALL="$LC_ALL" UPGRADE_RECEIVER_STATE="$T/state" bash --norc -c '
        cd "$2" || exit
        source "$1"
        read -r -a COMP_WORDS <<<"$4"
        if [[ $4 == *" " ]]; then COMP_WORDS+=(""); fi
        COMP_WORDS=("$3" "${COMP_WORDS[@]}")
        if ((${#COMP_WORDS[@]} == 1)); then COMP_WORDS+=(""); fi
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _upgrade_status "$3"
        printf "%s\n" "${COMPREPLY[@]}" | sort | tr "\n" " "
    ' bash "$SOURCE/fcgi/completion/upgrade-status" "$T" "$STATUS_BIN" "$1"
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
}
