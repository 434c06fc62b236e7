#!/usr/bin/env bats
# bats file_tags=full
# The Debian packages: the same source makes the same ones, they are complete, and an upgrade leaves the socket alone.

load lib

# Built once for all tests: in $BATS_FILE_TMPDIR/first, and what is in them in .../files.
setup_file() {
    local package
    cd "$BATS_FILE_TMPDIR" || return
    mkdir first second
    "$SOURCE/nginx/package" first
    DEB_BUILD_OPTIONS=nocheck "$SOURCE/nginx/package" second
    for package in first/*.deb; do dpkg-deb -x "$package" files; done
    dpkg-deb -e first/upgrade-receiver_*.deb scripts
}

setup() {
    scenario_setup
    cd "$BATS_FILE_TMPDIR" || return
}

@test "two builds in two folders make the same packages" {
    # Each .deb, and the source package, of one build has the bytes of the other's.
    equal "packages" "$(cd first && echo *.deb | tr ' ' '\n' | sed 's/_.*//' | sort | paste -sd ' ')" \
        "libpushreceiver-dev libpushreceiver0 libpushreceiver0-dbgsym upgrade-forward upgrade-forward-dbgsym upgrade-platform upgrade-platform-dbgsym upgrade-receiver upgrade-receiver-dbgsym upgrade-status upgrade-status-dbgsym"
    equal "sums" "$(cd second && sha256sum ./*.deb ./*.dsc ./*.tar.xz)" "$(cd first && sha256sum ./*.deb ./*.dsc ./*.tar.xz)"
}

@test "lintian finds nothing that is not explained" {
    # No error, warning, hint or pedantry in the packages and their source, beyond the overrides with a reason.
    equal "found" "$(lintian --pedantic --display-info --allow-root first/*.changes 2>&1)" ''
}

# files_of PACKAGE: what is in it.
files_of() {
    dpkg-deb --fsys-tarfile first/"$1"_*.deb | tar -t | grep -v '/$' | sed -E 's|^\./||; s|/[^/]+-linux-[^/]+/|/ARCH/|' | sort
}

@test "each file is in its package" {
    # Programs, units, user, options, rotation of the log, examples, man pages and completion; no other file.
    equal upgrade-receiver "$(files_of upgrade-receiver | grep -v /examples/)" "etc/default/upgrade-receiver
etc/logrotate.d/upgrade-receiver
lib/systemd/system/upgrade-receiver-prune.service
lib/systemd/system/upgrade-receiver-prune.timer
lib/systemd/system/upgrade-receiver.service
lib/systemd/system/upgrade-receiver.socket
usr/bin/upgrade-receiver
usr/lib/sysusers.d/upgrade-receiver.conf
usr/share/doc/upgrade-receiver/README.Debian
usr/share/doc/upgrade-receiver/changelog.gz
usr/share/doc/upgrade-receiver/copyright
usr/share/lintian/overrides/upgrade-receiver
usr/share/man/man8/upgrade-receiver.8.gz"
    equal examples "$(files_of upgrade-receiver | sed -n 's|.*/examples/||p' | paste -sd ' ')" \
        "README.md apache-cgi.conf apache-fcgid.conf apache-proxy-fcgi.conf apache-unavailable.asis apache.conf check-callback forward-to-command keep-running lighttpd.conf monitoring/alerts.yml monitoring/dashboard.json monitoring/prometheus.yml upgrade-forward.default upgrade-receiver-books.conf upgrade-receiver-status.params upgrade-receiver.conf upgrade-receiver.default upgrade-receiver.params"
    equal upgrade-forward "$(files_of upgrade-forward)" "lib/systemd/system/upgrade-forward.service
usr/bin/upgrade-forward
usr/share/bash-completion/completions/upgrade-forward
usr/share/doc/upgrade-forward/changelog.gz
usr/share/doc/upgrade-forward/copyright
usr/share/lintian/overrides/upgrade-forward
usr/share/man/man8/upgrade-forward.8.gz"
    equal upgrade-platform "$(files_of upgrade-platform)" "lib/systemd/system/upgrade-platform-reconcile.service
lib/systemd/system/upgrade-platform-reconcile.timer
usr/bin/upgrade-platform
usr/share/bash-completion/completions/upgrade-platform
usr/share/doc/upgrade-platform/changelog.gz
usr/share/doc/upgrade-platform/copyright
usr/share/man/man8/upgrade-platform.8.gz"
    equal upgrade-status "$(files_of upgrade-status)" "usr/bin/upgrade-status
usr/share/bash-completion/completions/upgrade-status
usr/share/doc/upgrade-status/changelog.gz
usr/share/doc/upgrade-status/copyright
usr/share/man/man1/upgrade-status.1.gz"
    equal libpushreceiver0 "$(files_of libpushreceiver0 | grep -v /doc/)" usr/lib/ARCH/libpushreceiver.so.0
    equal libpushreceiver-dev "$(files_of libpushreceiver-dev | grep -v /doc/)" "usr/include/push_message_receiver.h
usr/lib/ARCH/libpushreceiver.so
usr/lib/ARCH/pkgconfig/libpushreceiver.pc
usr/share/man/man3/push_message_receiver.3.gz"
}

# stub_systemd: what maintainer scripts ask of systemd is written to $T/asked, and not done.
stub_systemd() {
    local name
    mkdir "$T/stubs" "$T/systemd"
    for name in deb-systemd-helper deb-systemd-invoke systemctl systemd-sysusers; do
        printf '#!/bin/sh\necho "%s $*" >>"%s/asked"\n' "$name" "$T" >"$T/stubs/$name"
        chmod 0755 "$T/stubs/$name"
    done
}

# asked SCRIPT ARGUMENT...: what a maintainer script has started and stopped, if systemd runs; but for the timer.
asked() {
    : >"$T/asked"
    sed "s|/run/systemd/system|$T/systemd|" "scripts/$1" >"$T/script"
    DPKG_ROOT='' PATH=$T/stubs:$PATH sh "$T/script" "${@:2}"
    sed -n '/prune/d; s/^deb-systemd-invoke //p' "$T/asked" | paste -sd ,
    # Nothing is started, stopped or restarted in another way.
    ! grep -E '^systemctl .*(start|stop|kill|reload-or)' "$T/asked" || fail "asked of systemctl"
}

@test "an upgrade of the package restarts the service, and neither stops nor restarts the socket" {
    # What the maintainer scripts ask of systemd: at the first installation, at an upgrade, one that was broken off, and a removal.
    stub_systemd
    equal "first installation" "$(asked postinst configure)" "start upgrade-receiver.service,start upgrade-receiver.socket"
    equal "enabled" "$(sed -n '/prune/d; s/^deb-systemd-helper enable //p' "$T/asked" | paste -sd ,)" \
        upgrade-receiver.service,upgrade-receiver.socket
    [[ ! -e scripts/preinst ]] || equal "before the upgrade" "$(asked preinst upgrade 0.1.0 0.1.1)" ''
    equal "the old version" "$(asked prerm upgrade 0.1.1)" ''
    equal "the old version, when replaced" "$(asked postrm upgrade 0.1.1)" ''
    # To start a socket that listens does nothing.
    equal "the new version" "$(asked postinst configure 0.1.0)" "restart upgrade-receiver.service,start upgrade-receiver.socket"
    equal "broken off" "$(asked postinst abort-upgrade 0.1.1)" "restart upgrade-receiver.service,start upgrade-receiver.socket"
    # In this order, or a connection would start the service again.
    equal "removal" "$(asked prerm remove)" "stop upgrade-receiver.socket,stop upgrade-receiver.service"
}

@test "installed, it has its user and its units; neither removal nor purge deletes what was received" {
    # dpkg installs, upgrades and purges it in a folder of its own: user, enabled units, state folder.
    ((EUID == 0)) || skip "dpkg needs root"
    local root=$T/root units
    local dpkg=(dpkg --root="$root" --force-script-chrootless --force-depends)
    mkdir -p "$root/etc" "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates"
    : >"$root/var/lib/dpkg/status"
    # Where systemd runs, its own units must not be touched.
    stub_systemd
    rm "$T/stubs/deb-systemd-helper" "$T/stubs/systemd-sysusers"
    export PATH=$T/stubs:$PATH

    "${dpkg[@]}" -i first/upgrade-receiver_*.deb >"$T/out" 2>&1 || fail "$(<"$T/out")"
    grep -q '^upgrade-receiver:.*:/var/lib/upgrade-receiver:/usr/sbin/nologin$' "$root/etc/passwd"
    units=$(cd "$root/etc/systemd/system" && echo */*)
    equal "enabled" "$units" "multi-user.target.wants/upgrade-receiver.service sockets.target.wants/upgrade-receiver.socket"

    mkdir "$root/var/lib/upgrade-receiver"
    echo kept >"$root/var/lib/upgrade-receiver/upgrades.db"
    echo UPGRADE_RECEIVER_WORKERS=2 >>"$root/etc/default/upgrade-receiver"
    "${dpkg[@]}" -i second/upgrade-receiver_*.deb >"$T/out" 2>&1 || fail "$(<"$T/out")"
    equal "options" "$(tail -n 1 "$root/etc/default/upgrade-receiver")" UPGRADE_RECEIVER_WORKERS=2
    "${dpkg[@]}" --purge upgrade-receiver >"$T/out" 2>&1 || fail "$(<"$T/out")"
    equal "results" "$(<"$root/var/lib/upgrade-receiver/upgrades.db")" kept
    grep -q 'what was received is kept; to remove it: rm -r /var/lib/upgrade-receiver$' "$T/out"
    [[ ! -e $root/etc/default/upgrade-receiver && ! -e $root/usr/bin/upgrade-receiver ]]
    equal "enabled after the purge" "$(find "$root/etc/systemd" -type l)" ''
}

@test "what autopkgtest runs passes with the packages' programs" {
    # nginx/debian/tests/serve: the receiver of the package takes a notification, and its upgrade-status finds it.
    PATH=$BATS_FILE_TMPDIR/files/usr/bin:$PATH AUTOPKGTEST_TMP='' TMPDIR=$T "$SOURCE/nginx/debian/tests/serve" ||
        fail "status $?"
}

@test "an application builds with the development package and runs with the library's" {
    # pkg-config, header and library of the packages make the README's example, which tells their version.
    local root=$BATS_FILE_TMPDIR/files folder flags
    folder=$(dirname "$(find "$root" -name libpushreceiver.so.0)")
    flags=$(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_PATH=$folder/pkgconfig pkg-config --cflags --libs libpushreceiver)
    # shellcheck disable=SC2086 # words
    cc -o "$T/failures" "$TESTS/example/failures.c" $flags
    equal "version" "$(LD_LIBRARY_PATH=$folder "$T/failures" --version | awk '{ print $NF }')" \
        "$(sed -nE 's/^AC_INIT\(.*\[(.*)\]\)$/\1/p' "$SOURCE/configure.ac")"
    [[ $(dpkg-deb -f first/upgrade-receiver_*.deb Version) == "$(sed -nE 's/^AC_INIT\(.*\[(.*)\]\)$/\1/p' "$SOURCE/configure.ac")"* ]] ||
        fail "the version of the packages is not that of configure.ac"
}
