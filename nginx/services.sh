# services.sh: packages that are installed for this project alone do not start services of their own:
# a system's nginx on port 80, say, which nobody has asked for.
#
# shellcheck shell=bash

POLICY=/usr/sbin/policy-rc.d # asked by Debian's packages whether they may start them
wrote_policy=
links_before= # what begins at boot, while packages are installed

# A name for each service that begins at the next boot. Works where no systemd runs.
boot_links() {
    find /etc/systemd/system /etc/rc[2-5].d -type l \
        \( -path '*.wants/*' -o -path '*.requires/*' -o -name 'S[0-9]*' \) 2>/dev/null | sort
}

keep_services_stopped() {
    links_before=$(boot_links; echo .)
    if [[ -e $POLICY || -L $POLICY ]]; then return 0; fi
    wrote_policy=1
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 0755 "$POLICY"
}

# Safe also where nobody has kept them. What was not to begin at boot before, is not now.
let_services_start() {
    local link
    if [[ -n $wrote_policy ]]; then rm -f "$POLICY"; fi
    wrote_policy=
    if [[ -z $links_before ]]; then return 0; fi
    while IFS= read -r link; do
        # These remember it for the packages' next version.
        case $link in
        /etc/rc*) update-rc.d "${link##*/S[0-9][0-9]}" disable ;;
        *) deb-systemd-helper disable "${link##*/}" && rm -f "$link" ;;
        esac >/dev/null 2>&1 || rm -f "$link"
    done < <(comm -13 <(printf '%s\n' "${links_before%.}" | grep . | sort) <(boot_links))
    links_before=
}
