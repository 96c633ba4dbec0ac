#!/bin/sh
# Brings Debian's Chromium for the tests in a browser, where that is possible; says so where it is not. Never fails: without
# it these tests are skipped, with their reason.
command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "Installing Chromium, for the tests in a browser (once, some minutes)"
    export DEBIAN_FRONTEND=noninteractive
    if { timeout 120 apt-get -qq update; timeout 600 apt-get -qq install --yes --no-install-recommends chromium; } >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "NO CHROMIUM: the tests of the admin's pages in a browser will be skipped. On Debian: apt-get install chromium" >&2
exit 0
