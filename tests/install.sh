#!/bin/sh
# Installs what the tests need from Debian. Without root it only says what is missing: the tests
# that need it skip with that reason (and fail where CI is set).
set -eu

# One name that this release does not know keeps apt from installing the others.
one_by_one() {
    for package in $missing; do
        apt-get install -y -qq --no-install-recommends "$package" >/dev/null ||
            echo "could not be installed: $package" >&2
    done
}

packages=${*:-"python3-venv nodejs npm redis-server nginx-light openssl haproxy apache2 libfaketime prometheus"}
missing=
for package in $packages; do
    case $package in
        nodejs) command -v node >/dev/null && continue ;;
        npm) command -v npm >/dev/null && continue ;;
        chromium) command -v chromium >/dev/null && continue ;;
        chromium-driver) command -v chromedriver >/dev/null && continue ;;
        haproxy) command -v haproxy >/dev/null && continue ;;
        firefox-esr) command -v firefox-esr >/dev/null && continue ;;
        webkit2gtk-driver) command -v WebKitWebDriver >/dev/null && continue ;;
        xvfb) command -v Xvfb >/dev/null && continue ;;
        libnss3-tools) command -v certutil >/dev/null && continue ;;
        default-jre-headless) command -v java >/dev/null && continue ;;
        redis-server) command -v redis-server >/dev/null && continue ;;
        apache2) [ -x /usr/sbin/apache2 ] && continue ;;
        nginx-light) [ -x /usr/sbin/nginx ] && continue ;;
        prometheus) command -v prometheus >/dev/null && continue ;;
        openssl) command -v openssl >/dev/null && continue ;;
        libfaketime) ls /usr/lib/*/faketime/libfaketimeMT.so.1 >/dev/null 2>&1 && continue ;;
        python3-venv) python3 -c "import ensurepip, venv" 2>/dev/null && continue ;;
    esac
    missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    # The tests start their servers themselves: none may start as a service.
    export RUNLEVEL=1
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    apt-get install -y -qq --no-install-recommends $missing >/dev/null || one_by_one
else
    echo "not root: please install$missing" >&2
fi
