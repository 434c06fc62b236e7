# lib.bash: what the rules have in common. A rule is run with the root of the source tree as its
# argument (this tree where there is none), prints FILE:LINE: TEXT for each violation and fails if
# there was one.
#
# shellcheck shell=bash

RULES=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${1:-$RULES/../..}" || exit
violations=0

# violation PLACE TEXT
violation() {
    printf '%s: %s\n' "$1" "$2"
    violations=$((violations + 1))
}

# rule_end: to be the last command of a rule.
rule_end() {
    if ((violations > 0)); then
        printf '%s\n' "$violations violation(s)"
        exit 1
    fi
}

# The files of the source tree: those that git tracks or would, or where there is no git (a release),
# all. Listed once and here, so that a rule fails, not passes, where they cannot be.
if [[ -e .git ]]; then
    listing=$(git -c safe.directory='*' ls-files --cached --others --exclude-standard | sort -u)
else
    listing=$(find . -type f -printf '%P\n' | sort)
fi
if [[ -z $listing ]]; then
    echo "$PWD: no files"
    exit 1
fi

# source_files PATTERN...: those of them that match a PATTERN, in which * stands for a / too.
source_files() {
    local file pattern
    while IFS= read -r file; do
        for pattern in "$@"; do
            # shellcheck disable=SC2053 # a pattern is meant
            if [[ $file == $pattern && -e $file ]]; then printf '%s\n' "$file"; fi
        done
    done <<<"$listing"
}
