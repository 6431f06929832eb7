/* relconf.pml - LeaseRelease and the release in RequestVote while the voter set changes (failover.md "Release", "Voters").

   Modelled: release.pml's close, ack, release and cleared promises on top of reconf.pml's configs. 3 nodes, config =
   (term, version, member mask), durable; changes of one member, pushes, stale voters. A release is a fact from its sending
   on: it may arrive anywhere, at any later time, any number of times or never; RequestVote carries it too. The leader may
   release whenever its barrier has passed, in the middle of a change too (the leaving leader of {A, B} does).
   Exchanges happen at one instant or their answer is lost. Promise (until, term), lease, barrier, HOLDOFF; crash with the
   deadline living on.
   Abstracted: the data plane's ack is one step (gate.pml, release.pml: frozen, late); messages in flight; pre-vote, rank.
   Properties: P1 never two open gates. P2 at most one leader a term. P3 the gate of a released term never opens again.
   Mutants: M_ANYREL  a promise is cleared by any release, also of a term older than it is owed to
            M_EARLYCHG  a change before the barrier has passed and without the wait after the last one
            M_WAITREL  a leader whose barrier has not passed releases; not in run.sh: complete without an error here, so
               these bounds do not show that rule (release.pml M_WAITREL does)
            M_REOPEN  the leader opens its term again after the release
   Run: spin -a relconf.pml && gcc -O2 -DSAFETY -DCOLLAPSE -o pan pan.c && ./pan -m2000000
   Expected: 0 errors; mutants: assertion violated. */
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
#define K 1
#endif
#ifndef CR
#define CR 0
#endif
#ifndef INIT
#define INIT 7
#endif
#define NONE 7
#define FOLLOWER 0
#define CAND 1
#define LEADER 2
#define DRAIN 3
byte term[3] = 1, voted[3], role[3], promise[3], pterm[3], hold[3], barrier[3], lease[3], stab[3];
byte ct[3], cv[3], cm[3], cack[3], vts[3], leadof[5] = NONE;
bool up[3] = 1, rel[5];
byte crashes, changes, i, j, k, n, t;
#define BIT(a) (1 << (a))
#define IN(a, mm) (((mm) >> (a)) & 1)
#define POP(mm) (((mm) & 1) + (((mm) >> 1) & 1) + (((mm) >> 2) & 1))
#define MAJ(s, mm) (2 * POP((s) & (mm)) > POP(mm))
#define NEWER(a, b) (ct[a] > ct[b] || (ct[a] == ct[b] && cv[a] > cv[b]))
#define SAME(a, b) (ct[a] == ct[b] && cv[a] == cv[b])
#define LEADS(a) (role[a] == LEADER || role[a] == DRAIN)
#define pick(y) if :: y = 0 :: y = 1 :: y = 2 fi
#ifdef M_ANYREL
#define COVERS(a, tt) true
#else
#define COVERS(a, tt) (pterm[a] <= (tt))
#endif
#ifdef M_WAITREL
#define MAYREL(a) true
#else
#define MAYREL(a) (barrier[a] == 0)
#endif
#ifdef M_EARLYCHG
#define STABLE(a) true
#else
#define STABLE(a) (barrier[a] == 0 && stab[a] == 0)
#endif
inline clear(a, tt) { if :: promise[a] > 0 && COVERS(a, tt) -> promise[a] = 0; pterm[a] = 0 :: else fi }
/* Closed without an ack: what the lease promised stays owed by the own vote. */
inline zero(a) { if :: lease[a] > promise[a] -> promise[a] = lease[a] :: else fi;
   if :: lease[a] > 0 && term[a] > pterm[a] -> pterm[a] = term[a] :: else fi; lease[a] = 0 }
inline stepdown(a) { role[a] = FOLLOWER; barrier[a] = 0; cack[a] = 0; vts[a] = 0; stab[a] = 0 }
inline seeterm(a, tt) { if :: tt > term[a] -> zero(a); term[a] = tt; voted[a] = NONE; stepdown(a) :: else fi }
inline open(a) { assert(!rel[term[a]]);
   k = 0; do :: k < 3 -> assert(k == a || lease[k] == 0); k++ :: else -> break od; k = 0; lease[a] = LL }
inline win(a) { if :: MAJ(vts[a], cm[a]) ->
      assert(leadof[term[a]] == NONE); leadof[term[a]] = a; role[a] = LEADER; vts[a] = 0;
      ct[a] = term[a]; cv[a] = cv[a] + 1; cack[a] = BIT(a); stab[a] = LV
   :: else fi }

active proctype P() {
 atomic { i = 0; do :: i < 3 -> cm[i] = (IN(i, INIT) -> INIT : 0); ct[i] = IN(i, INIT); voted[i] = NONE; i++ :: else -> break od; i = 0;
   role[0] = LEADER; leadof[1] = 0; cack[0] = INIT; voted[0] = 0 }
 do
 :: d_step { i = 0; do :: i < 3 ->                                           /* tick */
        if :: promise[i] > 0 -> promise[i]-- :: else fi;
        if :: promise[i] == 0 -> pterm[i] = 0 :: else fi;
        if :: hold[i] > 0 -> hold[i]-- :: else fi;
        if :: barrier[i] > 0 -> barrier[i]-- :: else fi;
        if :: stab[i] > 0 -> stab[i]-- :: else fi;
        if :: lease[i] > 0 -> lease[i]-- :: else fi; i++ :: else -> break od; i = 0 }
 /* campaign; its own vote goes by the release it has heard, if any */
 :: atomic { pick(j); if :: up[j] && !LEADS(j) && hold[j] == 0 && term[j] < MAXT && IN(j, cm[j]) ->
        term[j]++; voted[j] = j; role[j] = CAND; barrier[j] = promise[j]; vts[j] = BIT(j); win(j)
      :: else fi; j = 0 }
 /* vote of j for i, with the release of the term before if there is one and i knows it */
 :: atomic { pick(j); pick(i); if :: i != j && up[j] && up[i] && role[i] == CAND && term[i] >= term[j] && IN(j, cm[i]) && !NEWER(j, i) ->
        seeterm(j, term[i]);
        if :: (voted[j] == NONE || voted[j] == i) && hold[j] == 0 && !LEADS(j) ->
              if :: rel[term[i] - 1] -> clear(j, term[i] - 1) :: skip fi;
              voted[j] = i; if :: role[j] == CAND -> stepdown(j) :: else fi;
              if :: skip
                 :: if :: promise[j] > barrier[i] -> barrier[i] = promise[j] :: else fi;
                    vts[i] = vts[i] | BIT(j); win(i)
              fi
           :: else fi
      :: else fi; i = 0; j = 0 }
 /* Renew of j acked by i; or j alone when it is the whole config */
 :: atomic { pick(j); pick(i); if
      :: i == j && up[j] && role[j] == LEADER && barrier[j] == 0 && cm[j] == BIT(j) -> open(j)
      :: i != j && up[j] && up[i] && role[j] == LEADER && term[j] >= term[i] && hold[i] == 0 && IN(i, cm[j]) ->
           seeterm(i, term[j]); if :: role[i] != FOLLOWER -> stepdown(i) :: else fi;
           promise[i] = LV; pterm[i] = term[j];
           if :: skip :: barrier[j] == 0 && MAJ((BIT(i) | BIT(j)), cm[j]) -> open(j) fi
      :: else fi; i = 0; j = 0 }
 /* push of the leader's config; whoever holds a newer one passes it on to those who do not lead */
 :: atomic { pick(j); pick(i); if
      :: i != j && up[j] && up[i] && role[j] == LEADER && term[j] >= term[i] && (NEWER(j, i) || SAME(j, i)) && !(LEADS(i) && term[i] == term[j]) ->
           seeterm(i, term[j]);
           if :: NEWER(j, i) -> if :: role[i] != FOLLOWER -> stepdown(i) :: else fi; ct[i] = ct[j]; cv[i] = cv[j]; cm[i] = cm[j] :: else fi;
           if :: skip :: cack[j] = cack[j] | BIT(i) fi
      :: i != j && up[j] && up[i] && role[j] != LEADER && !LEADS(i) && NEWER(j, i) ->
           seeterm(i, ct[j]); if :: role[i] != FOLLOWER -> stepdown(i) :: else fi; ct[i] = ct[j]; cv[i] = cv[j]; cm[i] = cm[j]
      :: else fi; i = 0; j = 0 }
 /* a change of one member, from a config of the own term that a quorum has acked */
 :: atomic { pick(j); pick(n); if :: up[j] && role[j] == LEADER && changes < K && ct[j] == term[j] && MAJ(cack[j], cm[j]) && STABLE(j) && cm[j] != BIT(n) ->
        cm[j] = cm[j] ^ BIT(n); cv[j]++; cack[j] = BIT(j) & cm[j]; changes++; stab[j] = LV
      :: else fi; n = 0; j = 0 }
 /* close; then the ack and the release, or no ack */
 :: atomic { pick(j); if :: up[j] && role[j] == LEADER && MAYREL(j) -> zero(j); role[j] = DRAIN :: else fi; j = 0 }
 :: atomic { pick(j); if
      :: up[j] && role[j] == DRAIN -> rel[term[j]] = 1; clear(j, term[j]); stepdown(j)
      :: up[j] && role[j] == DRAIN -> stepdown(j)
#ifdef M_REOPEN
      :: up[j] && role[j] == DRAIN -> rel[term[j]] = 1; clear(j, term[j]); role[j] = LEADER
#endif
      :: else fi; j = 0 }
 /* LeaseRelease(t) arrives at j */
 :: atomic { pick(j); if :: t = 1 :: t = 2 :: t = 3 fi;
      if :: rel[t] && up[j] -> clear(j, t) :: else fi; j = 0; t = 0 }
 /* crash, restart */
 :: atomic { pick(j); if :: up[j] && crashes < CR -> up[j] = 0; crashes++; stepdown(j); promise[j] = 0; pterm[j] = 0; hold[j] = 0 :: else fi; j = 0 }
 :: atomic { pick(j); if :: !up[j] -> up[j] = 1; lease[j] = 0; hold[j] = LV :: else fi; j = 0 }
 od }
