#!/bin/sh
# Makes ./configure. Needed after a clone or a change of configure.ac or Makefile.am.
set -e
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf --install --force --warnings=no-obsolete
