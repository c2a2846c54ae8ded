#!/bin/sh
# Installs what the tests need from Debian. Without root it only says what is missing: the tests
# that need it skip with that reason (and fail where CI is set).
set -eu

packages=${*:-"python3-venv nodejs npm redis-server nginx-light openssl"}
missing=
for package in $packages; do
    case $package in
        nodejs) command -v node >/dev/null && continue ;;
        npm) command -v npm >/dev/null && continue ;;
        redis-server) command -v redis-server >/dev/null && continue ;;
        nginx-light) [ -x /usr/sbin/nginx ] && continue ;;
        openssl) command -v openssl >/dev/null && continue ;;
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
    apt-get install -y -qq --no-install-recommends $missing >/dev/null
else
    echo "not root: please install$missing" >&2
fi
