# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154,SC2164 # for run, which ends where a command fails
# What there must be before something can be measured: packages, programs, a certificate. Read by run.

# shellcheck source=../../nginx/services.sh
. "$SOURCE/nginx/services.sh"
# shellcheck source=../source.bash
. "$SOURCE/tests/source.bash"

# What the bench itself takes, beside what it takes to build and run the receiver.
packages() {
    local list
    for list in "$SOURCE"/nginx/packages.build "$SOURCE"/nginx/packages.run; do
        sed 's/#.*//' "$list" | tr -s '[:space:]' '\n'
    done
    printf '%s\n' git libssl-dev procps python3 util-linux
}

is_installed() {
    case $1 in
    nginx | nginx-light) command -v nginx >/dev/null || [[ -x /usr/sbin/nginx ]] ;;
    nodejs | npm) command -v "${1%js}" >/dev/null ;; # another Node.js than Debian's will do
    *) [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]] ;;
    esac
}

missing_of() {
    local package
    sort -u | while IFS= read -r package; do
        if [[ -n $package ]] && ! is_installed "$package"; then printf '%s\n' "$package"; fi
    done
}

# apt PACKAGE...
apt() {
    say "installing $*"
    if ((EUID != 0)); then
        say "not root; run this first, then tests/bench/run again:"
        say "    sudo apt-get update && sudo apt-get install --no-install-recommends $*"
        return 1
    fi
    keep_services_stopped
    if ! { DEBIAN_FRONTEND=noninteractive apt-get update -qq &&
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@"; } \
        >"$WORK/apt.out" 2>&1 </dev/null; then
        tail -n 5 "$WORK/apt.out" >&2
        return 1
    fi
    let_services_start
}

# Without its own packages there is no bench; without those of a subject, that is left out (build).
install_packages() {
    local missing name
    command -v dpkg-query >/dev/null || return 0
    mapfile -t missing < <(packages | missing_of)
    if ((${#missing[@]} > 0)); then apt "${missing[@]}"; fi
    for name in "${wanted[@]}"; do
        mapfile -t missing < <("$BENCH/subjects/$name" packages | missing_of)
        if ((${#missing[@]} > 0)); then apt "${missing[@]}" || say "$name: a package is missing"; fi
    done
}

# make_ours PROGRAM...: of this tree, as they are shipped: with the flags that configure chooses.
make_ours() {
    copy_source "$SOURCE" "$BUILD/source"
    mkdir -p "$BUILD/ours"
    cd "$BUILD/ours"
    unset MAKEFLAGS MFLAGS CFLAGS CPPFLAGS LDFLAGS LIBS CONFIG_SITE
    if [[ ! -e Makefile ]]; then ../source/configure; fi
    make -j "${JOBS:-$(nproc)}" "$@"
}

# build_ours PROGRAM...
build_ours() {
    say "building"
    if ! (make_ours "$@") >"$WORK/build.out" 2>&1; then
        tail -n 30 "$WORK/build.out" >&2
        die "it cannot be built"
    fi
    export BENCH_OURS=$BUILD/ours
    LOAD=$BUILD/ours/tests/bench/load
}

# Takes those out of $wanted that cannot be had here, and says why.
build_subjects() {
    local name built=()
    for name in "${wanted[@]}"; do
        if [[ $scheme == http && $(about "$name" front) == direct ]]; then
            say "left out: $name: speaks TLS alone"
            continue
        fi
        mkdir -p "$BUILD/subjects/$name"
        if "$BENCH/subjects/$name" build "$BUILD/subjects/$name" >"$WORK/$name.build" 2>&1 </dev/null; then
            built+=("$name")
        else
            say "left out: $name: $(tail -n 1 "$WORK/$name.build")"
        fi
    done
    ((${#built[@]} > 0)) || die "nothing to measure"
    wanted=("${built[@]}")
}

make_certificate() {
    export BENCH_CERTIFICATE=$WORK/certificate.pem BENCH_KEY=$WORK/key.pem
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
        -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' -keyout "$BENCH_KEY" -out "$BENCH_CERTIFICATE" \
        2>"$WORK/openssl.out" || die "$(tail -n 3 "$WORK/openssl.out")"
    chmod 0644 "$BENCH_KEY"
}
