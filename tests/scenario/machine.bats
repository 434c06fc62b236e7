#!/usr/bin/env bats
# On a Debian that a systemd has booted: the blocks of the READMEs work as they are written, and what they install
# loses nothing by kills, reloads, upgrades and reboots.
#
#   $BATS_FILE_TMPDIR/base    Debian, and in apt's cache all packages that the blocks name
#   $BATS_FILE_TMPDIR/nginx   the same after the Install block of README.md
#   $BATS_FILE_TMPDIR/built   the same after the Install blocks of nginx/README.md
#   $BATS_FILE_TMPDIR/packages, .../newer   the Debian packages, and two of them with a later version
#   $M                        the machine of the test, a copy of one of them
#
# bats file_tags=full

load lib
load faults
# shellcheck source=../source.bash
. "$TESTS/source.bash"

MACHINE=$TESTS/tool/machine
# The source tree on the machines, and the files that nginx/README.md speaks of.
CLONE=/usr/src/upgrade-receiver
EXAMPLES=/usr/local/share/doc/upgrade-receiver/examples
MANUAL=$SOURCE/nginx/README.md

setup_file() {
    export WHY_NOT # setup tells, since nothing can be skipped here
    if [[ -n $UNDER ]]; then
        WHY_NOT="what runs there is built there, and not under $UNDER"
    elif ! WHY_NOT=$("$MACHINE" can 2>&1); then
        WHY_NOT="no machine of its own: $WHY_NOT"
    else
        make_base || return
    fi
    if [[ -n $WHY_NOT ]]; then return; fi
    make_nginx || return
    make_built
}

setup() {
    if [[ -n $WHY_NOT ]]; then skip "$WHY_NOT"; fi
    scenario_setup
}

make_base() {
    local packages out=$BATS_FILE_TMPDIR/out
    mapfile -t packages < <(
        sed 's/#.*//' "$SOURCE"/nginx/packages.{build,run} | grep -o '[^ ]*'
        printf '%s\n' apache2 libapache2-mod-fcgid lighttpd lighttpd-mod-openssl prometheus postgresql libpq5
    )
    if "$MACHINE" make "$BATS_FILE_TMPDIR/base" "${packages[@]}" >"$out" 2>&1; then return; fi
    WHY_NOT=$(grep -m 1 -oE '(Could not (resolve|connect)|Unable to connect|Temporary failure) .*' "$out") ||
        fail "$(tail -n 30 "$out")" || return
    WHY_NOT="no network for packages: $WHY_NOT"
}

# README.md, on a machine that has nothing but a clone.
make_nginx() {
    M=$BATS_FILE_TMPDIR/nginx
    "$MACHINE" copy "$BATS_FILE_TMPDIR/base" "$M"
    copy_files "$SOURCE" "$M/layer$CLONE"
    # Of autoreconf.
    (cd "$M/layer$CLONE" && rm -rf configure aclocal.m4 autom4te.cache build-aux config.h.in Makefile.in)
    switch_on || return
    paste_in "$CLONE" "$(block "$SOURCE/README.md" '## Install')" || return
    switch_off
}

# nginx/README.md, on a machine where that tree has been built already.
make_built() {
    M=$BATS_FILE_TMPDIR/built
    "$MACHINE" copy "$BATS_FILE_TMPDIR/base" "$M"
    mkdir -p "$M/layer$CLONE"
    cp -a "$BATS_FILE_TMPDIR/nginx/layer$CLONE/." "$M/layer$CLONE"
    switch_on || return
    paste_in "$CLONE" "$(block "$MANUAL" '**From source.**')" || return
    follow_manual '**The certificate**' || return
    switch_off
}

teardown() {
    if [[ -z ${BATS_TEST_COMPLETED:-} && -f ${M:-}/pid ]]; then
        "$MACHINE" run "$M" journalctl -b --no-pager -n 40 | cut -c 1-300 || true
    fi
    pull_the_plug
    scenario_teardown
}

teardown_file() {
    pull_the_plug
}

# --- the machine --------------------------------------------------------------------------------

# machine_from NAME: starts this test's machine, which has all that NAME has.
machine_from() {
    M=$T/machine
    "$MACHINE" copy "$BATS_FILE_TMPDIR/$1" "$M"
    switch_on || return
    # What lib.bash's and faults.bash's functions look for.
    URL=https://localhost
    CERTIFICATE=$T/certificate.pem
    printf '#!/bin/sh\nexec %q in-network %q %q "$@"\n' "$MACHINE" "$M" "$PUSHER" >"$T/pusher"
    chmod +x "$T/pusher"
    PUSHER=$T/pusher
}

# lib.bash's requests, from the machine itself.
curl() {
    "$MACHINE" in-network "$M" curl "$@"
}

switch_on() {
    "$MACHINE" boot "$M" >"$M/console" 2>&1 3>&- &
    echo "$!" >"$M/boot"
    is_up
}

is_up() {
    wait_for 60 "$MACHINE" is-up "$M" ||
        fail "it does not start: $(cat "$M/console"; "$MACHINE" run "$M" systemctl --failed)"
}

switch_off() {
    "$MACHINE" stop "$M"
    wait_for 60 process_is_gone "$(<"$M/boot")"
    rm -f "$M/boot"
}

reboot() {
    local times
    times=$(wc -l <"$M/booted")
    "$MACHINE" reboot "$M" || return
    wait_for 60 booted_more_than "$times" || return
    is_up
}

booted_more_than() {
    (($(wc -l <"$M/booted") > $1))
}

pull_the_plug() {
    if [[ -f ${M:-}/boot ]]; then stop_process "$(<"$M/boot")" TERM; fi
}

# --- what the READMEs say -----------------------------------------------------------------------

# block FILE BEGINNING [NUMBER]: the fenced block with that number (1) below the line that begins so.
block() {
    awk -v beginning="$2" -v number="${3:-1}" '
        index($0, beginning) == 1 { within = 1; next }
        within && !fenced && /^(\*\*|##)/ { exit }
        within && /^```/ { fenced = !fenced; count += fenced; next }
        fenced && count == number { print; found = 1 }
        END { if (!found) print "there is no block", number, "below", beginning >"/dev/stderr" }' "$1"
}

# paste_in FOLDER BLOCK: as an operator would, who looks at what each line says, and types $typed if it is asked for.
# What it says is in $pasted.
paste_in() {
    [[ -n $2 ]] || fail "nothing to run" || return
    pasted=$("$MACHINE" run "$M" bash -ec "cd $1 && $2" 2>&1 < <(printf '%s' "${typed:-}")) ||
        fail "$2"$'\n'"$(tail -n 30 <<<"$pasted")"
}

# follow_manual BEGINNING [NUMBER]: the block of nginx/README.md.
follow_manual() {
    paste_in "$EXAMPLES" "$(block "$MANUAL" "$@")"
}

# serves DEVICE: a notification, over TLS with a certificate that is checked, is answered 200 and is then in the store.
serves() {
    cp "$("$MACHINE" file "$M" /etc/ssl/upgrade-receiver/fullchain.pem)" "$CERTIFICATE"
    post - < <(notification "deviceId=$1") || return
    expect_answer 200 '.result == "stored"' || return
    "$MACHINE" run "$M" upgrade-status device "$1" --json >"$T/device.json" || return
    jq -e --arg id "$1" '.deviceId == $id and (.history | length) == 1' "$T/device.json" >/dev/null ||
        fail "the store: $(<"$T/device.json")"
}

# shows_pages [PATH]...: those who watch are answered, from the machine itself.
shows_pages() {
    local path
    if (($# == 0)); then set -- /status/ /status/overview.json /metrics /health/live /health/ready; fi
    for path; do
        request "$path"
        expect_answer 200 || fail "$path" || return
    done
}

@test "README.md, Install: nginx and systemd" {
    # After its block, and again after a reboot, a notification is stored, and the pages answer; the log's command tells of it.
    machine_from nginx
    serves first
    shows_pages
    reboot
    serves second
    # Port 80 is nginx's own site. The receiver has no port.
    equal "open ports" "$("$MACHINE" in-network "$M" ss -Hltn | awk '{print $4}' | sed 's/.*://' | sort -un | paste -sd ' ')" '80 443'
    follow_manual '**systemd.**' 2
    equal "devices in the journal" "$(grep '^{' <<<"$pasted" | jq -r 'select(.event == "notification") | .body.deviceId' | paste -sd ' ')" \
        'first second'
    # It has nothing to do, and can do it.
    "$MACHINE" run "$M" systemctl start upgrade-receiver-prune.service
    # The socket, too, or the next request would start it again.
    follow_manual '**systemd.**' 3
    post - < <(notification deviceId=third)
    expect_answer 503
    equal "state" "$("$MACHINE" run "$M" systemctl is-active upgrade-receiver.service || true)" inactive
}

@test "nginx/README.md: systemd and nginx, and a backup put back" {
    # What came before the backup is in the restored store, and what came after it is not.
    local restore
    machine_from built
    follow_manual '**systemd.**'
    follow_manual '**nginx.**'
    serves first
    shows_pages
    paste_in / "upgrade-status backup /var/tmp/kept.db"
    serves second
    restore=$(block "$MANUAL" '**Backup.**')
    paste_in / "${restore//FILE//var/tmp/kept.db}"
    equal "notifications" "$("$MACHINE" run "$M" upgrade-status --json | jq .totals.notifications)" 1
    serves second
}

@test "nginx/README.md: spawn-fcgi and nginx" {
    # After a reboot the folder of the socket is there, and the second block alone starts it again.
    machine_from built
    follow_manual '**spawn-fcgi**' 1
    follow_manual '**spawn-fcgi**' 2
    follow_manual '**nginx.**'
    serves first
    shows_pages
    reboot
    follow_manual '**spawn-fcgi**' 2
    serves second
}

@test "nginx/README.md: systemd and Apache, mod_proxy_fcgi" {
    machine_from built
    follow_manual '**systemd.**'
    follow_manual '**Apache, mod_proxy_fcgi.**'
    serves first
    shows_pages
}

@test "nginx/README.md: Apache, mod_fcgid" {
    machine_from built
    follow_manual '**Apache, mod_fcgid.**'
    serves first
    shows_pages
}

@test "nginx/README.md: Apache, plain CGI" {
    machine_from built
    follow_manual '**Apache, plain CGI.**'
    serves first
    # A process that lives for one request has no health.
    shows_pages /status/ /status/overview.json
}

@test "nginx/README.md: systemd and lighttpd" {
    machine_from built
    follow_manual '**systemd.**'
    follow_manual '**lighttpd, mod_fastcgi.**'
    serves first
    shows_pages
}

# prometheus_says QUERY VALUE
prometheus_says() {
    equal "$1" "$(curl -q -s --get --data-urlencode "query=$1" localhost:9090/api/v1/query | jq -r '.data.result[0].value[1]')" "$2"
}

rules_are_well() {
    curl -q -s localhost:9090/api/v1/rules |
        jq -e '[.data.groups[].rules[]] | length > 0 and all(.health == "ok")' >/dev/null
}

@test "nginx/README.md: Prometheus" {
    # As it is installed, it reads the receiver and evaluates every alert.
    machine_from built
    follow_manual '**systemd.**'
    follow_manual '**nginx.**'
    follow_manual '**Prometheus**'
    serves first
    wait_for 60 prometheus_says "max(upgrade_receiver_operation_upgrades)" 1 ||
        fail "$(curl -q -s localhost:9090/api/v1/targets | jq -c '.data.activeTargets[] | {health, lastError, scrapeUrl}')"
    # "unknown" until it was evaluated for the first time
    wait_for 150 rules_are_well || fail "$(curl -q -s localhost:9090/api/v1/rules)"
}

# --- what happens to a machine --------------------------------------------------------------------

# received COUNT: whether the receiver has so many notifications.
received() {
    jq -e ".totals.notifications >= $1" "$("$MACHINE" file "$M" /var/lib/upgrade-receiver/status.json)" >/dev/null
}

main_pid() {
    "$MACHINE" run "$M" systemctl show --property MainPID --value upgrade-receiver
}

runs_anew() {
    local now
    now=$(main_pid)
    ((now > 0 && now != $1))
}

# bring_books_home: the receiver is stopped, and its store and nginx's log are where lib.bash looks for them.
bring_books_home() {
    "$MACHINE" run "$M" systemctl stop upgrade-receiver.socket upgrade-receiver.service
    cp -a "$("$MACHINE" file "$M" /var/lib/upgrade-receiver)/." "$T/state"
    mkdir -p "$T/nginx"
    cp "$("$MACHINE" file "$M" /var/log/nginx/error.log)" "$T/nginx/error.log"
}

# reboots_without_loss: what was answered 200 is in the store after a reboot, once.
reboots_without_loss() {
    reboot || return
    serves after || return
    bring_books_home || return
    books_match_ledger "$T/ledger" || return
    books_add_up
}

@test "kills and restarts under load fail no push, and a reboot loses nothing" {
    # Three of each while 12,000 notifications come on kept connections: systemd holds the socket, and each push is answered 200.
    local old i
    machine_from nginx
    serves before
    push_behind --count 12000 --repeats 1200 --rate 1000 --deadline 120 --ledger "$T/ledger"
    for i in 1 2 3; do
        wait_for 60 received $((i * 3000))
        old=$(main_pid)
        "$MACHINE" run "$M" systemctl kill --kill-whom=main --signal=KILL upgrade-receiver
        wait_for "$PATIENCE" runs_anew "$old"
        "$MACHINE" run "$M" systemctl restart upgrade-receiver
    done
    push_end
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
    reboots_without_loss
}

@test "reloads of nginx under load fail no push on a new connection, and lose nothing on kept ones" {
    # A connection that nginx closes with a push unread gives no answer (0), never another than 200.
    local i
    machine_from nginx
    serves before
    push_behind --count 2000 --rate 200 --fresh --deadline 120 --ledger "$T/ledger"
    for i in 1 2 3; do
        wait_for 60 received $((i * 500))
        "$MACHINE" run "$M" systemctl reload nginx
    done
    push_end
    equal "answers on new connections" "$(pushed '.answers | keys | join(" ")')" 200
    push_behind --count 9000 --seed 2 --rate 1000 --deadline 120 --ledger "$T/kept"
    for i in 1 2 3; do
        wait_for 60 received $((2000 + i * 2000))
        "$MACHINE" run "$M" systemctl reload nginx
    done
    push_end
    [[ $(pushed '.answers | keys | join(" ")') =~ ^(0\ )?200$ ]] || fail "answers on kept connections: $(pushed .answers)"
    tail -n +2 "$T/kept" >>"$T/ledger"
    reboots_without_loss
}

# --- what speaks to others ------------------------------------------------------------------------

# name_others NAME...: these are this machine, as servers have them for which $T/others.pem and $T/others.key are.
name_others() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=others \
        -addext "subjectAltName=$(printf 'DNS:%s\n' "$@" | paste -sd ,)" \
        -keyout "$T/others.key" -out "$T/others.pem" 2>"$T/openssl" || fail "$(<"$T/openssl")" || return
    printf '127.0.0.1 %s\n' "$@" >>"$("$MACHINE" file "$M" /etc/hosts)"
}

# give FILE PATH: a copy of it is on the machine, which everybody may read.
give() {
    install -m 0644 "$1" "$("$MACHINE" file "$M" "$2")"
}

# other NAME PROGRAM OPTION...: a server of the tests on the machine, which shows that certificate. It writes $T/NAME.port.
other() {
    rm -f "$T/$1.port"
    # After a reboot the earlier one is in a network that is gone.
    if [[ -f $T/background/$1 ]]; then stop_process "$(<"$T/background/$1")" TERM; fi
    background "$1" "$MACHINE" in-network "$M" "$PYTHON" -B "$TESTS/tool/$2" --certificate "$T/others.pem" \
        --key "$T/others.key" "${@:3}"
    wait_for "$PATIENCE" test -s "$T/$1.port" || fail "$(<"$T/$1.out")"
}

hooks_start() {
    other hooks webhook.py "$T/hooks.port" "$T/hooks" --whole --port 9443 --secret "$("$MACHINE" file "$M" /etc/upgrade-forward.secret)"
}

# forwarded DEVICE: the server has the notification, with a good signature.
forwarded() {
    jq -es --arg device "$1" 'any(.signed and .status == 200 and (.body | contains("\"\($device)\"")))' "$T/hooks" >/dev/null
}

# forwards: after its block, what comes is sent to a server that the system trusts.
forwards() {
    local text
    text=$(block "$MANUAL" '## Forwarding')
    give "$T/others.pem" /usr/local/share/ca-certificates/others.crt
    "$MACHINE" run "$M" update-ca-certificates >"$T/trust.out" 2>&1
    paste_in "$EXAMPLES" "${text/'# and put your URL into it'/'&& sed -i s,com/upgrades,com:9443/upgrades, /etc/default/upgrade-forward'}" || return
    hooks_start || return
    serves forwarded || return
    wait_for 60 forwarded forwarded || fail "$("$MACHINE" run "$M" journalctl -u upgrade-forward --no-pager -n 20)" || return
    equal "upgrade-forward" "$("$MACHINE" run "$M" systemctl is-active upgrade-forward)" active || return
    equal "its restarts" "$("$MACHINE" run "$M" systemctl show -P NRestarts upgrade-forward)" 0
}

# asks_back: after its block, the callback leads here, and the timer's service asks the platform for a campaign of which
# pushes were lost. The page's documents then tell what is missing.
asks_back() {
    local text operation
    "$MACHINE" in-network "$M" "$PYTHON" -B "$TESTS/tool/play_platform.py" --url "$URL$CALLBACK" --cacert "$CERTIFICATE" \
        --no-broken --no-news --devices 40 --operations 1 --lose 5 --began "$EPOCHSECONDS" --books "$T/books" >"$T/played" 2>&1 ||
        fail "$(<"$T/played")" || return
    operation=$(jq -r '.operations[0].operationId' "$T/books")
    other platform platform_api.py --port-file "$T/platform.port" --log "$T/platform" --books "$T/books" || return
    text=$(block "$MANUAL" '## Asking the platform')
    text=${text//YOUR_APP_ID/Zk3vXq7LmP0aT9sRwE2bYc5uHd8N}
    typed='se cret&+=' paste_in / "${text//:8743/:$(<"$T/platform.port")}" || return
    give "$T/others.pem" /etc/upgrade-receiver/platform-ca.pem
    paste_in / "upgrade-platform check --callback $URL:443$CALLBACK --ca /etc/ssl/upgrade-receiver/fullchain.pem" || return
    paste_in / 'systemctl enable --now upgrade-platform-reconcile.timer && systemctl start upgrade-platform-reconcile.service' ||
        fail "$("$MACHINE" run "$M" journalctl -u upgrade-platform-reconcile --no-pager -n 20)" || return
    "$MACHINE" run "$M" upgrade-status operation "$operation" --json >"$T/operation"
    equal "planned" "$(jq .planned "$T/operation")" "$(jq '.operations[0].devices | length' "$T/books")" || return
    jq -e '.missing > 0' "$T/operation" || fail "$(<"$T/operation")" || return
    # Root and the service have one login between them.
    equal "logins" "$(grep -c '/login"' "$T/platform")" 1
}

@test "nginx/README.md: forwarding, and asking the platform, as built from source" {
    # The units of their sandboxes do what their blocks promise, and forwarding goes on after a reboot.
    machine_from built
    follow_manual '**systemd.**'
    follow_manual '**nginx.**'
    name_others hooks.example.com platform.example.com
    forwards
    # check-callback needs it.
    "$MACHINE" run "$M" apt-get install curl >"$T/apt.out" 2>&1
    asks_back
    reboot
    hooks_start
    serves again
    wait_for 60 forwarded again || fail "$("$MACHINE" run "$M" journalctl -b -u upgrade-forward --no-pager -n 20)"
}

# as_postgres WORD...
as_postgres() {
    "$MACHINE" run "$M" runuser -u postgres -- "$@"
}

# postgres_starts: Debian's server, with a certificate for its name.
postgres_starts() {
    "$MACHINE" run "$M" apt-get install postgresql >"$T/apt.out" 2>&1 || fail "$(<"$T/apt.out")" || return
    give "$T/others.pem" /var/lib/postgresql/others.pem
    give "$T/others.key" /var/lib/postgresql/others.key
    paste_in /etc/postgresql "chown postgres /var/lib/postgresql/others.key && chmod 0600 /var/lib/postgresql/others.key
        printf \"%s = '/var/lib/postgresql/others.%s'\n\" ssl_cert_file pem ssl_key_file key >\$(echo */main/conf.d)/others.conf
        systemctl restart postgresql"
}

# shares_books: after their blocks, the receiver's answers wait for the books on that server, by its name.
shares_books() {
    local text
    text=$(block "$MANUAL" '**Make the books**')
    paste_in / "${text//"'...'"/"'open sesame'"}" || return
    "$MACHINE" run "$M" install -d /etc/upgrade-receiver
    block "$MANUAL" '**Credentials.**' >"$T/pg_service.conf"
    give "$T/pg_service.conf" /etc/upgrade-receiver/pg_service.conf
    give "$T/others.pem" /etc/upgrade-receiver/books-ca.pem
    paste_in /etc/upgrade-receiver 'install -o upgrade-receiver -m 0600 /dev/null books.pass
        echo "*:*:upgrades:receiver_a:open sesame" >books.pass' || return
    follow_manual '**Each receiver.**'
}

# in_books COUNT: whether PostgreSQL has so many notifications.
in_books() {
    [[ $(as_postgres psql upgrades -Atc 'SELECT count(*) FROM upgrade_books.notifications') == "$1" ]]
}

follow_books() {
    "$MACHINE" run "$M" env PGSERVICEFILE=/etc/upgrade-receiver/pg_service.conf upgrade-status --books service=upgrades "$@"
}

# --- the Debian packages ----------------------------------------------------------------------------

# give_packages: on the machine, packages are in /usr/src/packages, and the same with a later version in /usr/src/newer.
give_packages() {
    command -v dh >/dev/null || skip "debhelper is not installed"
    if [[ ! -d $BATS_FILE_TMPDIR/newer ]]; then make_packages || return; fi
    cp -r "$BATS_FILE_TMPDIR"/{packages,newer} "$("$MACHINE" file "$M" /usr/src)"
    EXAMPLES=/usr/share/doc/upgrade-receiver/examples
}

make_packages() {
    local package newer=$T/newer
    DEB_BUILD_OPTIONS=nocheck "$SOURCE/nginx/package" "$BATS_FILE_TMPDIR/packages" >"$T/package.out" 2>&1 ||
        fail "$(<"$T/package.out")" || return
    mkdir "$newer"
    for package in upgrade-receiver upgrade-status; do
        dpkg-deb --raw-extract "$BATS_FILE_TMPDIR/packages/${package}"_*.deb "$newer/tree"
        sed -i 's/^Version: .*/&+later/' "$newer/tree/DEBIAN/control"
        dpkg-deb --root-owner-group --build "$newer/tree" "$newer/${package}_later.deb" >/dev/null
        rm -r "$newer/tree"
    done
    mv "$newer" "$BATS_FILE_TMPDIR"
}

# install_packages FOLDER: the packages that are there; the receiver is then another process of that version.
install_packages() {
    local old
    old=$(main_pid)
    "$MACHINE" run "$M" bash -c "apt-get install --allow-downgrades /usr/src/$1/upgrade-{receiver,status}_*.deb" \
        >"$T/apt.out" 2>&1 || fail "$(<"$T/apt.out")" || return
    wait_for "$PATIENCE" runs_anew "$old"
}

@test "the Debian package: upgrades and downgrades under load fail no push, and a purge keeps the results" {
    # apt replaces the package four times while notifications come, and the old process each time; all are answered 200, and kept over a reboot and a purge.
    local i
    machine_from base
    give_packages
    install_packages packages
    follow_manual '**The certificate**'
    follow_manual '**nginx.**'
    serves before
    shows_pages
    push_behind --count 200000 --rate 300 --deadline 600 --ledger "$T/ledger"
    for i in 1 2; do
        install_packages newer
        "$MACHINE" run "$M" dpkg-query --status upgrade-receiver | grep -q '^Version: .*+later$'
        install_packages packages
    done
    push_stop
    equal answers "$(pushed '.answers | keys | join(" ")')" 200
    "$MACHINE" run "$M" apt-get purge upgrade-receiver >"$T/apt.out" 2>&1
    "$MACHINE" run "$M" bash -c 'apt-get install /usr/src/packages/upgrade-receiver_*.deb' >"$T/apt.out" 2>&1
    reboots_without_loss
}

# units_are_as_installed: systemd finds no fault in a unit of ours, and none of those that speak to others was enabled.
units_are_as_installed() {
    local said
    said=$("$MACHINE" run "$M" bash -c 'systemd-analyze verify --man=no /lib/systemd/system/upgrade-*' 2>&1) || fail "$said" || return
    equal "systemd-analyze verify" "$said" '' || return
    equal "enabled" "$("$MACHINE" run "$M" systemctl list-unit-files --state=enabled --no-legend 'upgrade-*' | awk '{ print $1 }' | paste -sd ' ')" \
        "upgrade-receiver.service upgrade-receiver.socket" || return
    equal "active" "$("$MACHINE" run "$M" systemctl list-units --state=active --no-legend --plain 'upgrade-*' | awk '{ print $1 }' | paste -sd ' ')" \
        "upgrade-receiver.service upgrade-receiver.socket"
}

# rated UNIT: by `systemd-analyze security`.
rated() {
    "$MACHINE" run "$M" systemd-analyze security --no-pager "$1" | sed -nE 's/.*Overall exposure level.*: ([0-9.]+) .*/\1/p'
}

@test "the Debian packages: forwarding, asking the platform, and shared books in Debian's PostgreSQL" {
    # Nothing of it is enabled by the install. After the blocks of nginx/README.md, all three work, also when PostgreSQL was away, and over a reboot; a purge keeps the results.
    local kept
    machine_from base
    give_packages
    install_packages packages
    "$MACHINE" run "$M" bash -c 'apt-get install /usr/src/packages/upgrade-{forward,platform}_*.deb curl openssl' >"$T/apt.out" 2>&1 ||
        fail "$(<"$T/apt.out")"
    units_are_as_installed
    follow_manual '**The certificate**'
    follow_manual '**nginx.**'
    name_others hooks.example.com platform.example.com db1.example.org
    forwards
    asks_back

    postgres_starts
    shares_books
    kept=$("$MACHINE" run "$M" upgrade-status --json | jq .totals.notifications)
    serves shared
    wait_for 60 in_books $((kept + 1)) || fail "$("$MACHINE" run "$M" journalctl -u upgrade-receiver -o cat -n 20 | cut -c 1-300)"
    equal "by upgrade-status" "$(follow_books --json | jq .totals.notifications)" $((kept + 1))
    equal "devices" "$(follow_books device shared --json | jq '.history | length')" 1
    equal "receivers" "$(as_postgres psql upgrades -Atc 'SELECT count(*) FROM upgrade_books.receivers')" 1
    shows_pages
    "$MACHINE" run "$M" systemctl stop postgresql
    serves away
    "$MACHINE" run "$M" systemctl start postgresql
    wait_for 60 in_books $((kept + 2))
    wait_for 60 forwarded away
    equal "ratings" "$(rated upgrade-receiver) $(rated upgrade-forward) $(rated upgrade-platform-reconcile)" "1.1 1.1 1.7"

    reboot
    hooks_start
    serves later
    wait_for 60 in_books $((kept + 3))
    wait_for 60 forwarded later
    "$MACHINE" run "$M" apt-get purge upgrade-forward upgrade-platform upgrade-status upgrade-receiver >"$T/apt.out" 2>&1
    "$MACHINE" run "$M" test -s /var/lib/upgrade-receiver/upgrades.db
    equal "left enabled" "$("$MACHINE" run "$M" bash -c 'find /etc/systemd -type l -name "upgrade-*"')" ''
}
