# prepare.sh: what must be there before nginx/start can serve: packages, a receiver, a state folder
# and a certificate.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # nginx/start sets the variables in small letters that are not local

# shellcheck source=services.sh
. "$NGINX/services.sh"

receiver=
missing=()
turn= # the descriptor that holds this clone's lock
busy_pid= # what run_stoppable runs, and the signal that ends it
busy_signal=

# run_stoppable SIGNAL COMMAND...: runs COMMAND in a session of its own, which no Ctrl-C reaches. If nginx/start
# is told to stop meanwhile, it does not wait for COMMAND: stop_busy ends it.
run_stoppable() {
    local status=0
    busy_signal=$1
    # A shell makes what it starts in the background deaf to SIGINT.
    setsid env --default-signal=INT "${@:2}" &
    busy_pid=$!
    wait "$busy_pid" || status=$?
    busy_pid=
    return "$status"
}

# apt-get alone gets SIGINT: it stops downloading, but lets dpkg end what it has begun. SIGTERM is for a build, and
# for all of its processes.
stop_busy() {
    if [[ -z $busy_pid ]]; then return 0; fi
    if [[ $busy_signal == INT ]] || ! kill -s "$busy_signal" -- "-$busy_pid" 2>/dev/null; then
        kill -s "$busy_signal" "$busy_pid" 2>/dev/null || true
    fi
    wait "$busy_pid" 2>/dev/null || true
}

# One at a time installs and builds in a clone.
wait_for_turn() {
    if [[ -n $turn ]]; then return 0; fi
    exec {turn}<"$NGINX"
    if flock --nonblock "$turn"; then return 0; fi
    say "another one installs or builds in this clone; waiting for its end"
    run_stoppable TERM flock "$turn"
}

end_turn() {
    if [[ -n $turn ]]; then exec {turn}<&-; fi
    turn=
}

# as_service COMMAND...: runs it as the user that the receiver runs as.
as_service() {
    if [[ -z $service_user ]]; then
        "$@"
    else
        setpriv --reuid "$service_user" --regid "$service_user" --init-groups -- "$@"
    fi
}

# --- packages ---------------------------------------------------------------------------------

# Sets $missing.
find_missing_packages() {
    local lists=("$NGINX/packages.run")
    if must_build; then lists+=("$NGINX/packages.build"); fi
    if [[ -n $demo ]]; then lists+=("$NGINX/packages.demo"); fi
    mapfile -t missing < <(missing_packages "${lists[@]}")
}

install_packages() {
    find_missing_packages
    if ((${#missing[@]} == 0)); then return 0; fi
    command -v apt-get >/dev/null || die "missing, by Debian's names: ${missing[*]}"
    if ((EUID != 0)); then
        die "packages are missing; as root, run this first:
    apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    fi
    wait_for_turn
    find_missing_packages # another one may have installed them
    if ((${#missing[@]} == 0)); then return 0; fi
    say "installing, which takes a minute or two: ${missing[*]}"
    keep_services_stopped
    {
        run_stoppable INT apt-get update -qq &&
            run_stoppable INT env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
                --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}"
    } >"$run/apt" 2>&1 || {
        tail -n 20 "$run/apt" >&2
        die "the packages cannot be installed"
    }
    let_services_start
}

# missing_packages LIST...: those that are neither installed nor stood in for by a command of their
# name: what was built by hand, or nginx from another of its packages.
missing_packages() {
    local package
    while IFS= read -r package; do
        if command -v "${package%-light}" >/dev/null || is_installed "$package"; then continue; fi
        printf '%s\n' "$package"
    done < <(sed -E 's/#.*//; s/[[:space:]]+//g; /^$/d' "$@")
}

# Where there is no dpkg, configure will tell which library it does not find.
is_installed() {
    if ! command -v dpkg-query >/dev/null; then return 0; fi
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# --- the receiver -----------------------------------------------------------------------------

# A tree that somebody else has built, and that is not ours to write to, is taken as it is.
must_build() {
    [[ -z ${UPGRADE_RECEIVER_BIN:-} && (-w $SOURCE || ! -x $SOURCE/build/fcgi/upgrade-receiver) ]]
}

# Sets $receiver.
find_or_build_receiver() {
    receiver=$(realpath -m -- "${UPGRADE_RECEIVER_BIN:-$SOURCE/build/fcgi/upgrade-receiver}")
    if must_build; then build_receiver; fi
    end_turn
    [[ -f $receiver && -x $receiver ]] || die "$receiver: no such program"
}

# Sets $as_owner to what makes a command the clone owner's, who will want to build again.
find_owner() {
    local user group
    as_owner=()
    read -r user group < <(stat -c '%u %g' -- "$SOURCE")
    if ((EUID == 0 && user != 0)); then as_owner=(setpriv --reuid "$user" --regid "$group" --clear-groups --); fi
}

build_receiver() {
    local log=$SOURCE/build/start.log
    [[ -w $SOURCE ]] ||
        die "$SOURCE is not yours to write to: clone it to a folder of yours, or set UPGRADE_RECEIVER_BIN"
    wait_for_turn
    find_owner
    "${as_owner[@]}" mkdir -p "$SOURCE/build"
    if [[ -x $receiver ]]; then
        say "bringing the build up to date; what the compiler says is in $log"
    else
        say "building, which takes a minute on two processors; what the compiler says is in $log"
    fi
    # Make does nothing if nothing has changed. "unfinished" is there until there is a whole Makefile, also if this is
    # stopped.
    # shellcheck disable=SC2016 # for the shell of the owner
    run_stoppable TERM "${as_owner[@]}" bash -ec 'exec >"$2" 2>&1
        cd "$1/build"
        if [[ -e unfinished || ! -x ../configure ]]; then
            : >unfinished
            (cd .. && autoreconf -i)
        fi
        if [[ -e unfinished || ! -f Makefile ]]; then
            : >unfinished
            ../configure
            rm unfinished
        fi
        make -j "$(nproc)"' bash "$SOURCE" "$log" || {
        tail -n 20 "$log" >&2
        die "the build failed; the lines above are the end of $log"
    }
}

# --- state folder and certificate -------------------------------------------------------------

# A folder that is there already is never given to another user, except an empty one.
make_state_folder() {
    local owner=()
    if [[ -n $service_user ]]; then owner=(-o "$service_user" -g "$service_user"); fi
    if [[ ! -e $state || (-d $state && -O $state && -z $(ls -A -- "$state")) ]]; then
        install -d -m 0750 "${owner[@]}" -- "$state" || die "$state cannot be made"
    fi
    [[ -d $state ]] || die "$state is no folder"
    as_service test -w "$state" -a -x "$state" ||
        die "$(as_service id -un) cannot write to $state; use --state to name a folder that it can reach and owns"
}

# What a demo invents and what a platform has said are never in one store. The mark tells which of
# the two a folder is for.
keep_demo_apart() {
    local mark=$state/demo
    if [[ -z $demo ]]; then
        if as_service test -e "$mark"; then
            die "$state is a demo's, and what it holds is invented; use --state to name another folder, or start with --demo"
        fi
    elif ! as_service test -e "$mark"; then
        if as_service test -e "$state/upgrades.db"; then
            die "$state holds a store that no demo made; use --state to name another folder for --demo"
        fi
        as_service touch "$mark" || die "$mark cannot be made"
    fi
}

# Makes a certificate for localhost where there is none that is good for another day.
make_certificate() {
    local tls=$state/tls
    if certificate_is_good "$tls"; then return 0; fi
    say "making a certificate for localhost"
    (
        umask 077
        as_service mkdir -p "$tls" &&
            as_service openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
                -days 365 -subj /CN=localhost \
                -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1' \
                -keyout "$tls/key.pem.new" -out "$tls/certificate.pem.new" &&
            as_service chmod 0644 "$tls/certificate.pem.new" &&
            as_service mv -f "$tls/key.pem.new" "$tls/key.pem" &&
            as_service mv -f "$tls/certificate.pem.new" "$tls/certificate.pem"
    ) >/dev/null 2>"$run/openssl" </dev/null || die "no certificate: $(tail -n 3 "$run/openssl")"
}

# certificate_is_good FOLDER: valid for another day, and its key is there.
certificate_is_good() {
    as_service openssl x509 -in "$1/certificate.pem" -noout -checkend 86400 &>/dev/null &&
        [[ $(as_service openssl x509 -in "$1/certificate.pem" -noout -pubkey) == \
            "$(as_service openssl pkey -in "$1/key.pem" -pubout 2>/dev/null)" ]]
}
