# services.sh: packages that are installed for this project alone do not start services of their own:
# a system's nginx on port 80, say, which nobody has asked for.
#
# shellcheck shell=bash

POLICY=/usr/sbin/policy-rc.d # asked by Debian's packages whether they may start them
wrote_policy=

keep_services_stopped() {
    if [[ -e $POLICY || -L $POLICY ]]; then return 0; fi
    wrote_policy=1
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 0755 "$POLICY"
}

# Safe also where nobody has kept them.
let_services_start() {
    if [[ -n $wrote_policy ]]; then rm -f "$POLICY"; fi
    wrote_policy=
}
