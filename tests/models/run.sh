#!/bin/sh
# Runs the Spin models of the election and their mutants; prints model, flags, states stored, complete?, errors, verdict.
# Usage: tests/models/run.sh [--quick] [MODEL]   LIMIT = seconds a row (400)
#   --quick: the rows that take seconds; this is the CTest of label "models". All rows: minutes and about 7 GB.
# Exit 0: every base holds and is complete, every mutant fails. 77: spin or gcc is missing, nothing was run.
here=$(cd "$(dirname "$0")" && pwd); LIMIT=${LIMIT:-400}; bad=0; quick=0; only=
for a in "$@"; do case $a in --quick) quick=1;; *) only=$a;; esac; done
for tool in spin gcc; do
  if ! command -v $tool >/dev/null; then
    echo "SKIPPED: $tool is not installed (apt-get install $tool); no model of the election was checked" >&2
    exit 77
  fi
done
printf '%-9s %-40s %12s %-9s %-7s %s\n' model flags states complete errors verdict
row() { # quick|long model ok|bad flags...
  pace=$1; model=$2; expect=$3; shift 3
  if [ $quick = 1 ] && [ "$pace" != quick ]; then return; fi
  if [ -n "$only" ] && [ "$only" != "$model" ]; then return; fi
  w=$(mktemp -d); cp "$here/$model.pml" "$w/"
  ( cd "$w" && spin "$@" -a "$model.pml" >spin.log 2>&1 && gcc -O1 -w -DSAFETY -DCOLLAPSE -DMEMLIM=12000 -o pan pan.c &&
    timeout -s INT "$LIMIT" ./pan -m3000000 >out.log 2>&1 )
  e=$(sed -n 's/.*errors: \([0-9]*\).*/\1/p' "$w/out.log" | head -1)
  st=$(awk '/states, stored/{print $1; exit}' "$w/out.log")
  full=yes; grep -qE 'not completed|max search depth too small|out of memory' "$w/out.log" && full=no
  v=WRONG
  [ "$expect" = ok ] && [ "$e" = 0 ] && [ $full = yes ] && v='holds'
  [ "$expect" = bad ] && [ "${e:-0}" -gt 0 ] && v='caught' && full='-'
  [ "$v" = WRONG ] && bad=1
  printf '%-9s %-40s %12s %-9s %-7s %s\n' "$model" "$(echo "${*:-base}" | sed 's/-D//g')" "${st:-?}" "$full" "${e:-?}" "$v"
  rm -rf "$w"
}
row quick gate ok
row quick gate bad -DM_TERMACK
row quick gate bad -DM_TERMACK -DM_ONEWORD
row quick gate bad -DM_TERMACK -DM_ONEWORD -DNOREOPEN
for m in M_LOCKFIRST M_ONELOOP M_SEQRESET M_NOACK M_LATELOCK; do row quick gate bad -D$m; done
row quick page ok
row quick page bad -DM_NOBOOTID
row quick page bad -DM_HDRFIRST
row quick page ok -DM_NOAHEAD
row long profile ok
row long profile ok -DRELOAD
row long profile ok -DM_NOMAX
for m in M_HOLDNEW M_OWNLEASE; do row quick profile bad -D$m; done
row quick profile bad -DRELOAD -DM_NOMAX
row long release ok
row long release ok -DBAR0EXACT -DCR=0
row long release ok -DMAXT=2 -DS=2 -DCR=0
for m in M_NOACK M_REOPEN; do row quick release bad -D$m; done
for m in M_ANYREL M_WAITREL M_BAR0ANY M_NOSELF M_CPZERO; do row long release bad -D$m; done
row long release bad -DBAR0EXACT -DM_OLDPTERM
row long reconf ok -DINIT=1 -DK=2
row long reconf ok -DINIT=1 -DK=2 -DCR=2
row long reconf ok -DINIT=7 -DK=2
row long reconf ok -DINIT=7 -DK=2 -DRELAY
row long reconf ok -DINIT=1 -DK=2 -DRELAY
row long reconf bad -DINIT=1 -DK=2 -DRELAY -DM_NORAISE
row long reconf ok -DINIT=7 -DK=3
row long reconf ok -DINIT=7 -DK=2 -DINSTPROM
row long reconf ok -DN=4 -DINIT=7 -DK=2 -DMAXT=2 -DCR=0
row long reconf bad -DN=4 -DINIT=7 -DK=1 -DMAXT=2 -DCR=0 -DM_SWAP
row long reconf bad -DINIT=1 -DK=2 -DMAXT=2 -DCR=0 -DM_NOSTAB
for m in M_TWO M_NOQUORUM M_NOSTAB M_OLDCFG; do row long reconf bad -DINIT=7 -DK=2 -D$m; done
row long reconf bad -DINIT=7 -DK=3 -DM_NOSTAMP
row long reconf ok -DINIT=1 -DK=3 -DOLDONLY
row long lease ok -DMAXT=2 -DS=2
for m in M_NOBARRIER M_NOHOLD M_NOPERSIST M_RCVTIME; do row long lease bad -DMAXT=2 -DS=2 -D$m; done
row long lease bad -DMAXT=2 -DS=2 -DLL=3
row quick founding ok -DF=1 -DCR=1 -DK=0
row quick founding ok -DCR=0 -DK=0
row quick founding ok -DCR=1 -DK=1
for f in 1 3 15; do row long founding ok -DF=$f; done
row long founding ok
for m in M_INVENT M_SEEN; do row quick founding bad -DCR=0 -DK=0 -D$m; done
row quick founding bad -DF=1 -DCR=0 -DK=3 -DM_ANYQUORUM
row quick founding bad -DF=1 -DCR=1 -DK=0 -DM_TWOWRITES
row quick rollback ok -DMAXT=2
row long rollback ok
row quick rollback ok -DMAXT=2 -DV_COUNTS
row long rollback ok -DV_COUNTS
row quick rollback ok -DMAXT=2 -DV_SAMETERM
row quick rollback bad -DM_SAMESTART
for m in M_NOMEM M_LATEBEGIN; do row quick rollback bad -DMAXT=2 -D$m; done
row quick relconf ok -DMAXT=2
row long relconf ok -DINIT=1 -DK=2
row quick relconf bad -DMAXT=2 -DM_REOPEN
row long relconf bad -DM_ANYREL
row long relconf bad -DINIT=1 -DK=2 -DM_EARLYCHG
exit $bad
