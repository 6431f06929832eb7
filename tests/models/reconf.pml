/* reconf.pml - reconfiguration of the voter set (failover.md 5.) under leases.

   Modelled: N nodes, config = (term, version, member mask) in each node, durable; a leader that
   changes it; configs pushed by the leader to anyone, acks lost; stale-config voters that return;
   vote, Renew and ack exchanges that happen at one instant or are lost (a later arrival only
   lengthens the barrier or shortens the lease); promise LV, lease LL, barrier, HOLDOFF; control
   plane crash at any point with the deadline living on, restart with disk state; optional node 3
   (N=4) as the replacement of a superseded uid. Leader outside its own config is allowed
   ({A,B} -> {B} by A). Up to K changes and MAXT terms; all single-member changes are tried.
   Properties: P1 never two open gates. P3 never two leaders in a term.
   Rules under test (base = all):
     R1 a change adds or removes ONE member. Replacing a uid in its slot = remove, then add.
     R2 before a change the current config carries the leader's own term (re-stamped when it became
        leader) and a quorum of it has acked exactly this config in this term.
        OLDONLY: alternative, the quorum that must have acked it is one of the config BEFORE it (also
        safe for single-member changes; the design asks for both; with neither it is unsafe).
     R3 a change needs a passed barrier, and at least one full (largest) promise since the leader
        took the current config ("stabilised"). INSTPROM: alternative, no wait, but installing a
        config from a leader is a promise like a Renew.
     R4 a voter refuses a candidate whose config is older than its own.
     R5 a candidate counts votes, a leader counts acks, only of members of its OWN newest config; it takes the new
        config when it proposes it; a candidate that takes a newer config gives its campaign up.
     R6 (RELAY) anyone who holds a newer config may pass it on to anyone who does not lead: a witness cannot
        campaign, and a config that only it holds would else stand in everyone's way. Who takes a config is of its term from
        then on: else it could win that very term a second time, with a quorum that did not exist when it was won.
   Mutants: M_SWAP (C replaced by D in one step, N=4)  M_TWO (two changes at once)
            M_NOQUORUM (R2 without any quorum for the current config)
            M_NOSTAMP (R2 without own term)  M_NOSTAB (R3 without wait and barrier)
            M_OLDCFG (R4)  M_NORAISE (R6, with RELAY)
   Run: spin -a reconf.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m2000000
   Expected: 0 errors; mutants: assertion violated. */
#ifndef N
#define N 3
#endif
#ifndef LV
#define LV 2
#endif
#ifndef LL
#define LL 2
#endif
#ifndef MAXT
#define MAXT 3
#endif
#ifndef K
#define K 2
#endif
#ifndef CR
#define CR 1
#endif
#ifndef INIT
#define INIT 7    /* start config: 1 = {A}, 7 = {A,B,C} */
#endif
#define NONE 7
#define FOLLOWER 0
#define CAND 1
#define LEADER 2
byte term[N] = 1, voted[N], role[N], promise[N], hold[N], barrier[N], lease[N], stab[N];
byte ct[N], cv[N], cm[N], cack[N], vts[N];
#ifdef OLDONLY
byte om[N] = INIT;   /* ghost: the config before */
#endif
bool up[N] = 1;
byte crashes, changes, leadof[5] = NONE;
byte i, j, k, n, x;
bool ok;
#define BIT(a) (1 << (a))
#define IN(a, mm) (((mm) >> (a)) & 1)
#define POP(mm) (((mm) & 1) + (((mm) >> 1) & 1) + (((mm) >> 2) & 1) + (((mm) >> 3) & 1))
#define MAJ(s, mm) (2 * POP((s) & (mm)) > POP(mm))
#define NEWER(a, b) (ct[a] > ct[b] || (ct[a] == ct[b] && cv[a] > cv[b]))
#define SAME(a, b) (ct[a] == ct[b] && cv[a] == cv[b])
#if N > 3
#define pick(y) if :: y = 0 :: y = 1 :: y = 2 :: y = 3 fi
#else
#define pick(y) if :: y = 0 :: y = 1 :: y = 2 fi
#endif
#ifdef M_NOQUORUM
#define COMMITTED(a) true
#elif defined(OLDONLY)
#define COMMITTED(a) MAJ(cack[a], om[a])
#else
#define COMMITTED(a) MAJ(cack[a], cm[a])
#endif
#ifdef M_NOSTAMP
#define STAMPED(a) true
#else
#define STAMPED(a) (ct[a] == term[a])
#endif
#ifdef M_NOSTAB
#define STABLE(a) true
#else
#ifdef INSTPROM
#define STABLE(a) (barrier[a] == 0)
#else
#define STABLE(a) (barrier[a] == 0 && stab[a] == 0)
#endif
#endif
#ifdef M_OLDCFG
#define CFGOK(c, v) true
#else
#define CFGOK(c, v) (!NEWER(v, c))
#endif
inline stepdown(a) { role[a] = FOLLOWER; barrier[a] = 0; cack[a] = 0; vts[a] = 0; stab[a] = 0 }
inline seeterm(a, tt) { if :: tt > term[a] -> term[a] = tt; voted[a] = NONE; lease[a] = 0; stepdown(a) :: else fi }
inline setlease(a) { k = 0; do :: k < N -> assert(k == a || lease[k] == 0); k++ :: else -> break od; k = 0; lease[a] = LL }
inline win(a) { if :: MAJ(vts[a], cm[a]) ->
      assert(leadof[term[a]] == NONE); leadof[term[a]] = a; role[a] = LEADER; vts[a] = 0;
#ifndef M_NOSTAMP
      ct[a] = term[a]; cv[a] = cv[a] + 1;
#endif
      cack[a] = BIT(a); stab[a] = LV
   :: else fi }
inline selfrenew(a) { if :: role[a] == LEADER && barrier[a] == 0 && cm[a] == BIT(a) -> setlease(a) :: else fi }

active proctype P() {
 atomic { i = 0; do :: i < N -> cm[i] = (IN(i, INIT) -> INIT : 0); ct[i] = (IN(i, INIT) -> 1 : 0); cv[i] = 0; voted[i] = NONE; i++ :: else -> break od; i = 0;
   role[0] = LEADER; leadof[1] = 0; cack[0] = INIT; voted[0] = 0 }
 do
 :: d_step { /* tick */
      i = 0; do :: i < N ->
        if :: promise[i] > 0 -> promise[i]-- :: else fi;
        if :: hold[i] > 0 -> hold[i]-- :: else fi;
        if :: barrier[i] > 0 -> barrier[i]-- :: else fi;
        if :: stab[i] > 0 -> stab[i]-- :: else fi;
        if :: lease[i] > 0 -> lease[i]-- :: else fi; i++ :: else -> break od; i = 0 }
 /* campaign */
 :: atomic { pick(j); if :: up[j] && role[j] != LEADER && hold[j] == 0 && term[j] < MAXT && IN(j, cm[j]) ->
        lease[j] = 0; term[j]++; voted[j] = j; role[j] = CAND; barrier[j] = promise[j]; vts[j] = BIT(j); win(j)
      :: else fi; j = 0 }
 /* vote of j for i */
 :: atomic { pick(j); pick(i); if :: i != j && up[j] && up[i] && role[i] == CAND && term[i] >= term[j] && IN(j, cm[i]) ->
        seeterm(j, term[i]);
        if :: (voted[j] == NONE || voted[j] == i) && hold[j] == 0 && role[j] != LEADER && CFGOK(i, j) ->
              voted[j] = i; if :: role[j] == CAND -> stepdown(j) :: else fi;
              if :: skip
                 :: if :: promise[j] > barrier[i] -> barrier[i] = promise[j] :: else fi;
                    vts[i] = vts[i] | BIT(j); win(i)
              fi
           :: else fi
      :: else fi; i = 0; j = 0 }
 /* Renew of j acked by i; or j alone when it is the whole config */
 :: atomic { pick(j); pick(i); if
      :: i == j && up[j] -> selfrenew(j)
      :: i != j && up[j] && up[i] && role[j] == LEADER && term[j] >= term[i] && hold[i] == 0 && IN(i, cm[j]) ->
           seeterm(i, term[j]); if :: role[i] != FOLLOWER -> stepdown(i) :: else fi;
           promise[i] = LV;
           if :: skip
              :: barrier[j] == 0 && MAJ((BIT(i) | BIT(j)), cm[j]) -> setlease(j)
           fi
      :: else fi; i = 0; j = 0 }
 /* push of j's config to i */
 :: atomic { pick(j); pick(i); if :: i != j && up[j] && up[i] && role[j] == LEADER && term[j] >= term[i] && (NEWER(j, i) || SAME(j, i)) ->
        seeterm(i, term[j]);
        if :: NEWER(j, i) -> if :: role[i] != FOLLOWER -> stepdown(i) :: else fi; ct[i] = ct[j]; cv[i] = cv[j]; cm[i] = cm[j];
#ifdef INSTPROM
              promise[i] = LV
#else
              skip
#endif
           :: else fi;
        if :: skip :: cack[j] = cack[j] | BIT(i) fi
      :: else fi; i = 0; j = 0 }
#ifdef RELAY
 /* a newer config passed on by anyone who holds it, to anyone who does not lead, whatever their terms */
 :: atomic { pick(j); pick(i); if :: i != j && up[j] && up[i] && role[i] != LEADER && NEWER(j, i) ->
#ifndef M_NORAISE
        seeterm(i, ct[j]);
#endif
        if :: role[i] != FOLLOWER -> stepdown(i) :: else fi;
        ct[i] = ct[j]; cv[i] = cv[j]; cm[i] = cm[j]
      :: else fi; i = 0; j = 0 }
#endif
 /* change: add or remove member x */
 :: atomic { pick(j); if :: up[j] && role[j] == LEADER && changes < K && STAMPED(j) && COMMITTED(j) && STABLE(j) ->
        n = cm[j];
        pick(x);
#ifdef M_SWAP
        if :: n = n ^ BIT(x) :: IN(2, n) && !IN(3, n) -> n = (n ^ BIT(2)) | BIT(3) fi;
#else
        n = n ^ BIT(x);
#ifdef M_TWO
        if :: skip :: pick(x); n = n ^ BIT(x) fi;
#endif
#endif
        if :: n != 0 && n != 15 && n != cm[j] ->
#ifdef OLDONLY
           om[j] = cm[j];
#endif
           cm[j] = n; cv[j]++; cack[j] = (IN(j, n) -> BIT(j) : 0); changes++; stab[j] = LV
           :: else fi; n = 0; x = 0
      :: else fi; j = 0 }
 /* crash, restart */
 :: atomic { pick(j); if :: up[j] && crashes < CR -> up[j] = 0; crashes++; stepdown(j); promise[j] = 0; hold[j] = 0 :: else fi; j = 0 }
 :: atomic { pick(j); if :: !up[j] -> up[j] = 1; lease[j] = 0; hold[j] = LV :: else fi; j = 0 }
 od }
