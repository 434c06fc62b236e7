#!/usr/bin/env bats
# Who builds against a library with a fault that is known is told so by configure.

load lib

# headers FCGI SQLITE: what configure finds first are headers of these versions.
headers() {
    mkdir -p "$T/include"
    printf '#include_next <fcgi_config.h>\n#undef PACKAGE_VERSION\n#define PACKAGE_VERSION "%s"\n' "$1" \
        >"$T/include/fcgi_config.h"
    printf '#include_next <sqlite3.h>\n#undef SQLITE_VERSION\n#define SQLITE_VERSION "%s"\n' "$2" \
        >"$T/include/sqlite3.h"
}

# configured: runs configure; what it complained of is in $T/warned. What it found out apart from
# versions is used again.
configured() {
    if [[ -f $T/cache ]]; then sed -i '/ur_cv_.*_version/d' "$T/cache"; fi
    rm -rf "$T/build"
    mkdir "$T/build"
    (cd "$T/build" && "$SOURCE/configure" --cache-file="$T/cache" CPPFLAGS="-I$T/include") \
        >"$T/said" 2>"$T/warned" || fail "$(tail "$T/said" "$T/warned")"
    tail -n 20 "$T/warned"
}

# named: the CVE numbers that it named.
named() {
    grep -o 'CVE-[0-9-]*' "$T/warned" | sort | paste -sd ' '
}

@test "configure names the known faults of old libraries, and ends well" {
    # With headers of old versions configure ends with a warning that names the CVE numbers; with the versions that have them mended it says nothing.
    needs_plain_build "nothing of ours runs"
    [[ -x $SOURCE/configure ]] || skip "autoreconf -i makes configure"
    headers 2.4.4 3.39.1
    configured
    grep -q 'WARNING: .*known faults' "$T/warned"
    equal named "$(named)" "CVE-2022-35737 CVE-2025-23016 CVE-2025-6965"
    headers 2.4.5 3.43.1
    configured
    equal named "$(named)" "CVE-2024-0232 CVE-2025-6965"
    headers 2.4.5 3.50.2
    configured
    equal warned "$(<"$T/warned")" ''
}
