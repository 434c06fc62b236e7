# Libraries whose headers are of a version with a fault that has a CVE number: warned of at the end of
# configure, never an error, because distributions mend a fault without a new version.

# UR_HEADER_VERSION(NAME, HEADER, MACRO, FLAGS)
# ur_cv_NAME_version is the version that MACRO tells in HEADER, or unknown.
AC_DEFUN([UR_HEADER_VERSION], [
  AC_REQUIRE([AC_PROG_CPP])
  AC_CACHE_CHECK([which version the headers of $1 are], [ur_cv_$1_version], [
    AS_ECHO(["#include <$2>"]) >conftest.c
    AS_ECHO(["ur_version_is $3"]) >>conftest.c
    ur_cv_$1_version=`$CPP $CPPFLAGS $4 -P conftest.c 2>/dev/null | tr "\n" " " |
      sed -n ['s/.*ur_version_is *"\([0-9][0-9.]*\)".*/\1/p']`
    rm -f conftest.c
    AS_IF([test -z "$ur_cv_$1_version"], [ur_cv_$1_version=unknown])
  ])
])

# UR_KNOWN_FAULT(NAME, FIRST, MENDED, WHAT)
# Versions from FIRST on, and before MENDED, have the fault. Nothing is said where no header tells.
AC_DEFUN([UR_KNOWN_FAULT], [
  AS_IF([test "$ur_cv_$1_version" != unknown], [
    AS_VERSION_COMPARE([$ur_cv_$1_version], [$2], [], [ur_has_fault=yes], [ur_has_fault=yes])
    AS_VERSION_COMPARE([$ur_cv_$1_version], [$3], [], [ur_has_fault=no], [ur_has_fault=no])
    AS_IF([test "$ur_has_fault" = yes], [ur_known_faults="$ur_known_faults
  $1 $ur_cv_$1_version (mended in $3): $4"])
  ])
  ur_has_fault=no
])

# UR_KNOWN_FAULTS_END: says what was found; behind AC_OUTPUT, so that it is the last thing seen.
AC_DEFUN([UR_KNOWN_FAULTS_END], [
  AS_IF([test -n "$ur_known_faults"], [
    AC_MSG_WARN([by their headers, these libraries have known faults. Distributions mend them without a
new version, so look at the changelog of the package; a library that you have built yourself should be
a newer one.
$ur_known_faults])
  ])
])
